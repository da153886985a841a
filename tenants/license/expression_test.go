package license

import (
	"slices"
	"strings"
	"testing"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

func TestParseSPDX(t *testing.T) {
	tests := map[string]string{
		"MIT": "MIT", " mit ": "MIT", "(MIT)": "MIT", "((mit))": "MIT", "MIT OR Apache-2.0": "MIT OR Apache-2.0",
		"MIT AND ISC OR Zlib": "MIT AND ISC OR Zlib", "MIT AND (ISC OR Zlib)": "MIT AND (ISC OR Zlib)", "(MIT OR ISC) OR Zlib": "MIT OR ISC OR Zlib",
		"Apache-2.0+": "Apache-2.0+", "GPL-2.0": "GPL-2.0-only", "GPL-2.0+": "GPL-2.0-or-later", "GPL-2.0-only+": "GPL-2.0-or-later", "LGPL-3.0-or-later+": "LGPL-3.0-or-later",
		"gpl-2.0-only with classpath-exception-2.0": "GPL-2.0-only WITH Classpath-exception-2.0",
		"GPL-2.0-with-GCC-exception OR MIT":         "GPL-2.0-only WITH GCC-exception-2.0 OR MIT",
		"LicenseRef-Ours.1":                         "LicenseRef-Ours.1", "DocumentRef-x:LicenseRef-y": "DocumentRef-x:LicenseRef-y", "eCos-2.0": "GPL-2.0-or-later WITH eCos-exception-2.0",
	}
	for text, want := range tests {
		e, err := ParseSPDX(text)
		if err != nil || e.String() != want {
			t.Errorf("%q: got %q, %v; want %q", text, e, err, want)
			continue
		}
		if again, err := ParseSPDX(e.String()); err != nil || again.String() != want {
			t.Errorf("%q: reading again gives %q, %v", e, again, err)
		}
	}
}

func TestParseSPDXErrors(t *testing.T) {
	tests := map[string]string{
		"": "at byte 0: expected a licence", "MIT OR": "at byte 6: expected a licence", "Apache 2.0": `at byte 0: "Apache" is no id`, "(MIT": "at byte 4: expected ')'",
		"MIT)": "at byte 3: expected AND, OR or the end", "MIT ISC": "at byte 4: expected AND", "MIT WITH x": `at byte 9: "x" is no exception`, "MIT AND ()": "at byte 9: expected a licence",
		"GPL-2.0-with-GCC-exception WITH GCC-exception-2.0": "one exception only", "LicenseRef-": "is no id", "LicenseRef-a_b": "is no id", "MIT++": "is no id", "LicenseRef-a+": "is no id",
		strings.Repeat("(", 60) + "MIT": "nested too deeply", strings.Repeat("x", 3000): "at most 2000",
	}
	for text, says := range tests {
		if e, err := ParseSPDX(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.50q: got %q, %v; want %q", text, e, err, says)
		}
	}
}

func TestLicenses(t *testing.T) {
	e, err := ParseSPDX("(MIT OR GPL-2.0 WITH Classpath-exception-2.0) AND MIT AND ISC")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := e.Licenses(), []string{"MIT", "GPL-2.0-only WITH Classpath-exception-2.0", "ISC"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (Expression{}).Licenses(); got != nil || (Expression{}).String() != "" {
		t.Errorf("nothing has the licences %q", got)
	}
}

// TestEveryListedIDIsRead goes over the SPDX list: every id is read, what is
// deprecated becomes something that the library accepts, and reading again
// changes nothing.
func TestEveryListedIDIsRead(t *testing.T) {
	for _, id := range append(spdxlicenses.GetLicenses(), spdxlicenses.GetDeprecated()...) {
		e, err := ParseSPDX(strings.ToLower(id))
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		if valid, _ := spdxexp.ValidateLicenses([]string{e.String()}); !valid {
			t.Errorf("%s became %s, which is not valid", id, e)
		}
		if again, err := ParseSPDX(e.String()); err != nil || again.String() != e.String() {
			t.Errorf("%s became %s, which becomes %s, %v", id, e, again, err)
		}
	}
}

func TestCategoryOf(t *testing.T) {
	tests := map[string]Category{
		"MIT": Permissive, "Apache-2.0": Permissive, "Apache-2.0+": Permissive, "BSD-3-Clause": Permissive, "0BSD": Permissive, "ISC": Permissive, "CC0-1.0": Permissive,
		"CC-BY-4.0": Permissive, "CC-BY-SA-4.0": WeakCopyleft, "CC-BY-NC-4.0": NonCommercial, "CC-BY-NC-SA-4.0": NonCommercial, "CC-BY-ND-4.0": NonCommercial,
		"LGPL-2.1-only": WeakCopyleft, "MPL-2.0": WeakCopyleft, "EPL-2.0": WeakCopyleft, "CDDL-1.1": WeakCopyleft,
		"GPL-3.0-or-later": StrongCopyleft, "GPL-2.0-only WITH Classpath-exception-2.0": WeakCopyleft, "GPL-2.0-only WITH Qt-GPL-exception-1.0": StrongCopyleft,
		"AGPL-3.0-only": NetworkCopyleft, "SSPL-1.0": NetworkCopyleft, "BUSL-1.1": NonCommercial, "Elastic-2.0": NonCommercial,
		"Artistic-2.0": Permissive, "Artistic-1.0-Perl": WeakCopyleft, "CECILL-2.1": StrongCopyleft, "CECILL-B": Permissive, "CECILL-C": WeakCopyleft,
		"LicenseRef-Public-Domain": Permissive, "LicenseRef-Ours": Uncategorized, "Glide": Uncategorized, "": Uncategorized,
	}
	for id, want := range tests {
		if got := CategoryOf(id); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
}

// TestFamiliesAreOfTheList catches misspelled families: each is the beginning
// of an id that the SPDX list has.
func TestFamiliesAreOfTheList(t *testing.T) {
	ids := append(spdxlicenses.GetLicenses(), "LicenseRef-Public-Domain")
	for family := range families {
		if !slices.ContainsFunc(ids, func(id string) bool { return id == family || strings.HasPrefix(id, family+"-") }) {
			t.Errorf("%s is the beginning of no id", family)
		}
	}
}

// TestNamesResolveToTheList catches misspelled ids in the table of names.
func TestNamesResolveToTheList(t *testing.T) {
	for name, f := range familyNames {
		ids := []string{f.id(nil)}
		for _, id := range f.versions {
			ids = append(ids, id)
		}
		for _, id := range ids {
			e, err := ParseSPDX(id)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if e.String() != id {
				t.Errorf("%s: %s is written %s", name, id, e)
			}
		}
	}
}
