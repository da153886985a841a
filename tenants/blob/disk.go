package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// Disk is a Store in a folder of a local file system, or of one that several
// nodes mount and that supports flock(2) and atomic renames (NFS does from
// version 3 on Linux).
//
//	aa/bb/<digest>   blobs; aa and bb are the digest's first two bytes
//	tmp/             bytes that are arriving
//	locks/aa         locks, one for all digests that begin with aa
type Disk struct {
	root    string
	stripes [256]chan struct{} // in front of the locks, so that waiting costs no thread
	now     func() time.Time
	create  func(dir string) (spool, error)
}

// NewDisk returns the store in the folder root, which is made if need be. The
// error is Invalid when it cannot be written to.
func NewDisk(root string) (*Disk, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "blob.NewDisk", "the blob folder %q cannot be used: %v", root, err)
	}
	d := &Disk{root: abs, now: time.Now, create: createTemp}
	for i := range d.stripes {
		d.stripes[i] = make(chan struct{}, 1)
	}
	for _, dir := range []string{d.tmp(), d.locks()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "blob.NewDisk", "the blob folder %s cannot be used: %v", abs, err)
		}
	}
	probe, err := d.create(d.tmp())
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "blob.NewDisk", "the blob folder %s cannot be written to: %v", abs, err)
	}
	d.discard(probe)
	return d, probe.Close()
}

func (d *Disk) tmp() string   { return filepath.Join(d.root, "tmp") }
func (d *Disk) locks() string { return filepath.Join(d.root, "locks") }

// path returns where the bytes of a digest are.
func (d *Disk) path(id Digest) string {
	name := id.String()
	return filepath.Join(d.root, name[:2], name[2:4], name)
}

func createTemp(dir string) (spool, error) { return os.CreateTemp(dir, "arriving-") }

// Create implements Store.
func (d *Disk) Create(ctx context.Context, limit int64) (*Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit <= 0 {
		return nil, errs.New(errs.Internal, "blob.Create", "no limit was given (F3)")
	}
	s, err := d.create(d.tmp())
	if err != nil {
		return nil, storeErr("blob.Create", err)
	}
	return newPending(s, d, limit), nil
}

// Put implements Store.
func (d *Disk) Put(ctx context.Context, r io.Reader, limit int64) (Info, error) {
	p, err := d.Create(ctx, limit)
	if err != nil {
		return Info{}, err
	}
	if err := copyAll(ctx, p, r); err != nil {
		p.Abort(err)
		return Info{}, err
	}
	return p.Commit(ctx, Undeclared())
}

// copyAll copies in pieces, so that an ended context stops it.
func copyAll(ctx context.Context, w io.Writer, r io.Reader) error {
	buf := make([]byte, 128<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, rerr := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return nil
		}
		if rerr != nil {
			return fmt.Errorf("blob.Put: %w", rerr)
		}
	}
}

// keep implements home.
func (d *Disk) keep(ctx context.Context, s spool, info Info) error {
	unlock, err := d.lock(ctx, info.Digest)
	if err != nil {
		return err
	}
	defer unlock()
	final := d.path(info.Digest)
	// The time of the last Put, not of the last byte's arrival. A blob that is
	// there but has another size was damaged: the new bytes replace it.
	if st, err := os.Lstat(final); err == nil && st.Mode().IsRegular() && st.Size() == info.Size {
		d.discard(s)
	} else if err := d.moveIn(s, final); err != nil {
		return storeErr("blob.Commit", err)
	}
	now := d.now()
	if err := os.Chtimes(final, now, now); err != nil {
		return storeErr("blob.Commit", err)
	}
	// Also when it was there: another process may have renamed it an instant
	// ago and not come to this yet.
	return storeErr("blob.Commit", d.syncParents(final))
}

func (d *Disk) moveIn(s spool, final string) error {
	if err := os.MkdirAll(filepath.Dir(final), 0o700); err != nil {
		return err
	}
	return os.Rename(s.Name(), final)
}

// syncParents makes the name of a blob durable, and those of its folders.
func (d *Disk) syncParents(final string) error {
	for dir := filepath.Dir(final); ; dir = filepath.Dir(dir) {
		f, err := os.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if dir == d.root {
			return nil
		}
	}
}

// discard implements home. What cannot be removed now, CleanTemp will.
func (d *Disk) discard(s spool) { _ = os.Remove(s.Name()) }

// Open implements Store. The blob's content is an *os.File.
func (d *Disk) Open(_ context.Context, id Digest) (*Blob, error) {
	f, err := os.Open(d.path(id))
	if err != nil {
		return nil, notThere("blob.Open", id, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(storeErr("blob.Open", err), f.Close())
	}
	return NewBlob(Stat{Digest: id, Size: st.Size(), ModTime: st.ModTime()}, f), nil
}

// Stat implements Store.
func (d *Disk) Stat(_ context.Context, id Digest) (Stat, error) {
	st, err := os.Lstat(d.path(id))
	if err != nil {
		return Stat{}, notThere("blob.Stat", id, err)
	}
	return Stat{Digest: id, Size: st.Size(), ModTime: st.ModTime()}, nil
}

// Delete implements Store.
func (d *Disk) Delete(ctx context.Context, id Digest, recheck func(Stat) (bool, error)) (bool, error) {
	unlock, err := d.lock(ctx, id)
	if err != nil {
		return false, err
	}
	defer unlock()
	st, err := d.Stat(ctx, id)
	if err != nil {
		return false, err
	}
	ok, err := recheck(st)
	if err != nil {
		return false, fmt.Errorf("blob.Delete: %w", err)
	}
	if !ok {
		return false, nil
	}
	if err := os.Remove(d.path(id)); err != nil {
		return false, storeErr("blob.Delete", err)
	}
	return true, nil
}

// lock keeps everybody else, in this process and others, from storing or
// deleting the digest until unlock is called.
func (d *Disk) lock(ctx context.Context, id Digest) (unlock func(), err error) {
	stripe := d.stripes[id[0]]
	select {
	case stripe <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f, err := os.OpenFile(filepath.Join(d.locks(), fmt.Sprintf("%02x", id[0])), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
			err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		}
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		<-stripe
		return nil, storeErr("blob.lock", err)
	}
	return func() {
		_ = f.Close() // closing is what unlocks
		<-stripe
	}, nil
}

// storeErr gives an error of the store its kind; nil stays nil.
func storeErr(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.Wrap(err, errs.Unavailable, op, "the blob store has no room left")
	}
	return errs.Wrap(err, errs.Internal, op, "the blob store failed")
}

func notThere(op string, id Digest, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return errs.Wrap(err, errs.NotFound, op, "there are no bytes with the SHA-256 %s", id)
	}
	return storeErr(op, err)
}
