// Package blobtest is what every implementation of blob.Store must pass.
package blobtest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/errs"
)

// limit is more than any blob of the suite has.
const limit = 8 << 20

// Run runs the suite. open returns a new, empty store for each test; what it
// needs to clean up it registers with t.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"put, stat, open", putOpen},
		{"put again", putAgain},
		{"put at once", putAtOnce},
		{"F3 limit", overLimit},
		{"failing source", failingSource},
		{"ended context", endedContext},
		{"not found", notFound},
		{"D3 delete", deleteRechecks},
		{"open survives delete", openSurvivesDelete},
		{"walk", walk},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	runPending(t, open)
}

// Bytes returns n bytes that look random and are the same for the same seed.
func Bytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // repeatable on purpose
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func put(t *testing.T, s blob.Store, content []byte) blob.Info {
	t.Helper()
	info, err := s.Put(t.Context(), bytes.NewReader(content), limit)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func content(t *testing.T, s blob.Store, d blob.Digest) []byte {
	t.Helper()
	b, err := s.Open(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // only read
	got, err := io.ReadAll(b.Content())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// count returns how many blobs Walk shows.
func count(t *testing.T, s blob.Store) int {
	t.Helper()
	n := 0
	if err := s.Walk(t.Context(), func(blob.Stat) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func wantKind(t *testing.T, what string, err error, kind errs.Kind) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Errorf("%s: error %v (%v), want kind %v", what, err, errs.KindOf(err), kind)
	}
}

// infoOf computes what a store should.
func infoOf(b []byte) blob.Info {
	return blob.Info{
		Digest: sha256.Sum256(b), Size: int64(len(b)),
		SHA512: sha512.Sum512(b), SHA1: sha1.Sum(b), MD5: md5.Sum(b),
	}
}

func putOpen(t *testing.T, s blob.Store) {
	for _, n := range []int{0, 1, 4096, blob.Tail, 3<<20 + 7} {
		want := Bytes(n, 1)
		info := put(t, s, want)
		if info != infoOf(want) {
			t.Errorf("%d bytes: info %+v, want %+v", n, info, infoOf(want))
		}
		if got := content(t, s, info.Digest); !bytes.Equal(got, want) {
			t.Errorf("%d bytes came back as %d others", n, len(got))
		}
		st, err := s.Stat(t.Context(), info.Digest)
		if err != nil || st.Digest != info.Digest || st.Size != int64(n) || st.ModTime.IsZero() {
			t.Errorf("%d bytes: stat %+v, %v", n, st, err)
		}
	}
	// Seeking and reading in the middle: ranges and archives need both.
	want := Bytes(4096, 1)
	b, err := s.Open(t.Context(), infoOf(want).Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // only read
	if end, err := b.Content().Seek(0, io.SeekEnd); err != nil || end != b.Size {
		t.Errorf("the end is at %d of %d, %v", end, b.Size, err)
	}
	part := make([]byte, 10)
	if _, err := b.Content().ReadAt(part, 100); err != nil || !bytes.Equal(part, want[100:110]) {
		t.Errorf("bytes 100 to 110 are %x, %v", part, err)
	}
}

func putAgain(t *testing.T, s blob.Store) {
	want := Bytes(1000, 2)
	info := put(t, s, want)
	before, err := s.Stat(t.Context(), info.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if again := put(t, s, want); again != info {
		t.Errorf("the second time %+v, the first %+v", again, info)
	}
	after, err := s.Stat(t.Context(), info.Digest)
	if err != nil || after.ModTime.Before(before.ModTime) {
		t.Errorf("time went from %v to %v, %v", before.ModTime, after.ModTime, err)
	}
	if n := count(t, s); n != 1 {
		t.Errorf("%d blobs, want 1", n)
	}
}

func putAtOnce(t *testing.T, s blob.Store) {
	want := Bytes(300_000, 3)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			info, err := s.Put(context.Background(), bytes.NewReader(want), limit)
			if err != nil || info != infoOf(want) {
				t.Errorf("info %+v, %v", info, err)
			}
		})
	}
	wg.Wait()
	if got := content(t, s, infoOf(want).Digest); !bytes.Equal(got, want) || count(t, s) != 1 {
		t.Errorf("%d bytes in %d blobs", len(got), count(t, s))
	}
}

func overLimit(t *testing.T, s blob.Store) {
	if _, err := s.Put(t.Context(), bytes.NewReader(Bytes(100, 4)), 100); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	before := count(t, s)
	_, err := s.Put(t.Context(), bytes.NewReader(Bytes(101, 4)), 100)
	wantKind(t, "one byte more", err, errs.TooLarge)
	if !strings.Contains(errs.Public(err), "100 bytes") {
		t.Errorf("message %q does not name the limit (F3)", errs.Public(err))
	}
	if count(t, s) != before {
		t.Error("it was kept")
	}
	_, err = s.Put(t.Context(), bytes.NewReader(nil), 0)
	wantKind(t, "no limit", err, errs.Internal)
}

func failingSource(t *testing.T, s blob.Store) {
	source := errs.New(errs.Upstream, "test", "the connection broke")
	_, err := s.Put(t.Context(), io.MultiReader(bytes.NewReader(Bytes(100_000, 5)), errReader{source}), limit)
	wantKind(t, "broken source", err, errs.Upstream)
	if !errors.Is(err, source) {
		t.Errorf("error %v hides the source's", err)
	}
	if count(t, s) != 0 {
		t.Error("half a file was kept")
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func endedContext(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, bytes.NewReader([]byte("x")), limit); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if count(t, s) != 0 {
		t.Error("it was kept")
	}
}

func notFound(t *testing.T, s blob.Store) {
	d := infoOf([]byte("never stored")).Digest
	_, err := s.Open(t.Context(), d)
	wantKind(t, "Open", err, errs.NotFound)
	_, err = s.Stat(t.Context(), d)
	wantKind(t, "Stat", err, errs.NotFound)
	_, err = s.Delete(t.Context(), d, func(blob.Stat) (bool, error) {
		t.Error("recheck was asked about bytes that are not there")
		return true, nil
	})
	wantKind(t, "Delete", err, errs.NotFound)
}

func walk(t *testing.T, s blob.Store) {
	want := map[blob.Digest]int64{}
	for i := range 20 {
		info := put(t, s, Bytes(100+i, uint64(i)))
		want[info.Digest] = info.Size
	}
	last := ""
	err := s.Walk(t.Context(), func(st blob.Stat) error {
		if st.Digest.String() <= last {
			t.Errorf("%s comes after %s", st.Digest, last)
		}
		last = st.Digest.String()
		if size, ok := want[st.Digest]; !ok || size != st.Size {
			t.Errorf("%s with %d bytes, want %d", st.Digest, st.Size, size)
		}
		delete(want, st.Digest)
		return nil
	})
	if err != nil || len(want) != 0 {
		t.Errorf("%d blobs were not shown, %v", len(want), err)
	}
	stop, calls := errors.New("enough"), 0
	err = s.Walk(t.Context(), func(blob.Stat) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("after %d calls: %v", calls, err)
	}
}
