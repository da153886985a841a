package advisory

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"sluice.dev/sluice/tenants/errs"
)

// zipFile returns the JSON files of a zip. Nothing is unpacked to disk, so the
// names inside are only names. label goes before them in messages.
func zipFile(path, label string) source {
	return func(ctx context.Context, yield func(item) error) error {
		f, err := os.Open(path)
		if err != nil {
			return unreadable(path, err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return unreadable(path, err)
		}
		return readZip(ctx, f, info.Size(), label, yield)
	}
}

func readZip(ctx context.Context, f io.ReaderAt, size int64, label string, yield func(item) error) error {
	const op = "advisory.Import"
	dir := &directoryBound{r: f, left: maxZipDirectory}
	z, err := zip.NewReader(dir, size)
	switch {
	case errors.Is(err, errDirectory):
		return errs.New(errs.TooLarge, op, "%s: the zip's directory has more than %d bytes, which is the most that is read", label, maxZipDirectory)
	case err != nil && !errors.Is(err, zip.ErrInsecurePath):
		return errs.Wrap(err, errs.Invalid, op, "%s is not a complete zip: %v", label, err)
	}
	dir.done = true
	var u unzip
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f.FileInfo().IsDir() || !isRecordName(f.Name) {
			continue
		}
		it := item{file: label + "/" + printable(f.Name)}
		it.data, it.gzip, it.err = u.record(f)
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

var errDirectory = errors.New("zip directory over the bound")

// directoryBound stops the reading of a zip's directory, which is kept in
// memory whole, at a bound.
type directoryBound struct {
	r    io.ReaderAt
	left int64
	done bool // the directory has been read: no bound any more
}

// ReadAt reads from the file and fails when the bound is used up.
func (b *directoryBound) ReadAt(p []byte, off int64) (int, error) {
	if b.done {
		return b.r.ReadAt(p, off)
	}
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errDirectory
	}
	return b.r.ReadAt(p, off)
}

// unzip reads the entries of a zip one after the other with the same buffers.
type unzip struct {
	compressed []byte
	data       bytes.Buffer
	inflate    io.ReadCloser
}

const flagEncrypted = 1

// record returns an entry's content and, when the zip has it deflated, its
// gzip form, which is the same bytes with another head and tail: compressing a
// quarter of a million records again would cost more than all the rest.
func (u *unzip) record(f *zip.File) (data, gz []byte, err error) {
	switch {
	case f.Flags&flagEncrypted != 0:
		return nil, nil, errors.New("is encrypted")
	case f.Method != zip.Deflate && f.Method != zip.Store:
		return nil, nil, fmt.Errorf("is compressed with method %d; only deflate is read", f.Method)
	case f.CompressedSize64 > MaxRecordBytes || f.UncompressedSize64 > MaxRecordBytes:
		return nil, nil, errRecordTooLarge
	}
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot be read: %w", err)
	}
	u.compressed = append(u.compressed[:0], make([]byte, f.CompressedSize64)...)
	if _, err := io.ReadFull(raw, u.compressed); err != nil {
		return nil, nil, fmt.Errorf("cannot be read: %w", err)
	}
	data, rest, err := u.content(f.Method)
	if err != nil {
		return nil, nil, err
	}
	if uint64(len(data)) != f.UncompressedSize64 || crc32.ChecksumIEEE(data) != f.CRC32 {
		return nil, nil, errors.New("is damaged: its checksum or size is not the one that the zip declares")
	}
	if f.Method == zip.Deflate && rest == 0 {
		gz = gzipOf(u.compressed, f.CRC32, uint32(len(data)))
	}
	return data, gz, nil
}

// content decompresses what was read, up to the bound whatever the zip
// declares, and tells how many bytes follow the compressed stream.
func (u *unzip) content(method uint16) (data []byte, rest int, err error) {
	if method == zip.Store {
		return u.compressed, 0, nil
	}
	in := bytes.NewReader(u.compressed)
	if u.inflate == nil {
		u.inflate = flate.NewReader(in)
	} else if err := u.inflate.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, 0, err
	}
	u.data.Reset()
	n, err := io.Copy(&u.data, io.LimitReader(u.inflate, MaxRecordBytes+1))
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("is damaged: %w", err)
	case n > MaxRecordBytes:
		return nil, 0, errRecordTooLarge
	}
	return u.data.Bytes(), in.Len(), nil
}

// gzipOf wraps a deflate stream as a gzip file (RFC 1952).
func gzipOf(deflated []byte, crc, size uint32) []byte {
	const head = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" // deflate, no time, unknown system
	b := make([]byte, 0, len(head)+len(deflated)+8)
	b = append(append(b, head...), deflated...)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, crc), size)
}
