package npm

import (
	"archive/tar"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/blob"
)

// large writes the body of a publication of about size bytes, never all of it
// in memory.
func large(w io.Writer, size int64) error {
	if _, err := io.WriteString(w, `{"_id":"x","_attachments":{"x-1.0.0.tgz":{"data":"`); err != nil {
		return err
	}
	digits := base64.NewEncoder(base64.StdEncoding, w)
	z, err := gzip.NewWriterLevel(digits, gzip.NoCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, f := range []struct {
		name string
		size int64
		from io.Reader
	}{
		{"package/package.json", int64(len(packageJSON.Body)), strings.NewReader(packageJSON.Body)},
		{"package/noise", size, io.LimitReader(rand.NewChaCha8([32]byte{}), size)},
	} {
		if err := t.WriteHeader(&tar.Header{Name: f.name, Size: f.size, Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := io.Copy(t, f.from); err != nil {
			return err
		}
	}
	for _, c := range []io.Closer{t, z, digits} {
		if err := c.Close(); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(w, `"}},"name":"x","versions":{"1.0.0":{"name":"x","version":"1.0.0"}}}`)
	return err
}

// TestF3_APublicationIsNotBuffered counts everything that is allocated while a
// publication passes: it does not depend on how large the tarball is.
func TestF3_APublicationIsNotBuffered(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 300 MB")
	}
	const size = 300 << 20
	disk, err := blob.NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := &testIntake{}
	h := &Handler{Gate: &testGate{}, Intake: in, Access: allowAll{}, Blobs: disk}
	body, from := io.Pipe()
	go func() { from.CloseWithError(large(from, size)) }()
	r := httptest.NewRequest(http.MethodPut, "/x", body)
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.Serve(w, r, targetOf("/x"))
	runtime.ReadMemStats(&after)
	if w.Code != http.StatusCreated || len(in.published) != 1 || in.published[0].Files[0].Blob.Size < size {
		t.Fatalf("%d %s %+v", w.Code, w.Body, in.published)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d bytes were allocated", got)
	}
}

// TestF3_TarballsAreBounded by what the handler says, and leave nothing behind.
func TestF3_TarballsAreBounded(t *testing.T) {
	disk, err := blob.NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := &testIntake{}
	h := &Handler{Gate: &testGate{}, Intake: in, Access: allowAll{}, Blobs: disk, MaxTarball: 100}
	w := httptest.NewRecorder()
	body := protocoltest.PublishBody("npm", "x", "1.0.0", protocoltest.PackOf("x", "1.0.0", nil)).String()
	h.Serve(w, httptest.NewRequest(http.MethodPut, "/x", strings.NewReader(body)), targetOf("/x"))
	if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), "larger than the limit of 100 bytes") || len(in.published) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	err = disk.Walk(t.Context(), func(s blob.Stat) error { t.Errorf("kept %v", s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if n, _, err := disk.CleanTemp(t.Context(), 0); err != nil || n != 0 {
		t.Errorf("%d files were left behind, %v", n, err)
	}
}
