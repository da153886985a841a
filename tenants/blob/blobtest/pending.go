package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/errs"
)

// runPending runs the tests in which somebody waits for somebody else. Each is
// in a bubble of testing/synctest, where "nothing happens any more" can be
// known without sleeping.
func runPending(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"many readers", manyReaders},
		{"R2 held back", heldBack},
		{"R2 mismatch", mismatch},
		{"declared values that fit", declaredFits},
		{"abort", abort},
		{"abort after commit", abortAfterCommit},
		{"F3 limit while streaming", pendingOverLimit},
		{"reader that gives up", readerGivesUp},
		{"reader after the end", readerAfterEnd},
		{"order of calls", order},
		{"wait", wait},
		{"D3 delete and put", deleteAndPut},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test.run(t, open(t)) })
		})
	}
}

func create(t *testing.T, s blob.Store) *blob.Pending {
	t.Helper()
	p, err := s.Create(t.Context(), limit)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t *testing.T, p *blob.Pending, b []byte) {
	t.Helper()
	for len(b) > 0 {
		n := min(len(b), 20_000)
		if _, err := p.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
}

// client is a reader in a goroutine of its own and what it got so far.
type client struct {
	mu   sync.Mutex
	got  []byte
	err  error // how it ended, io.EOF when well
	done chan struct{}
}

func attach(t *testing.T, p *blob.Pending) *client {
	t.Helper()
	r, err := p.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &client{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer r.Close() //nolint:errcheck // only read
		buf := make([]byte, 7000)
		for {
			n, err := r.Read(buf)
			c.mu.Lock()
			c.got = append(c.got, buf[:n]...)
			c.err = err
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c
}

// seen returns what the client has once nothing moves any more.
func (c *client) seen() ([]byte, error) {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got, c.err
}

func manyReaders(t *testing.T, s blob.Store) {
	want := Bytes(2<<20+11, 20)
	p := create(t, s)
	p.Release(blob.Follow)
	var clients []*client
	for i := range 64 {
		if i%8 == 0 { // some come late
			write(t, p, want[p.Written():int64(len(want))*int64(i+8)/64])
		}
		clients = append(clients, attach(t, p))
	}
	info, err := p.Commit(t.Context(), blob.Undeclared())
	if err != nil || info != infoOf(want) {
		t.Fatalf("info %+v, %v", info, err)
	}
	if err := p.ReleaseAll(); err != nil {
		t.Fatal(err)
	}
	for i, c := range clients {
		if got, err := c.seen(); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
			t.Errorf("client %d: %d of %d bytes, %v", i, len(got), len(want), err)
		}
	}
	if got := content(t, s, info.Digest); !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes are stored", len(got), len(want))
	}
}

func heldBack(t *testing.T, s blob.Store) {
	want := Bytes(500_000, 21)
	size := len(want)
	p := create(t, s)
	c := attach(t, p)
	for _, step := range []struct {
		name string
		do   func()
		sees int
	}{
		{"nothing written", func() {}, 0},
		{"written, nothing released", func() { write(t, p, want[:300_000]) }, 0},
		{"some released", func() { p.Release(1000) }, 1000},
		{"less released", func() { p.Release(10) }, 1000},
		{"all released", func() { p.Release(blob.Follow) }, 300_000 - blob.Tail},
		{"all written", func() { write(t, p, want[300_000:]) }, size - blob.Tail},
		{"committed", func() {
			if _, err := p.Commit(t.Context(), blob.Undeclared()); err != nil {
				t.Fatal(err)
			}
		}, size - blob.Tail},
		{"wholly released", func() {
			if err := p.ReleaseAll(); err != nil {
				t.Fatal(err)
			}
		}, size},
	} {
		step.do()
		got, err := c.seen()
		if !bytes.Equal(got, want[:step.sees]) {
			t.Fatalf("%s: the client has %d bytes, want %d", step.name, len(got), step.sees)
		}
		if ended := err != nil; ended != (step.sees == size) {
			t.Fatalf("%s: the client's error is %v", step.name, err)
		}
	}
}

func mismatch(t *testing.T, s blob.Store) {
	for _, size := range []int{1, blob.Tail - 1, blob.Tail, blob.Tail + 1, 400_000} {
		b := Bytes(size, 22)
		other := infoOf(append(bytes.Clone(b[:size-1]), b[size-1]^1)) // differs in the last byte only
		for what, d := range map[string]blob.Declared{
			"size":   {Size: int64(size) + 1},
			"sha256": {Size: blob.SizeUnknown, SHA256: other.Digest[:]},
			"sha512": {Size: int64(size), SHA512: other.SHA512[:], SHA256: other.Digest[:]},
			"sha1":   {Size: int64(size), SHA1: other.SHA1[:]},
			"md5":    {Size: int64(size), MD5: other.MD5[:]},
			"sha1 ":  {Size: int64(size), SHA1: []byte("short")},
		} {
			one := fmt.Sprintf("%d bytes, %s", size, what)
			p := create(t, s)
			p.Release(blob.Follow)
			c := attach(t, p)
			write(t, p, b)
			_, err := p.Commit(t.Context(), d)
			wantKind(t, one, err, errs.Upstream)
			var m *blob.Mismatch
			if !errors.As(err, &m) || m.What != strings.TrimSpace(what) || m.Declared == m.Received || m.Info != infoOf(b) {
				t.Errorf("%s: mismatch %+v", one, m)
			}
			if m != nil && (!strings.Contains(errs.Public(err), m.Declared) || !strings.Contains(errs.Public(err), m.Received)) {
				t.Errorf("%s: message %q does not name both values", one, errs.Public(err))
			}
			if err := p.ReleaseAll(); err == nil {
				t.Errorf("%s: it could be released", one)
			}
			got, cerr := c.seen()
			if !errors.Is(cerr, m) {
				t.Errorf("%s: the client ended with %v", one, cerr)
			}
			if len(got) > max(0, size-blob.Tail) {
				t.Errorf("R2: %s: the client saw %d bytes", one, len(got))
			}
		}
	}
	if n := count(t, s); n != 0 {
		t.Errorf("R2: %d blobs were kept", n)
	}
}

func declaredFits(t *testing.T, s blob.Store) {
	b := Bytes(100_000, 23)
	i := infoOf(b)
	p := create(t, s)
	write(t, p, b)
	got, err := p.Commit(t.Context(), blob.Declared{Size: i.Size, SHA256: i.Digest[:], SHA512: i.SHA512[:], SHA1: i.SHA1[:], MD5: i.MD5[:]})
	if err != nil || got != i {
		t.Errorf("info %+v, %v", got, err)
	}
	p = create(t, s) // nothing written and nothing declared is not the same
	if _, err := p.Commit(t.Context(), blob.Declared{}); err != nil {
		t.Errorf("an empty file that is declared so: %v", err)
	}
}

func abort(t *testing.T, s blob.Store) {
	p := create(t, s)
	p.Release(blob.Follow)
	reading, waiting := attach(t, p), attach(t, p)
	write(t, p, Bytes(200_000, 24))
	why := errs.New(errs.Upstream, "test", "the remote hung up")
	p.Abort(why)
	for _, c := range []*client{reading, waiting} {
		if _, err := c.seen(); !errors.Is(err, why) {
			t.Errorf("the client ended with %v", err)
		}
	}
	p.Abort(errors.New("another reason"))
	if _, err := p.Write([]byte("more")); !errors.Is(err, why) {
		t.Errorf("Write after Abort: %v", err)
	}
	if _, err := p.Commit(t.Context(), blob.Undeclared()); !errors.Is(err, why) {
		t.Errorf("Commit after Abort: %v", err)
	}
	if _, err := p.Reader(t.Context()); !errors.Is(err, why) {
		t.Errorf("Reader after Abort: %v", err)
	}
	if count(t, s) != 0 {
		t.Error("it was kept")
	}
	p = create(t, s)
	p.Abort(nil)
	if _, err := p.Wait(t.Context()); err == nil {
		t.Error("an Abort without reason looks like success")
	}
}

func abortAfterCommit(t *testing.T, s blob.Store) {
	want := Bytes(200_000, 25)
	p := create(t, s)
	p.Release(blob.Follow)
	c := attach(t, p)
	write(t, p, want)
	info, err := p.Commit(t.Context(), blob.Undeclared())
	if err != nil {
		t.Fatal(err)
	}
	refused := errs.New(errs.Forbidden, "test", "refused after the scan")
	p.Abort(refused)
	if got, err := c.seen(); !errors.Is(err, refused) || len(got) > len(want)-blob.Tail {
		t.Errorf("the client has %d bytes and ended with %v", len(got), err)
	}
	if err := p.ReleaseAll(); !errors.Is(err, refused) {
		t.Errorf("ReleaseAll: %v", err)
	}
	if got := content(t, s, info.Digest); !bytes.Equal(got, want) {
		t.Errorf("%d bytes are stored", len(got))
	}
}

func pendingOverLimit(t *testing.T, s blob.Store) {
	p, err := s.Create(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	c := attach(t, p)
	write(t, p, Bytes(1000, 26))
	_, err = p.Write([]byte{1})
	wantKind(t, "Write", err, errs.TooLarge)
	_, err = c.seen()
	wantKind(t, "the client", err, errs.TooLarge)
	_, err = p.Commit(t.Context(), blob.Undeclared())
	wantKind(t, "Commit", err, errs.TooLarge)
	if count(t, s) != 0 {
		t.Error("it was kept")
	}
}

func readerGivesUp(t *testing.T, s blob.Store) {
	p := create(t, s)
	p.Release(blob.Follow)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := p.Reader(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, r)
		ended <- errors.Join(err, r.Close(), r.Close())
	}()
	stays := attach(t, p)
	write(t, p, Bytes(200_000, 27))
	synctest.Wait()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := p.Commit(t.Context(), blob.Undeclared()); err != nil {
		t.Fatal(err)
	}
	if err := p.ReleaseAll(); err != nil {
		t.Fatal(err)
	}
	if got, err := stays.seen(); !errors.Is(err, io.EOF) || len(got) != 200_000 {
		t.Errorf("the other client has %d bytes, %v", len(got), err)
	}
}

func readerAfterEnd(t *testing.T, s blob.Store) {
	want := Bytes(200_000, 28)
	p := create(t, s)
	write(t, p, want)
	if _, err := p.Commit(t.Context(), blob.Undeclared()); err != nil {
		t.Fatal(err)
	}
	late := attach(t, p)
	if got, err := late.seen(); len(got) != 0 || err != nil {
		t.Errorf("before the release: %d bytes, %v", len(got), err)
	}
	if err := p.ReleaseAll(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{late, attach(t, p)} {
		if got, err := c.seen(); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}

func order(t *testing.T, s blob.Store) {
	p := create(t, s)
	write(t, p, []byte("bytes"))
	wantKind(t, "ReleaseAll before Commit", p.ReleaseAll(), errs.Internal)
	if _, err := p.Commit(t.Context(), blob.Undeclared()); err != nil {
		t.Fatal(err)
	}
	_, err := p.Commit(t.Context(), blob.Undeclared())
	wantKind(t, "Commit again", err, errs.Internal)
	_, err = p.Write([]byte("more"))
	wantKind(t, "Write after Commit", err, errs.Internal)
	if got := content(t, s, infoOf([]byte("bytes")).Digest); string(got) != "bytes" {
		t.Errorf("stored is %q", got)
	}
	_, err = s.Create(t.Context(), 0)
	wantKind(t, "no limit", err, errs.Internal)
}

func wait(t *testing.T, s blob.Store) {
	p := create(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with an ended context: %v", err)
	}
	got := make(chan blob.Info, 1)
	go func() {
		info, err := p.Wait(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- info
	}()
	write(t, p, []byte("bytes"))
	synctest.Wait()
	if len(got) != 0 {
		t.Error("Wait returned before Commit")
	}
	if _, err := p.Commit(t.Context(), blob.Undeclared()); err != nil {
		t.Fatal(err)
	}
	if info := <-got; info != infoOf([]byte("bytes")) {
		t.Errorf("Wait says %+v", info)
	}
}
