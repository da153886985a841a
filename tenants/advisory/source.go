package advisory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// item is one record of a feed as it lies there.
type item struct {
	file string // path inside the feed
	data []byte // valid until the next item
	gzip []byte // the same compressed, the receiver's to keep; nil when not at hand
	err  error  // why it cannot be read; data is then nil
}

// source calls yield for every record of a feed, one after the other, until
// yield fails. What is wrong with one record is in its item; an error is about
// the whole.
type source func(ctx context.Context, yield func(item) error) error

// The layout of OSV's public bulk export: {Ecosystem}/all.zip, and a list of
// the ecosystems at the top. The same with unpacked records is read too.
const (
	bulkZip  = "all.zip"
	bulkList = "ecosystems.txt"
)

// openPath returns the records at a path: a zip, one JSON file, a folder in
// OSV's bulk layout, or any other folder, whose JSON files are read however
// deep they lie.
func openPath(path string) (source, error) {
	const op = "advisory.Import"
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errs.New(errs.Invalid, op, "%s does not exist; want a folder of OSV records (JSON), a zip of them, or a copy of OSV's bulk export", path)
	case err != nil:
		return nil, unreadable(path, err)
	case info.IsDir():
		return openFolder(path)
	case !info.Mode().IsRegular():
		return nil, errs.New(errs.Invalid, op, "%s is neither a folder nor a file", path)
	}
	isZip, err := hasZipSignature(path)
	switch {
	case err != nil:
		return nil, unreadable(path, err)
	case isZip:
		return zipFile(path, filepath.Base(path)), nil
	case strings.HasSuffix(strings.ToLower(path), ".json"):
		return singleFile(path), nil
	}
	return nil, errs.New(errs.Invalid, op, "%s is neither a zip nor a JSON file", path)
}

// unreadable says that a part of the feed cannot be read at all.
func unreadable(path string, err error) error {
	return errs.Wrap(err, errs.Invalid, "advisory.Import", "%s cannot be read: %v", path, err)
}

func hasZipSignature(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 4)
	_, err = io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	}
	return string(head) == "PK\x03\x04" || string(head) == "PK\x05\x06", err
}

// openFolder tells the layouts apart. In the bulk layout only the four
// ecosystems are read: the rest of such an export may be anything.
func openFolder(path string) (source, error) {
	if regular(filepath.Join(path, bulkZip)) {
		return zipFile(filepath.Join(path, bulkZip), bulkZip), nil
	}
	var parts []source
	bulk := regular(filepath.Join(path, bulkList))
	for _, e := range coord.Ecosystems() {
		folder := filepath.Join(path, e.OSV())
		if zip := filepath.Join(folder, bulkZip); regular(zip) {
			bulk = true
			parts = append(parts, zipFile(zip, e.OSV()+"/"+bulkZip))
		} else if info, err := os.Stat(folder); err == nil && info.IsDir() {
			parts = append(parts, folderOf(folder, e.OSV()))
		}
	}
	if bulk && len(parts) > 0 {
		return func(ctx context.Context, yield func(item) error) error {
			for _, part := range parts {
				if err := part(ctx, yield); err != nil {
					return err
				}
			}
			return nil
		}, nil
	}
	return folderOf(path, ""), nil
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func singleFile(path string) source {
	return func(_ context.Context, yield func(item) error) error {
		f, err := os.Open(path)
		if err != nil {
			return unreadable(path, err)
		}
		defer f.Close()
		data, err := readBounded(f)
		return yield(item{file: filepath.Base(path), data: data, err: err})
	}
}

// readBounded reads one record, or fails when it is over the bound.
func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxRecordBytes+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(data) > MaxRecordBytes {
		return nil, errRecordTooLarge
	}
	return data, nil
}

var errRecordTooLarge = fmt.Errorf("the record has more than %d bytes, which is the most that is read", MaxRecordBytes)

// isRecordName tells record files from the lists and licences beside them.
func isRecordName(name string) bool { return strings.HasSuffix(strings.ToLower(name), ".json") }
