package npm

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"

	"sluice.dev/sluice/tenants/errs"
)

// inspection is a walk through one archive.
type inspection struct {
	bounds
	tar      *tar.Reader
	n        int    // entries so far
	root     string // the folder that everything is in, "" before the first entry
	names    map[nameHash]nameHash
	contents contents
	manifest []byte // package.json
	gyp      bool   // binding.gyp
}

// entry judges one entry and reads what is needed of it.
func (w *inspection) entry(h *tar.Header) error {
	if w.n++; w.n > w.entries {
		return errs.New(errs.TooLarge, opPublish, "the tarball cannot be published: it has more than the bound of %d entries", w.entries)
	}
	if err := plain(h); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	folder := h.Typeflag == tar.TypeDir
	parts, err := entryPath(h.Name, folder)
	if err != nil {
		return err
	}
	if w.root == "" {
		w.root = parts[0]
	}
	switch {
	case parts[0] != w.root:
		return tarballWrong("the entry %q is outside of the folder %q that the others are in", h.Name, w.root)
	case folder:
		return nil
	case len(parts) == 1:
		return tarballWrong("the file %q is not in a folder; everything must be below package/", h.Name)
	}
	if err := w.once(h.Name, parts); err != nil {
		return err
	}
	w.contents.files++
	w.contents.unpacked += h.Size
	if len(parts) == 2 {
		return w.top(parts[1], h.Size)
	}
	return nil
}

// top reads a file of the package's own folder that means something to npm.
func (w *inspection) top(name string, size int64) error {
	switch {
	case name == "package.json":
		if size > w.packageJSON {
			return errs.New(errs.TooLarge, opPublish, "the tarball cannot be published: its package.json is larger than the bound of %d bytes", w.packageJSON)
		}
		var err error
		w.manifest, err = io.ReadAll(io.LimitReader(w.tar, w.packageJSON))
		return err
	case name == "npm-shrinkwrap.json":
		w.contents.locked = true
	case strings.EqualFold(name, "binding.gyp"): // as file systems without case find it
		w.gyp = true
	}
	return nil
}

// plain refuses entries that are neither a file nor a folder, and headers that
// mean different things to different readers.
func plain(h *tar.Header) error {
	kind := map[byte]string{
		tar.TypeSymlink: "a symbolic link", tar.TypeLink: "a hard link", tar.TypeChar: "a device",
		tar.TypeBlock: "a device", tar.TypeFifo: "a pipe", tar.TypeGNUSparse: "a sparse file",
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeXGlobalHeader:
	default:
		what := kind[h.Typeflag]
		if what == "" {
			what = "of the unknown kind " + string(rune(h.Typeflag))
		}
		return tarballWrong("the entry %.200q is %s; only files and folders are allowed", h.Name, what)
	}
	for key := range h.PAXRecords {
		global := h.Typeflag == tar.TypeXGlobalHeader && (key == "path" || key == "linkpath" || key == "size")
		if global || strings.HasPrefix(key, "GNU.sparse.") {
			return tarballWrong("the entry %.200q has the extended header %.100q, which not every client understands", h.Name, key)
		}
	}
	return nil
}

// finish reads package.json.
func (w *inspection) finish() (*contents, error) {
	if w.manifest == nil {
		return nil, tarballWrong("it has no package/package.json")
	}
	raw := bytes.TrimPrefix(w.manifest, []byte("\xef\xbb\xbf"))
	r, err := newReader(raw)
	builds := true
	if err == nil {
		builds, err = w.readManifest(r)
	}
	if err != nil {
		return nil, tarballWrong("its package.json cannot be used: %s", explain(err))
	}
	w.contents.builds, w.contents.packageJSON = w.gyp && builds, string(raw)
	return &w.contents, nil
}

// readManifest reads package.json and reports whether it leaves building with
// node-gyp to npm.
func (w *inspection) readManifest(r *reader) (builds bool, err error) {
	var f found
	builds = true
	if !r.is('{') {
		return false, errors.New("it is not a JSON object")
	}
	_, err = r.object(func(key []byte, _ int32) error {
		if string(key) == "scripts" {
			_, err := r.scripts(&f)
			return err
		}
		v, err := r.value()
		if err != nil {
			return err
		}
		switch string(key) {
		case "name":
			w.contents.name = string(text(v.of(r.raw)))
		case "version":
			w.contents.version = string(text(v.of(r.raw)))
		case "gypfile":
			builds = string(v.of(r.raw)) != "false"
		}
		return nil
	})
	w.contents.runs = f.runs
	if err != nil {
		return false, err
	}
	return builds, r.end()
}
