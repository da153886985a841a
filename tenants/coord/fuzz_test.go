package coord

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// seed adds every text for every ecosystem.
func seed(f *testing.F, texts ...string) {
	for i := range Ecosystems() {
		for _, text := range texts {
			f.Add(i, text)
		}
	}
}

func ecosystemAt(i int) Ecosystem { return Ecosystems()[uint(i)%4] }

// checkOffset fails when an error points outside of the text that it is about.
func checkOffset(t *testing.T, err error, text string) {
	t.Helper()
	syntax, ok := err.(*SyntaxError)
	if !ok {
		t.Fatalf("%q: %T is no SyntaxError", text, err)
	}
	if syntax.Text != text || syntax.Offset < -1 || syntax.Offset > len(text) || syntax.Msg == "" || !utf8.ValidString(syntax.Error()) {
		t.Fatalf("%q: bad error %+v", text, syntax)
	}
}

func FuzzNormalizeName(f *testing.F) {
	seed(f, "lodash", "@scope/name", "Django_Package", "org.x:y", "Newtonsoft.Json", "..", "@../x", "a%2fb", "é", "node_modules")
	f.Fuzz(func(t *testing.T, i int, raw string) {
		e := ecosystemAt(i)
		name, err := NormalizeName(e, raw)
		if err != nil {
			checkOffset(t, err, raw)
			return
		}
		if again, err := NormalizeName(e, name); err != nil || again != name {
			t.Fatalf("%q became %q, which becomes %q, %v", raw, name, again, err)
		}
		for segment := range strings.SplitSeq(name, "/") {
			if segment == "" || segment[0] == '.' || strings.ContainsAny(segment, "\\%\x00 ") {
				t.Fatalf("%q became %q, which is not safe in a path", raw, name)
			}
		}
		v := Version{Package: Package{e, name}}
		if back, err := ParsePURL(v.PURL()); err != nil || back != v {
			t.Fatalf("%q: %s is read as %+v, %v", name, v.PURL(), back, err)
		}
	})
}

func FuzzNormalizeVersion(f *testing.F) {
	seed(f, "1.2.3", "v1.2.3-rc.1+b", "1!1.0a1.post2.dev3+l.1", "1.0-SNAPSHOT", "1.2.3.4-beta", "../1", "00", "1.0-1", "1.0.0000000000000000000000000001")
	f.Fuzz(func(t *testing.T, i int, raw string) {
		e := ecosystemAt(i)
		v, err := NormalizeVersion(e, raw)
		if err != nil {
			checkOffset(t, err, raw)
			return
		}
		if again, err := NormalizeVersion(e, v); err != nil || again != v {
			t.Fatalf("%q became %q, which becomes %q, %v", raw, v, again, err)
		}
		if strings.ContainsAny(v, "/\\%\x00 ") || v[0] == '.' {
			t.Fatalf("%q became %q, which is not safe in a path", raw, v)
		}
		if !KeyOf(e, v).Valid() {
			t.Fatalf("%q became %q, which cannot be compared", raw, v)
		}
		if Compare(e, raw, v) != 0 {
			t.Fatalf("%q and its normal form %q are not the same", raw, v)
		}
	})
}

func FuzzCompare(f *testing.F) {
	for i := range Ecosystems() {
		f.Add(i, "1.0", "1.0.0")
		f.Add(i, "1.0-1", "1.0-a")
		f.Add(i, "x", "y")
		f.Add(i, "1.99999999999999999999", "1.99999999999999999998")
	}
	f.Fuzz(func(t *testing.T, i int, a, b string) {
		e := ecosystemAt(i)
		if c := Compare(e, a, b); c < -1 || c > 1 || c != -Compare(e, b, a) || Compare(e, a, a) != 0 {
			t.Fatalf("%s: %q and %q compare as %d and %d", e, a, b, c, Compare(e, b, a))
		}
	})
}

func FuzzParseRange(f *testing.F) {
	seed(f, "^1.2.0 || 2.x", "1.0 - 2.3", ">=2,!=2.1.*,<3", "~=1.4", "===x", "[1,2),(3,]", "(,1.0]", "1.2.*", "*", "", "||", "[", "<")
	f.Fuzz(func(t *testing.T, i int, text string) {
		e := ecosystemAt(i)
		r, err := ParseRange(e, text)
		if err != nil {
			checkOffset(t, err, text)
			return
		}
		if r.String() != text {
			t.Fatalf("%q is shown as %q", text, r)
		}
		for _, v := range []string{"0.0.1", "1.0.0", "1.2.3-beta", "2.0.0", "junk"} {
			if r.Contains(v) && v == "junk" && e != Maven {
				t.Fatalf("%q contains junk", text)
			}
		}
	})
}

func FuzzParseDefinition(f *testing.F) {
	seed(f, "lodash", "lodash@<4.17.21", "@scope/x@^1.0.0", "@evil/*", "org.x:y@[1,2)", "requests@>=2,<3", "*", "@", "a@", " a@1 ", "é@1")
	f.Fuzz(func(t *testing.T, i int, text string) {
		e := ecosystemAt(i)
		d, err := ParseDefinition(e, text)
		if err != nil {
			checkOffset(t, err, text)
			return
		}
		if !d.Valid() {
			t.Fatalf("%q is not valid", text)
		}
		data, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Definition
		if err := back.UnmarshalJSON(data); err != nil || back.Text != d.Text {
			t.Fatalf("%q is stored as %s, which becomes %+v, %v", text, data, back, err)
		}
		d.Matches(Version{Package: Package{e, "lodash"}, Version: "1.0.0"})
	})
}

func FuzzParsePURL(f *testing.F) {
	for _, text := range []string{"pkg:npm/%40a/b@1.0.0", "pkg:maven/g/a@1?type=jar#x", "pkg:pypi/A_b@1.0", "pkg:nuget/A@1", "pkg:", "", "pkg:npm/..@1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParsePURL(text)
		if err != nil {
			checkOffset(t, err, text)
			return
		}
		if back, err := ParsePURL(v.PURL()); err != nil || back != v {
			t.Fatalf("%q is %+v, written %s, which is read as %+v, %v", text, v, v.PURL(), back, err)
		}
	})
}

func FuzzWildcardMatch(f *testing.F) {
	f.Add("a*b*c", "aXbYc")
	f.Add("*", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 30 || len(name) > 30 {
			return
		}
		if got, want := wildcardMatch(pattern, name), slowMatch(pattern, name); got != want {
			t.Fatalf("%q and %q: got %v, want %v", pattern, name, got, want)
		}
	})
}

// slowMatch is what a wildcard means, tried in every way.
func slowMatch(pattern, name string) bool {
	reachable := map[int]bool{0: true}
	for i := range len(pattern) {
		next := map[int]bool{}
		for at := range reachable {
			switch {
			case pattern[i] == '*':
				for j := at; j <= len(name); j++ {
					next[j] = true
				}
			case at < len(name) && name[at] == pattern[i]:
				next[at+1] = true
			}
		}
		reachable = next
	}
	return reachable[len(name)]
}
