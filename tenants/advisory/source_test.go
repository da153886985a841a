package advisory

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/errs"
)

// files reads a whole source: content by file, and what could not be read.
func files(t testing.TB, path string) (content map[string]string, failed map[string]error) {
	t.Helper()
	src, err := openPath(path)
	if err != nil {
		t.Fatal(err)
	}
	content, failed = map[string]string{}, map[string]error{}
	err = src(t.Context(), func(it item) error {
		if it.err != nil {
			failed[it.file] = it.err
			return nil
		}
		content[it.file] = string(it.data)
		if it.gzip != nil {
			z, err := gzip.NewReader(bytes.NewReader(it.gzip))
			if err != nil {
				return err
			}
			data, err := io.ReadAll(z) // checks length and checksum
			if err != nil || !bytes.Equal(data, it.data) {
				t.Errorf("%s: the gzip form is %q, %v; want %q", it.file, data, err, it.data)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return content, failed
}

func TestLayouts(t *testing.T) {
	plain := folder(t, map[string]string{"a.json": "A", "deep/er/b.JSON": "B", "README.md": "-", "npm/c.json": "C", "other/d.json": "D"})
	bulk := folder(t, map[string]string{"COVERAGE.json": "-", "other/x.json": "-", "modified_id.csv": "-"})
	zipped(t, filepath.Join(bulk, "npm/all.zip"), map[string]string{"a.json": "A", "b.txt": "-"})
	zipped(t, filepath.Join(bulk, "PyPI/all.zip"), map[string]string{"b.json": "B"})
	zipped(t, filepath.Join(bulk, "Go/all.zip"), map[string]string{"x.json": "-"})
	unpacked := folder(t, map[string]string{"ecosystems.txt": "npm\nMaven\n", "npm/a.json": "A", "Maven/all/b.json": "B", "Debian/x.json": "-"})
	for _, c := range []struct {
		name, path string
		want       []string
	}{
		{"folder, at any depth", plain, []string{"a.json", "deep/er/b.JSON", "npm/c.json", "other/d.json"}},
		{"zip", zipped(t, filepath.Join(t.TempDir(), "x.bin"), map[string]string{"a.json": "A", "in/b.json": "B", "c.csv": "-"}), []string{"x.bin/a.json", "x.bin/in/b.json"}},
		{"one file", filepath.Join(plain, "a.json"), []string{"a.json"}},
		{"bulk export", bulk, []string{"PyPI/all.zip/b.json", "npm/all.zip/a.json"}},
		{"one ecosystem of it", filepath.Join(bulk, "npm"), []string{"all.zip/a.json"}},
		{"unpacked bulk export", unpacked, []string{"Maven/all/b.json", "npm/a.json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			content, failed := files(t, c.path)
			if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, c.want) || len(failed) > 0 {
				t.Errorf("read %v, failed %v; want %v", got, failed, c.want)
			}
		})
	}
}

// TestF5_PathErrors proves that a path that is no feed is refused in words.
func TestF5_PathErrors(t *testing.T) {
	dir := folder(t, map[string]string{"a.txt": "hello", "empty": "", "cut.zip": "PK\x03\x04 and no more"})
	for _, c := range []struct{ path, want string }{
		{"missing", "does not exist; want a folder of OSV records"},
		{"a.txt", "is neither a zip nor a JSON file"},
		{"empty", "is neither a zip nor a JSON file"},
		{"cut.zip", "cut.zip is not a complete zip"},
	} {
		src, err := openPath(filepath.Join(dir, c.path))
		if err == nil {
			err = src(t.Context(), func(item) error { return nil })
		}
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), c.want) {
			t.Errorf("%s: error %v, want Invalid with %q", c.path, err, c.want)
		}
	}
}

// TestF3_ZipBounds proves that what a zip claims and what it does are bounded,
// that one bad entry does not lose the others, and that nothing is unpacked.
func TestF3_ZipBounds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "in", "evil.zip")
	bomb := `{"id":"` + strings.Repeat("0", 2*MaxRecordBytes) + `"}`
	zipped(t, path, map[string]string{"../../slip.json": "S", "/abs.json": "A", "a.json": "hello hello hello hello", "bomb.json": bomb})
	content, failed := files(t, path)
	if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, []string{"evil.zip/../../slip.json", "evil.zip//abs.json", "evil.zip/a.json"}) {
		t.Errorf("read %v", got)
	}
	if err := failed["evil.zip/bomb.json"]; !errors.Is(err, errRecordTooLarge) || !strings.Contains(err.Error(), "8388608") {
		t.Errorf("bomb: %v, want the bound", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.json")); len(left) > 0 {
		t.Errorf("unpacked %v", left)
	}

	// A bomb that lies about its size.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lie(t, data, uint32(len(bomb)), 10)
	lying := filepath.Join(dir, "lying.zip")
	if err := os.WriteFile(lying, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, failed := files(t, lying); !errors.Is(failed["lying.zip/bomb.json"], errRecordTooLarge) {
		t.Errorf("lying bomb: %v, want the bound", failed)
	}
}

// lie replaces a size in a zip's directory and headers.
func lie(t testing.TB, zip []byte, size, claimed uint32) {
	t.Helper()
	var old, claim [4]byte
	binary.LittleEndian.PutUint32(old[:], size)
	binary.LittleEndian.PutUint32(claim[:], claimed)
	if !bytes.Contains(zip, old[:]) {
		t.Fatal("the size is not in the zip")
	}
	copy(zip, bytes.ReplaceAll(zip, old[:], claim[:]))
}

func TestDamagedZipEntries(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, method := range map[string]uint16{"stored.json": zip.Store, "deflated.json": zip.Deflate} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, `{"marker":"marker"}`)
	}
	odd, err := z.CreateRaw(&zip.FileHeader{Name: "odd.json", Method: 99})
	if err != nil {
		t.Fatal(err)
	}
	odd.Write([]byte("?"))
	secret, err := z.CreateRaw(&zip.FileHeader{Name: "secret.json", Method: zip.Store, Flags: flagEncrypted})
	if err != nil {
		t.Fatal(err)
	}
	secret.Write(nil)
	z.Close()
	path := filepath.Join(t.TempDir(), "f.zip")
	data := bytes.Replace(b.Bytes(), []byte(`"marker":"marker"`), []byte(`"marker":"damage"`), 1) // the stored one
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	content, failed := files(t, path)
	if len(content) != 1 || content["f.zip/deflated.json"] == "" {
		t.Errorf("read %v, want the sound entry", content)
	}
	for name, want := range map[string]string{"stored": "its checksum or size is not", "odd": "compressed with method 99", "secret": "is encrypted"} {
		if err := failed["f.zip/"+name+".json"]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestF3_ZipDirectory proves that a directory that would not fit into memory
// is not read.
func TestF3_ZipDirectory(t *testing.T) {
	path := zipped(t, filepath.Join(t.TempDir(), "f.zip"), map[string]string{"a.json": "A"})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	for left, want := range map[int64]error{100: errDirectory, maxZipDirectory: nil} {
		_, err := zip.NewReader(&directoryBound{r: f, left: left}, info.Size())
		if !errors.Is(err, want) {
			t.Errorf("with %d bytes: %v, want %v", left, err, want)
		}
	}
}

func TestF3_FolderBounds(t *testing.T) {
	outside := folder(t, map[string]string{"secret.json": "secret"})
	deep := strings.Repeat("d/", maxFolderDepth+1) + "x.json"
	dir := folder(t, map[string]string{"a.json": "A", deep: "X", "dir.json/b.json": "B", "huge.json": strings.Repeat(" ", MaxRecordBytes+1)})
	for link, target := range map[string]string{"inside.json": "a.json", "out.json": filepath.Join(outside, "secret.json"), "gone.json": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	content, failed := files(t, dir)
	if got := slices.Sorted(maps.Keys(content)); !slices.Equal(got, []string{"a.json", "dir.json/b.json", "inside.json"}) {
		t.Errorf("read %v", got)
	}
	for name, want := range map[string]string{
		"out.json": "escapes", "gone.json": "cannot be read", "huge.json": "8388608",
		strings.TrimSuffix(strings.Repeat("d/", maxFolderDepth+1), "/"): "more than 16 folders deep",
	} {
		if err := failed[name]; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestSourceStopsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := folder(t, map[string]string{"a.json": "A"})
	for _, path := range []string{dir, zipped(t, filepath.Join(dir, "f.bin"), map[string]string{"a.json": "A"})} {
		src, err := openPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := src(ctx, func(item) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want the context's error", path, err)
		}
	}
}
