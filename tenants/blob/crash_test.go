package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

func newDisk(t *testing.T) *Disk {
	t.Helper()
	d, err := NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// files lists the regular files of a store but its locks.
func files(t *testing.T, d *Disk) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(d.root, func(path string, e os.DirEntry, err error) error {
		rel, _ := filepath.Rel(d.root, path)
		if err == nil && e.Type().IsRegular() && !strings.HasPrefix(rel, "locks") {
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDisk_LayoutAndSendfile(t *testing.T) {
	d := newDisk(t)
	info, err := d.Put(t.Context(), strings.NewReader("abc"), 10)
	if err != nil {
		t.Fatal(err)
	}
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if got := fmt.Sprint(files(t, d)); got != "[ba/78/"+abc+"]" {
		t.Errorf("files %s", got)
	}
	b, err := d.Open(t.Context(), info.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // only read
	if _, ok := b.Content().(*os.File); !ok {
		t.Errorf("the content is a %T, which the kernel cannot send by itself", b.Content())
	}
	rec := httptest.NewRecorder()
	req := httptest.NewRequest(http.MethodGet, "/", nil)
	req.Header.Set("Range", "bytes=1-1")
	http.ServeContent(rec, req, "", b.ModTime, b.Content())
	if rec.Code != http.StatusPartialContent || rec.Body.String() != "b" {
		t.Errorf("a range: %d %q", rec.Code, rec.Body)
	}
}

func TestD3_PutRenewsTheGrace(t *testing.T) {
	d := newDisk(t)
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	now := first
	d.now = func() time.Time { return now }
	info, err := d.Put(t.Context(), strings.NewReader("abc"), 10)
	if err != nil {
		t.Fatal(err)
	}
	inode := inodeOf(t, d.path(info.Digest))
	for _, now = range []time.Time{first, first.Add(48 * time.Hour)} {
		if _, err := d.Put(t.Context(), strings.NewReader("abc"), 10); err != nil {
			t.Fatal(err)
		}
		if st, err := d.Stat(t.Context(), info.Digest); err != nil || !st.ModTime.Equal(now) {
			t.Errorf("time %v, %v; want %v", st.ModTime, err, now)
		}
	}
	if inodeOf(t, d.path(info.Digest)) != inode {
		t.Error("the bytes were written again")
	}
	if got := files(t, d); len(got) != 1 {
		t.Errorf("files %v", got)
	}
}

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Ino
}

func TestDisk_DamagedBlobIsReplaced(t *testing.T) {
	d := newDisk(t)
	info, err := d.Put(t.Context(), strings.NewReader("abc"), 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.path(info.Digest), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Put(t.Context(), strings.NewReader("abc"), 10); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(d.path(info.Digest)); err != nil || string(b) != "abc" {
		t.Errorf("stored is %q, %v", b, err)
	}
}

// fullSpool fails like a full disk after some bytes, or at the sync.
type fullSpool struct {
	spool
	room int
}

func (f *fullSpool) Write(p []byte) (int, error) {
	n, err := f.spool.Write(p[:min(len(p), f.room)])
	f.room -= n
	if err == nil && n < len(p) {
		err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return n, err
}

func (f *fullSpool) Sync() error {
	if f.room == 0 {
		return &os.PathError{Op: "fsync", Path: f.Name(), Err: syscall.EDQUOT}
	}
	return f.spool.Sync()
}

func TestF4_FullDiskKeepsNothing(t *testing.T) {
	for name, room := range map[string]int{"while writing": 100, "at the sync": 1000} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t)
			d.create = func(dir string) (spool, error) {
				s, err := createTemp(dir)
				return &fullSpool{s, room}, err
			}
			p, err := d.Create(t.Context(), 5000)
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close() //nolint:errcheck // only read
			_, err = p.Write(make([]byte, 1000))
			if err == nil {
				_, err = p.Commit(t.Context(), Undeclared())
			}
			if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.Public(err), "no room") {
				t.Errorf("error %v", err)
			}
			if _, rerr := r.Read(make([]byte, 1)); !errors.Is(rerr, err) {
				t.Errorf("the reader got %v", rerr)
			}
			if got := files(t, d); len(got) != 0 {
				t.Errorf("files %v", got)
			}
		})
	}
}

// TestF4_KilledInTheMiddle kills a process that has written but not committed.
func TestF4_KilledInTheMiddle(t *testing.T) {
	if root := os.Getenv("BLOB_TEST_ROOT"); root != "" {
		d, err := NewDisk(root)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Put(t.Context(), strings.NewReader("complete"), 100); err != nil {
			t.Fatal(err)
		}
		p, err := d.Create(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		select {}
	}
	d := newDisk(t)
	child := exec.Command(os.Args[0], "-test.run=^TestF4_KilledInTheMiddle$")
	child.Env = append(os.Environ(), "BLOB_TEST_ROOT="+d.root)
	if err := child.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v", err)
	}
	if got := files(t, d); len(got) != 2 {
		t.Fatalf("files %v, want a blob and a leftover", got)
	}
	var seen []Stat
	if err := d.Walk(t.Context(), func(st Stat) error { seen = append(seen, st); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256([]byte("complete")); len(seen) != 1 || seen[0].Digest != want {
		t.Errorf("Walk shows %v", seen)
	}
	// The dead process's locks are gone with it.
	if _, err := d.Put(t.Context(), strings.NewReader("complete"), 100); err != nil {
		t.Fatal(err)
	}
	checkCleanTemp(t, d)
}

func checkCleanTemp(t *testing.T, d *Disk) {
	t.Helper()
	real := time.Now()
	for _, c := range []struct {
		age  time.Duration
		want int
	}{{30 * time.Minute, 0}, {2 * time.Hour, 1}, {2 * time.Hour, 0}} {
		d.now = func() time.Time { return real.Add(c.age) }
		n, size, err := d.CleanTemp(t.Context(), time.Hour)
		if err != nil || n != c.want || size != int64(4*c.want) {
			t.Errorf("after %v: %d files with %d bytes, %v; want %d", c.age, n, size, err, c.want)
		}
	}
	if got := files(t, d); len(got) != 1 {
		t.Errorf("files %v, want the blob", got)
	}
}

// TestD3_LockIsAcrossProcesses: serve and work are two processes on one disk.
func TestD3_LockIsAcrossProcesses(t *testing.T) {
	d := newDisk(t)
	other, err := NewDisk(d.root) // shares nothing but the folder
	if err != nil {
		t.Fatal(err)
	}
	info, err := d.Put(t.Context(), strings.NewReader("abc"), 10)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(d.locks(), info.Digest.String()[:2]))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a test's file
	_, err = other.Delete(t.Context(), info.Digest, func(Stat) (bool, error) {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			t.Errorf("the lock is free while recheck runs: %v", err)
		}
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Errorf("the lock is held afterwards: %v", err)
	}
}

func TestDisk_StrangersInTheFolder(t *testing.T) {
	d := newDisk(t)
	sum := Digest(sha256.Sum256([]byte("elsewhere"))).String()
	for _, name := range []string{"README", "ba/notes", "ba/78/short", "00/00/" + sum, "zz/zz/" + sum} {
		path := filepath.Join(d.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Walk(t.Context(), func(st Stat) error { t.Errorf("shows %v", st); return nil }); err != nil {
		t.Error(err)
	}
}

func TestNewDisk_Unusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := NewDisk(filepath.Join(file, "blobs"))
	if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), file) {
		t.Errorf("error %v", err)
	}
}

func TestDigest_Text(t *testing.T) {
	want := sha256.Sum256([]byte("abc"))
	for _, text := range []string{Digest(want).String(), strings.ToUpper(Digest(want).String())} {
		if got, err := ParseDigest(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ba78", strings.Repeat("g", 64), strings.Repeat("0", 66), "../" + strings.Repeat("0", 61)} {
		d := Digest(want)
		err := d.UnmarshalText([]byte(text))
		if !errs.Is(err, errs.Invalid) || d != want {
			t.Errorf("%q: %v, value %v", text, err, d)
		}
	}
	if b, err := Digest(want).MarshalText(); err != nil || !bytes.Equal(b, []byte(Digest(want).String())) {
		t.Errorf("marshals as %s, %v", b, err)
	}
}
