// Package lockfile reads which versions a project's lock file names. It knows
// those of npm (package-lock.json and npm-shrinkwrap.json, versions 1 to 3), pnpm
// (pnpm-lock.yaml, versions 6 and 9), yarn 1 and yarn berry (yarn.lock), and bun
// (bun.lock). Reading is pure, bounded (F3) and fuzzed, and what cannot be read
// is an error that names the line.
package lockfile

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// Bounds of what is read.
const (
	MaxBytes    = 16 << 20 // of a file
	MaxVersions = 50_000   // that one file names
	maxDepth    = 100      // of dependencies inside each other
)

// File is what a lock file names.
type File struct {
	Format   string    // for people, for example "package-lock.json, version 3"
	Versions []Version // each once, by name and version
	Left     []Left    // what comes from no registry, in the order of the file
}

// Version is a version that comes from a registry, normalized.
type Version struct {
	Name    string
	Version string
	Line    int // of its first mention
}

// Left is an entry that no registry can bring in.
type Left struct {
	Entry  string // as the file has it
	Reason string // one sentence without a stop
	Line   int
}

// Error says what is wrong with a file, and where.
type Error struct {
	File string
	Line int // 0 when it is about the whole file
	Msg  string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Msg)
	}
	return fmt.Sprintf("%s, line %d: %s", e.File, e.Line, e.Msg)
}

// readers are the lock files by their names.
var readers = map[string]func(*reading) error{
	"package-lock.json":   (*reading).npm,
	"npm-shrinkwrap.json": (*reading).npm,
	"pnpm-lock.yaml":      (*reading).pnpm,
	"yarn.lock":           (*reading).yarn,
	"bun.lock":            (*reading).bun,
}

// Names returns the names of the files that can be read, in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(readers))
	for name := range readers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Parse reads a lock file, which its name tells apart; folders in front of it
// do not matter. Every error is an [*Error].
func Parse(name string, raw []byte) (*File, error) {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	r := &reading{name: base, raw: raw, seen: map[Version]int{}}
	read := readers[base]
	switch {
	case base == "bun.lockb":
		return nil, r.wrong(0, "the binary form cannot be read; write the text form with `bun install --save-text-lockfile`")
	case read == nil:
		return nil, r.wrong(0, "is no lock file that can be read; its name must be one of %s", strings.Join(Names(), ", "))
	case len(raw) > MaxBytes:
		return nil, r.wrong(0, "has %d bytes; the limit is %d", len(raw), MaxBytes)
	}
	r.raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if err := read(r); err != nil {
		return nil, err
	}
	return r.file(), nil
}

// reading is one file on its way.
type reading struct {
	name   string
	raw    []byte
	format string
	seen   map[Version]int // without its line -> the line
	left   []Left
}

func (r *reading) wrong(line int, format string, args ...any) *Error {
	return &Error{File: r.name, Line: line, Msg: fmt.Sprintf(format, args...)}
}

// add takes a version of a registry.
func (r *reading) add(name, version string, line int) error {
	normal, err := coord.NormalizeName(coord.NPM, name)
	if err != nil {
		return r.wrong(line, "%v", err)
	}
	v, err := coord.NormalizeVersion(coord.NPM, version)
	if err != nil {
		return r.wrong(line, "the version of %s: %v", normal, err)
	}
	key := Version{Name: normal, Version: v}
	if _, have := r.seen[key]; have {
		return nil
	}
	if len(r.seen) >= MaxVersions {
		return r.wrong(line, "names more than %d versions, which is the limit", MaxVersions)
	}
	r.seen[key] = line
	return nil
}

// leave notes an entry that comes from no registry.
func (r *reading) leave(entry string, line int, reason string) error {
	if len(r.left) >= MaxVersions {
		return r.wrong(line, "has more than %d entries that come from no registry, which is the limit", MaxVersions)
	}
	r.left = append(r.left, Left{Entry: entry, Reason: reason, Line: line})
	return nil
}

func (r *reading) file() *File {
	f := &File{Format: r.format, Left: r.left, Versions: make([]Version, 0, len(r.seen))}
	for v, line := range r.seen {
		v.Line = line
		f.Versions = append(f.Versions, v)
	}
	slices.SortFunc(f.Versions, func(a, b Version) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		if n := coord.Compare(coord.NPM, a.Version, b.Version); n != 0 {
			return n
		}
		return strings.Compare(a.Version, b.Version)
	})
	return f
}

// splitSpec divides name@rest at the sign that does not begin a scope. Without
// one, rest is "".
func splitSpec(spec string) (name, rest string) {
	if i := strings.IndexByte(spec[min(1, len(spec)):], '@'); i >= 0 {
		return spec[:i+1], spec[i+2:]
	}
	return spec, ""
}

// foreign says why a version, or what stands in its place, comes from no
// registry; "" for one that does.
func foreign(version string) string {
	switch {
	case strings.HasPrefix(version, "workspace:"), strings.HasPrefix(version, "root:"), strings.HasPrefix(version, "link:"), strings.HasPrefix(version, "portal:"):
		return "it is a folder of the project"
	case strings.HasPrefix(version, "file:"):
		return "it is a file or a folder of the project"
	case strings.HasPrefix(version, "git"), strings.HasSuffix(version, ".git"), strings.Contains(version, ".git#"):
		return "it comes from a git repository"
	case strings.HasPrefix(version, "http:"), strings.HasPrefix(version, "https:"):
		return "it comes from an address, not from a registry"
	case strings.ContainsAny(version, ":/"):
		return "it comes from somewhere that is no registry"
	}
	return ""
}
