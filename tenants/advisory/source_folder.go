package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// folderPage is how many entries of a folder are read at once, so that a
// folder of any size needs little memory.
const folderPage = 1000

// folderOf returns the JSON files below a folder; label goes before their
// paths. Links are followed inside the folder, never out of it.
func folderOf(folder, label string) source {
	return func(ctx context.Context, yield func(item) error) error {
		root, err := os.OpenRoot(folder)
		if err != nil {
			return unreadable(folder, err)
		}
		defer root.Close()
		w := folderWalk{root: root, label: label, yield: yield}
		return w.walk(ctx, ".", 0)
	}
}

type folderWalk struct {
	root  *os.Root
	label string
	yield func(item) error
}

func (w *folderWalk) walk(ctx context.Context, dir string, depth int) error {
	if depth > maxFolderDepth {
		return w.yield(item{file: path.Join(w.label, dir), err: fmt.Errorf("lies more than %d folders deep and is not read", maxFolderDepth)})
	}
	d, err := w.root.Open(dir)
	if err != nil {
		return w.yield(item{file: path.Join(w.label, dir), err: fmt.Errorf("cannot be read: %w", err)})
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(folderPage)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.entry(ctx, path.Join(dir, e.Name()), e, depth); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return unreadable(path.Join(w.label, dir), err)
		}
	}
}

func (w *folderWalk) entry(ctx context.Context, name string, e fs.DirEntry, depth int) error {
	switch {
	case e.IsDir():
		return w.walk(ctx, name, depth+1)
	case !isRecordName(name):
		return nil
	}
	data, err := w.read(name)
	return w.yield(item{file: path.Join(w.label, name), data: data, err: err})
}

func (w *folderWalk) read(name string) ([]byte, error) {
	// Looked at before it is opened: opening a named pipe would wait for ever.
	info, err := w.root.Stat(name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	case info.Size() > MaxRecordBytes:
		return nil, errRecordTooLarge
	}
	f, err := w.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close()
	return readBounded(f)
}
