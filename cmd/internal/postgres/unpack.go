package postgres

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	maxUnpacked     = 512 << 20 // bytes that a tarball may unpack to
	maxUnpackedFile = 256 << 20 // bytes of one file
)

// unpack writes the server's part of an npm tarball (package/native and the
// licence) under dir, and makes the links to the shared libraries, which npm
// tarballs cannot carry and the package's own postinstall script would make.
// The bytes were checked before; the bounds only keep a mistake small.
func unpack(tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	gz, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	tr := tar.NewReader(io.LimitReader(gz, maxUnpacked))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		rel, ok := strings.CutPrefix(path.Clean(h.Name), "package/")
		if !ok || h.Typeflag != tar.TypeReg || !filepath.IsLocal(rel) {
			continue
		}
		if !strings.HasPrefix(rel, "native/") && rel != "LICENSE.md" {
			continue
		}
		if err := writeFile(filepath.Join(dir, rel), tr, h); err != nil {
			return err
		}
	}
	return linkLibraries(dir)
}

func writeFile(name string, r io.Reader, h *tar.Header) (err error) {
	if h.Size > maxUnpackedFile {
		return fmt.Errorf("%s has %d bytes, more than the %d allowed", h.Name, h.Size, int64(maxUnpackedFile))
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // the unprivileged server must be able to enter
		return err
	}
	mode := os.FileMode(0o644)
	if strings.Contains(filepath.ToSlash(name), "/native/bin/") {
		mode = 0o755
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.CopyN(f, r, h.Size)
	return err
}

// linkLibraries makes the links that native/pg-symlinks.json lists.
func linkLibraries(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // the packages for macOS need none
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) || filepath.Dir(l.Source) != filepath.Dir(l.Target) {
			return fmt.Errorf("pg-symlinks.json: the link %q to %q leaves its folder", l.Target, l.Source)
		}
		if err := os.Symlink(filepath.Base(l.Source), filepath.Join(dir, l.Target)); err != nil {
			return err
		}
	}
	return nil
}
