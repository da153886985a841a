package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/errs"
)

func deleteRechecks(t *testing.T, s blob.Store) {
	info := put(t, s, Bytes(1000, 6))
	unsure := errs.New(errs.Unavailable, "test", "the database is away")
	for _, c := range []struct {
		name    string
		recheck func(blob.Stat) (bool, error)
		want    error
	}{
		{"still referenced", func(blob.Stat) (bool, error) { return false, nil }, nil},
		{"cannot tell", func(blob.Stat) (bool, error) { return true, unsure }, unsure},
	} {
		gone, err := s.Delete(t.Context(), info.Digest, c.recheck)
		if gone || !errors.Is(err, c.want) {
			t.Errorf("%s: removed %v, %v", c.name, gone, err)
		}
		if got := content(t, s, info.Digest); len(got) != 1000 {
			t.Fatalf("%s: %d bytes left", c.name, len(got))
		}
	}
	want, err := s.Stat(t.Context(), info.Digest)
	if err != nil {
		t.Fatal(err)
	}
	gone, err := s.Delete(t.Context(), info.Digest, func(st blob.Stat) (bool, error) {
		if st != want {
			t.Errorf("recheck sees %+v, Stat says %+v", st, want)
		}
		return true, nil
	})
	if !gone || err != nil {
		t.Errorf("removed %v, %v", gone, err)
	}
	_, err = s.Stat(t.Context(), info.Digest)
	wantKind(t, "after Delete", err, errs.NotFound)
}

// deleteAndPut puts the same bytes while recheck runs: Put waits for Delete,
// and when it returns there are bytes.
func deleteAndPut(t *testing.T, s blob.Store) {
	want := Bytes(1000, 7)
	info := put(t, s, want)
	var returned atomic.Bool
	stored := make(chan error, 1)
	gone, err := s.Delete(t.Context(), info.Digest, func(blob.Stat) (bool, error) {
		go func() {
			_, err := s.Put(context.Background(), bytes.NewReader(want), limit)
			returned.Store(true)
			stored <- err
		}()
		synctest.Wait() // until Put can go no further
		if returned.Load() {
			t.Error("D3: Put returned while recheck ran")
		}
		return true, nil
	})
	if !gone || err != nil {
		t.Errorf("removed %v, %v", gone, err)
	}
	if err := <-stored; err != nil {
		t.Fatal(err)
	}
	if got := content(t, s, info.Digest); !bytes.Equal(got, want) {
		t.Errorf("%d bytes after Put returned", len(got))
	}
}

func openSurvivesDelete(t *testing.T, s blob.Store) {
	want := Bytes(500_000, 8)
	info := put(t, s, want)
	b, err := s.Open(t.Context(), info.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() //nolint:errcheck // only read
	if _, err := s.Delete(t.Context(), info.Digest, func(blob.Stat) (bool, error) { return true, nil }); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b.Content()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
}
