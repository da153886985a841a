package npm

import (
	"crypto/sha256"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of an entry's name (F3): what common file systems take.
const (
	maxEntryName = 1024
	maxEntryPart = 255
	maxEntryDeep = 64
)

// entryPath splits the name of an archive's entry, and refuses names that lead
// out of the folder that a client unpacks into, or that do not mean the same
// file everywhere.
func entryPath(name string, folder bool) ([]string, error) {
	switch {
	case len(name) > maxEntryName:
		return nil, tarballWrong("the name of an entry is longer than the bound of %d bytes: %.100q…", maxEntryName, name)
	case !utf8.ValidString(name):
		return nil, tarballWrong("the name of an entry is not UTF-8: %q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return nil, tarballWrong("the name of an entry has a control character: %q", name)
	case strings.ContainsRune(name, '\\'):
		return nil, tarballWrong("the name of an entry has a backslash, which separates folders on Windows: %q", name)
	case strings.HasPrefix(name, "/"):
		return nil, tarballWrong("the name of an entry is absolute: %q; it must begin with package/", name)
	}
	if folder {
		name = strings.TrimSuffix(name, "/")
	}
	parts := strings.Split(name, "/")
	if len(parts) > maxEntryDeep {
		return nil, tarballWrong("the entry %.200q is in more folders than the bound of %d", name, maxEntryDeep)
	}
	for i, p := range parts {
		switch {
		case p == "..":
			return nil, tarballWrong("the name of an entry has \"..\": %q", name)
		case strings.Trim(p, ". ") == "":
			return nil, tarballWrong("the name of an entry has an empty part or one of dots: %q", name)
		case i == 0 && strings.ContainsRune(p, ':'):
			return nil, tarballWrong("the name of an entry begins with a drive: %q", name)
		case len(p) > maxEntryPart:
			return nil, tarballWrong("a part of the name of an entry is longer than the bound of %d bytes: %.100q…", maxEntryPart, name)
		}
	}
	return parts, nil
}

// nameHash stands for a name: with it, a hundred thousand long names need no
// more memory than short ones.
type nameHash [16]byte

func hashName(name string) nameHash {
	sum := sha256.Sum256([]byte(name))
	return nameHash(sum[:16])
}

// once refuses a file whose name the archive had before, and one that some file
// systems would take for another: there one of them hides the other.
func (w *inspection) once(name string, parts []string) error {
	folded := make([]string, len(parts))
	for i, p := range parts {
		folded[i] = foldPart(p)
	}
	key, exact := hashName(strings.Join(folded, "/")), hashName(name)
	switch before, ok := w.names[key]; {
	case ok && before == exact:
		return tarballWrong("the file %q is in it twice", name)
	case ok:
		return tarballWrong("two files differ only by case, accents' encoding or invisible characters, and one hides the other on some systems: %q", name)
	}
	w.names[key] = exact
	return nil
}

// foldPart is what remains of a part of a name on file systems that ignore case
// (Windows, macOS), the encoding of accents and invisible characters (macOS),
// and dots and spaces at the end (Windows).
func foldPart(p string) string {
	p = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, norm.NFC.String(p))
	return strings.TrimRight(norm.NFC.String(p), ". ")
}
