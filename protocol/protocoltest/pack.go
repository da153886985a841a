package protocoltest

import (
	"archive/tar"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Entry is one entry of an archive, as it should be or as it should not.
type Entry struct {
	Name  string
	Body  string
	Zeros int64             // bytes behind Body
	Type  byte              // default a file
	Link  string            // of a link
	PAX   map[string]string // extended header
	Raw   []byte            // written as it is, in place of everything else
}

// Pack makes a gzipped tar archive of the entries.
func Pack(entries ...Entry) []byte { return Zip(Tar(entries...)) }

// Tar makes a tar archive of the entries.
func Tar(entries ...Entry) []byte {
	var b bytes.Buffer
	writeTar(&b, entries)
	return b.Bytes()
}

// Bomb is a small tarball with package.json and a file of so many zeros, cut off
// where the zeros end.
func Bomb(manifest Entry, size int64) []byte {
	var b, chunk bytes.Buffer
	b.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}) // a gzip header (RFC 1952)
	w, _ := flate.NewWriter(&b, flate.BestCompression)     // a valid level
	head := Tar(manifest)
	_, _ = w.Write(head[:len(head)-1024]) // without the archive's end; a buffer takes everything
	_, _ = w.Write(Block("package/zeros", '0', min(size, 1<<33-1)))
	zeros := make([]byte, 1<<20)
	_, _ = w.Write(zeros)
	_ = w.Flush()
	// From here on the same bytes stand for another MiB each time: what came
	// before, to which they refer, is zeros only.
	before := b.Len()
	_, _ = w.Write(zeros)
	_ = w.Flush()
	chunk.Write(b.Bytes()[before:])
	for n := int64(2 << 20); n < size; n += 1 << 20 {
		b.Write(chunk.Bytes())
	}
	return b.Bytes()
}

// Zip compresses.
func Zip(plain []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(plain) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

func writeTar(w io.Writer, entries []Entry) {
	t := tar.NewWriter(w)
	for _, e := range entries {
		if e.Raw != nil {
			_ = t.Flush()
			_, _ = w.Write(e.Raw)
			continue
		}
		if e.Type == 0 {
			e.Type = tar.TypeReg
		}
		h := &tar.Header{Name: e.Name, Typeflag: e.Type, Linkname: e.Link, Size: int64(len(e.Body)) + e.Zeros, PAXRecords: e.PAX}
		if e.Type != tar.TypeXGlobalHeader {
			h.Mode = 0o644
		}
		if err := t.WriteHeader(h); err != nil {
			panic(fmt.Sprintf("an entry that the library does not write: %+v: %v", e, err))
		}
		_, _ = io.WriteString(t, e.Body)
		zeros := make([]byte, 1<<20)
		for left := e.Zeros; left > 0; left -= int64(len(zeros)) {
			_, _ = t.Write(zeros[:min(left, int64(len(zeros)))])
		}
	}
	if err := t.Close(); err != nil {
		panic(err) // a writer of tests takes everything
	}
}

// Block is the header of an archive's entry with a right checksum, for headers
// that no library writes (POSIX.1-1988, ustar).
func Block(name string, kind byte, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x0000000000000\x00", size))
	copy(b[148:], "        ")
	b[156] = kind
	copy(b[257:], "ustar\x0000")
	var sum int
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// PackageJSON is the first file of most packages.
func PackageJSON(name, version, more string) Entry {
	return Entry{Name: "package/package.json", Body: fmt.Sprintf(`{"name":%q,"version":%q%s}`, name, version, more)}
}

// PackOf is a package's tarball with package.json, index.js and other files
// below package/.
func PackOf(name, version string, files map[string]string) []byte {
	all := []Entry{PackageJSON(name, version, ""), {Name: "package/index.js", Body: "module.exports = 1\n"}}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		all = append(all, Entry{Name: "package/" + f, Body: files[f]})
	}
	return Pack(all...)
}
