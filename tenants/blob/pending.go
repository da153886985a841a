package blob

import (
	"context"
	"io"
	"sync"

	"sluice.dev/sluice/tenants/errs"
)

// Tail is how many of the last bytes no reader gets before ReleaseAll, however
// much was released: a file whose digest turns out wrong, or whose contents
// are then refused, never looks complete to any client (R2). The end is not
// known in advance, so readers stay this far behind the writer.
const Tail = 64 << 10

// Pending is a blob that is still arriving. One goroutine writes and commits
// it; any number read from it meanwhile, each at its own pace, from the one copy
// in the store: a slow reader holds up nobody, and 64 of them cost no more
// memory than their buffers.
//
// What readers may see: nothing at first; after Release(n) the bytes below n,
// but never the last Tail bytes; after Commit and ReleaseAll everything. After
// a failure (Abort, a mismatch, a full disk, too many bytes) every reader gets
// that error at its next Read.
type Pending struct {
	limit  int64
	hashes *hashes
	spool  spool
	home   home

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced whenever readers should look again
	written  int64
	released int64
	whole    bool
	state    state
	err      error // why readers fail; nil while they do not
	info     Info  // when stored
	readers  int
	closed   bool // spool is closed: nobody needs it any more
}

type state int

const (
	arriving state = iota
	committing
	stored
	failed
)

// spool holds the bytes while they arrive.
type spool interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Sync() error
	Name() string
}

// home is what a store does for its pending blobs.
type home interface {
	// keep makes the durable, complete spool the blob, or drops it when the
	// blob exists already.
	keep(ctx context.Context, s spool, info Info) error
	// discard removes the spool's bytes; it stays readable until closed.
	discard(s spool)
	Open(ctx context.Context, d Digest) (*Blob, error)
}

func newPending(s spool, h home, limit int64) *Pending {
	return &Pending{limit: limit, hashes: newHashes(), spool: s, home: h, changed: make(chan struct{})}
}

// Write appends p. An error ends the blob as Abort does: TooLarge over the
// limit, Unavailable when the store is full.
func (p *Pending) Write(b []byte) (int, error) {
	p.mu.Lock()
	err, over := p.unwritable(), p.written+int64(len(b)) > p.limit
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if over {
		return 0, p.fail(errs.New(errs.TooLarge, "blob.Write", "the file is larger than the limit of %d bytes", p.limit))
	}
	n, err := p.spool.Write(b)
	if err != nil {
		return n, p.fail(storeErr("blob.Write", err))
	}
	p.hashes.Write(b) //nolint:errcheck // never fails
	p.mu.Lock()
	defer p.mu.Unlock()
	p.written += int64(n)
	p.wake()
	return n, p.err // Abort may have come from elsewhere meanwhile
}

// unwritable returns why nothing more can be written; the caller holds mu.
func (p *Pending) unwritable() error {
	switch p.state {
	case arriving:
		return nil
	case failed:
		return p.err
	}
	return errs.New(errs.Internal, "blob.Write", "the blob is committed already")
}

// Release lets readers have the bytes below offset n, less what Tail says. It
// only ever grows; math.MaxInt64 lets them follow the writer.
func (p *Pending) Release(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n > p.released {
		p.released = n
		p.wake()
	}
}

// ReleaseAll lets readers have everything. Before Commit it is an Internal
// error and releases nothing.
func (p *Pending) ReleaseAll() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if p.state != stored {
		return errs.New(errs.Internal, "blob.ReleaseAll", "the bytes are not checked yet")
	}
	p.whole = true
	p.wake()
	return nil
}

// Commit checks the bytes against what their source declared and stores them
// durably. On a mismatch it keeps nothing, and returns an Upstream error with
// a *Mismatch inside, which readers get as well. Readers wait for ReleaseAll
// before they see the end.
func (p *Pending) Commit(ctx context.Context, d Declared) (Info, error) {
	p.mu.Lock()
	err := p.unwritable()
	if err == nil {
		p.state = committing
	}
	p.mu.Unlock()
	if err != nil {
		return Info{}, err
	}
	info := p.hashes.info()
	if err := d.check(info); err != nil {
		return Info{}, p.fail(err)
	}
	if err := p.spool.Sync(); err != nil {
		return Info{}, p.fail(storeErr("blob.Commit", err))
	}
	if err := p.home.keep(ctx, p.spool, info); err != nil {
		return Info{}, p.fail(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state, p.info = stored, info
	p.wake()
	p.closeIfUnused()
	// Aborted while it was being stored: the bytes stay, unreferenced, and the
	// readers have their error.
	return info, p.err
}

// Abort ends the blob: nothing is kept and every reader fails with err. After
// Commit it cuts the readers off, but the bytes stay. After a failure it does
// nothing. Unlike the rest, any goroutine may call it.
func (p *Pending) Abort(err error) {
	if err == nil {
		err = errs.New(errs.Internal, "blob.Abort", "the transfer was given up without a reason")
	}
	_ = p.end(err, arriving) // the caller knows it
}

// fail is Abort by the writer itself, which may be in the middle of Commit. It
// returns the error that readers get, the first one.
func (p *Pending) fail(err error) error { return p.end(err, committing) }

// end makes err what readers see, unless something failed before, and throws
// the bytes away while the blob has not got further than last.
func (p *Pending) end(err error, last state) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	if p.state <= last {
		p.state = failed
		p.home.discard(p.spool)
	}
	p.wake()
	p.closeIfUnused()
	return p.err
}

// wake makes waiting readers look again; the caller holds mu.
func (p *Pending) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// closeIfUnused gives the file back when the last user is gone; the caller
// holds mu.
func (p *Pending) closeIfUnused() {
	if p.state >= stored && p.readers == 0 && !p.closed {
		p.closed = true
		_ = p.spool.Close() // its bytes are synced or discarded
	}
}
