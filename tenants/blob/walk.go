package blob

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// Walk implements Store. Whatever else lies in the folder is passed over.
func (d *Disk) Walk(ctx context.Context, fn func(Stat) error) error {
	outer, err := folders(d.root)
	if err != nil {
		return err
	}
	for _, aa := range outer {
		inner, err := folders(filepath.Join(d.root, aa))
		if err != nil {
			return err
		}
		for _, bb := range inner {
			if err := d.walkFolder(ctx, aa, bb, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Disk) walkFolder(ctx context.Context, aa, bb string, fn func(Stat) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(d.root, aa, bb))
	if err != nil {
		return storeErr("blob.Walk", err)
	}
	for _, e := range entries {
		id, err := ParseDigest(e.Name())
		if err != nil || e.Name() != id.String() || e.Name()[:4] != aa+bb {
			continue
		}
		st, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return storeErr("blob.Walk", err)
		}
		if !st.Mode().IsRegular() {
			continue
		}
		if err := fn(Stat{Digest: id, Size: st.Size(), ModTime: st.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}

// folders lists the folders in dir that are named by one byte, in order.
func folders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, storeErr("blob.Walk", err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && len(e.Name()) == 2 && isHex(e.Name()[0]) && isHex(e.Name()[1]) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// CleanTemp removes what crashes left in the middle of arriving (F4): files
// that nobody has written to for longer than olderThan, which must exceed the
// longest silence that a transfer survives. It returns how many files and
// bytes went.
func (d *Disk) CleanTemp(ctx context.Context, olderThan time.Duration) (files int, bytes int64, err error) {
	entries, err := os.ReadDir(d.tmp())
	if err != nil {
		return 0, 0, storeErr("blob.CleanTemp", err)
	}
	before := d.now().Add(-olderThan)
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return files, bytes, err
		}
		st, err := e.Info()
		if err != nil || !st.ModTime().Before(before) {
			continue // moved in meanwhile, or young
		}
		if err := os.Remove(filepath.Join(d.tmp(), e.Name())); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			return files, bytes, storeErr("blob.CleanTemp", err)
		}
		files++
		bytes += st.Size()
	}
	return files, bytes, nil
}
