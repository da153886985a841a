package blob

import (
	"context"
	"io"
	"math"
)

// Reader reads a pending blob from its beginning. It is for one goroutine.
type Reader struct {
	ctx    context.Context
	p      *Pending
	off    int64
	at     io.ReaderAt
	close  func() error
	closed bool
}

// Reader returns a new reader, whose Read waits for more until ctx ends. The
// caller must Close it. It works at any time, also after the end: then it
// reads what was stored, or fails as the blob did.
func (p *Pending) Reader(ctx context.Context) (*Reader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &Reader{ctx: ctx, p: p}
	switch {
	case p.err != nil:
		return nil, p.err
	case p.closed:
		b, err := p.home.Open(ctx, p.info.Digest)
		if err != nil {
			return nil, err
		}
		r.at, r.close = b.Content(), b.Close
	default:
		p.readers++
		r.at, r.close = p.spool, p.leave
	}
	return r, nil
}

// leave is the Close of a reader of the spool.
func (p *Pending) leave() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readers--
	p.closeIfUnused()
	return nil
}

// Read waits until there is something to read. It returns io.EOF only at the
// end of a committed and wholly released blob, the blob's error when it
// failed, and ctx's when that ended first.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		upTo, more, err := r.p.readable()
		if err != nil {
			return 0, err
		}
		if r.off < upTo {
			n, err := r.at.ReadAt(b[:min(int64(len(b)), upTo-r.off)], r.off)
			r.off += int64(n)
			if n > 0 {
				return n, nil
			}
			return 0, storeErr("blob.Read", err)
		}
		if more == nil {
			return 0, io.EOF
		}
		select {
		case <-more:
		case <-r.ctx.Done():
			return 0, r.ctx.Err()
		}
	}
}

// Close ends the use of the reader; calling it again does nothing.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	return r.close()
}

// readable returns the offset below which bytes may be read, and a channel
// that is closed when to look again, nil when there will be no more.
func (p *Pending) readable() (upTo int64, more <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, nil, p.err
	}
	if p.whole {
		return p.written, nil, nil
	}
	return max(0, min(p.released, p.written-Tail)), p.changed, nil
}

// Written returns how many bytes have arrived, less is released.
func (p *Pending) Written() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.written
}

// Wait returns when the blob is stored or has failed, with what Commit learnt
// or the error that readers get; or when ctx ends, with its error.
func (p *Pending) Wait(ctx context.Context) (Info, error) {
	for {
		p.mu.Lock()
		info, err, done, changed := p.info, p.err, p.state == stored, p.changed
		p.mu.Unlock()
		if err != nil || done {
			return info, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Info{}, ctx.Err()
		}
	}
}

// Follow is the argument of Release that lets readers follow the writer.
const Follow = math.MaxInt64
