package npm

import (
	"archive/tar"
	"bufio"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"

	"sluice.dev/sluice/tenants/errs"
)

// bounds say what a tarball may be (F3).
type bounds struct {
	entries     int   // files and folders
	expanded    int64 // bytes of the tar archive
	ratio       int64 // of expanded to compressed bytes, beyond the first slack bytes
	slack       int64
	packageJSON int64 // bytes
}

// usual are the bounds of tarballs that people publish.
var usual = bounds{entries: 100_000, expanded: 2 << 30, ratio: 200, slack: 64 << 20, packageJSON: 4 << 20}

// contents is what was found in a tarball.
type contents struct {
	name, version string // as package.json says
	packageJSON   string // the file
	files         int
	unpacked      int64 // bytes of all files
	runs          bool  // package.json has a preinstall, install or postinstall script
	builds        bool  // npm would run node-gyp: there is a binding.gyp, and package.json does not say otherwise
	locked        bool  // there is an npm-shrinkwrap.json
}

// inspect reads a package's tarball to its end: one gzip stream with one tar
// archive, in which every file lies below one folder, by a name that means the
// same on every operating system. It writes nothing and keeps only
// package.json and a hash per name. The error is Invalid or TooLarge and says
// which entry is wrong; errors of the reader that have a kind come back as they
// are.
func inspect(from io.Reader, b bounds) (*contents, error) {
	compressed := &counter{from: from}
	in := bufio.NewReaderSize(compressed, 64<<10)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, unreadable(err)
	}
	// A second stream is where two readers of one file see different archives.
	z.Multistream(false)
	expanded := &expansion{from: z, compressed: compressed, bounds: b}
	w := &inspection{bounds: b, tar: tar.NewReader(expanded), names: map[nameHash]nameHash{}}
	for {
		h, err := w.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = w.entry(h)
		}
		if err != nil {
			return nil, unreadable(err)
		}
	}
	if err := onlyZeros(expanded); err != nil {
		return nil, unreadable(err)
	}
	if _, err := in.ReadByte(); err == nil {
		return nil, tarballWrong("something follows its gzip stream")
	} else if !errors.Is(err, io.EOF) {
		return nil, unreadable(err)
	}
	return w.finish()
}

// tarballWrong is an error about a tarball.
func tarballWrong(format string, args ...any) error {
	return errs.New(errs.Invalid, opPublish, "the tarball cannot be published: "+format, args...)
}

// unreadable explains an error of the readers of gzip and tar.
func unreadable(err error) error {
	var ours *errs.Error
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, io.EOF):
		return tarballWrong("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return tarballWrong("it ends too early")
	case errors.Is(err, gzip.ErrHeader):
		return tarballWrong("it is not compressed with gzip")
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return tarballWrong("its gzip data is damaged")
	case errors.Is(err, tar.ErrFieldTooLong):
		return errs.Wrap(err, errs.TooLarge, opPublish, "the tarball cannot be published: a header in it is larger than the bound of 1 MiB")
	case errors.Is(err, tar.ErrHeader):
		return tarballWrong("what gzip unpacks to is not a tar archive, or the archive is damaged")
	}
	return errs.Wrap(err, errs.Invalid, opPublish, "the tarball cannot be published: it could not be read")
}

// counter counts what is read through it.
type counter struct {
	from io.Reader
	n    int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	return n, err
}

// expansion stops a small file from becoming a huge one.
type expansion struct {
	from       io.Reader
	compressed *counter
	bounds
	n int64
}

// Read implements io.Reader.
func (x *expansion) Read(p []byte) (int, error) {
	n, err := x.from.Read(p)
	x.n += int64(n)
	switch {
	case x.n > x.expanded:
		return 0, errs.New(errs.TooLarge, opPublish, "the tarball cannot be published: it unpacks to more than the bound of %d bytes", x.expanded)
	case x.n > x.slack && x.n > x.ratio*x.compressed.n:
		return 0, errs.New(errs.TooLarge, opPublish, "the tarball cannot be published: it unpacks to more than the bound of %d times its size", x.ratio)
	}
	return n, err
}

// onlyZeros reads what is behind the end of an archive: packers fill up with
// zeros, and anything else would be seen by some readers only.
func onlyZeros(r io.Reader) error {
	var buf [4 << 10]byte
	for {
		n, err := r.Read(buf[:])
		for _, c := range buf[:n] {
			if c != 0 {
				return tarballWrong("something follows the end of its archive")
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
