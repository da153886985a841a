package coord

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func version(t testing.TB, e Ecosystem, name, v string) Version {
	t.Helper()
	n, err := NormalizeName(e, name)
	if err != nil {
		t.Fatal(err)
	}
	return Version{Package: Package{Ecosystem: e, Name: n}, Version: v}
}

func TestP10_DefinitionMatches(t *testing.T) {
	tests := []struct {
		e       Ecosystem
		text    string
		in, out []string // "name version"
	}{
		{NPM, "lodash", []string{"lodash 1.0.0"}, []string{"lodash.merge 1.0.0", "Lodash 1.0.0"}},
		{NPM, "lodash@4.17.20", []string{"lodash 4.17.20"}, []string{"lodash 4.17.21"}},
		{NPM, "lodash@v4.17.20", []string{"lodash 4.17.20"}, []string{"lodash 4.17.21"}},
		{NPM, " lodash@ <4.17.21 ", []string{"lodash 4.17.20", "lodash 4.17.21-beta"}, []string{"lodash 4.17.21"}},
		{NPM, "lodash@4", []string{"lodash 4.9.9"}, []string{"lodash 5.0.0"}},
		{NPM, "@scope/x@^1.0.0", []string{"@scope/x 1.9.0"}, []string{"@scope/x 2.0.0", "@scope/y 1.0.0"}},
		{NPM, "@evil/*", []string{"@evil/x 1.0.0", "@evil/y-z 2.0.0"}, []string{"@evil2/x 1.0.0", "evil 1.0.0"}},
		{NPM, "*-internal@*", []string{"a-internal 1.0.0", "@x/y-internal 1.0.0"}, []string{"internal 1.0.0"}},
		{NPM, "*", []string{"a 1.0.0", "@a/b 1.0.0"}, nil},
		{NPM, "a*b*c", []string{"abc 1.0.0", "axxbyybc 1.0.0"}, []string{"abcd 1.0.0", "acb 1.0.0"}},
		{PyPI, "Django_Package@>=2,<3", []string{"django.package 2.5"}, []string{"django-package 3.0"}},
		{PyPI, "requests@2.31.0", []string{"requests 2.31", "requests 2.31.0"}, []string{"requests 2.31.1"}},
		{PyPI, "Acme_*", []string{"acme-x 1"}, []string{"acme 1", "acmex 1"}},
		{Maven, "org.x:y@[1,2)", []string{"org.x:y 1.5"}, []string{"org.x:y 2", "org.x:z 1.5"}},
		{Maven, "org.x:y@1.5", []string{"org.x:y 1.5"}, []string{"org.x:y 1.6"}},
		{Maven, "com.acme*", []string{"com.acme:x 1", "com.acme.a:y 1"}, []string{"com.acm:e 1"}},
		{Maven, "*:log4j-core@(,2.17.1)", []string{"org.apache:log4j-core 2.0"}, []string{"org.apache:log4j-core 2.17.1"}},
		{NuGet, "Newtonsoft.Json@(,13.0.1)", []string{"newtonsoft.json 12.0.0"}, []string{"newtonsoft.json 13.0.1"}},
		{NuGet, "Newtonsoft.Json@13.0.1", []string{"NEWTONSOFT.JSON 13.0.1"}, []string{"newtonsoft.json 13.0.2"}},
		{NuGet, "Acme.*", []string{"acme.core 1.0.0"}, []string{"acme 1.0.0"}},
	}
	for _, tt := range tests {
		d, err := ParseDefinition(tt.e, tt.text)
		if err != nil {
			t.Errorf("%s %q: %v", tt.e, tt.text, err)
			continue
		}
		if d.Text != strings.TrimSpace(tt.text) || !d.Valid() {
			t.Errorf("%q: text is %q", tt.text, d.Text)
		}
		for in, list := range map[bool][]string{true: tt.in, false: tt.out} {
			for _, s := range list {
				name, v, _ := strings.Cut(s, " ")
				if d.Matches(version(t, tt.e, name, v)) != in {
					t.Errorf("%s %q: matching %q is not %v", tt.e, tt.text, s, in)
				}
			}
		}
	}
}

func TestDefinitionIsOfOneEcosystem(t *testing.T) {
	d, err := ParseDefinition(NPM, "*")
	if err != nil {
		t.Fatal(err)
	}
	if d.Matches(version(t, PyPI, "requests", "1.0")) {
		t.Error("an npm definition matches a PyPI package")
	}
	if (Definition{Ecosystem: NPM, Text: "lodash"}).Matches(version(t, NPM, "lodash", "1.0.0")) {
		t.Error("a definition that was not parsed matches")
	}
}

func TestP10_DefinitionErrorsHaveAPosition(t *testing.T) {
	tests := []struct {
		e      Ecosystem
		text   string
		offset int
		says   string
	}{
		{NPM, "", -1, "must not be empty"},
		{NPM, "lodash@", 7, "expected a version or a range"},
		{NPM, "lodash@<4.x1", 10, "expected a number"},
		{NPM, "  lodash@>1 ,2", 12, "space"},
		{NPM, "lodash@latest", 7, "expected a number"},
		{NPM, "lodash <4", 6, "write '@'"},
		{NPM, "lo$dash", 2, "must not contain '$'"},
		{NPM, "a@b@c", 2, "expected a number"},
		{NPM, "@acme", 5, "@scope/name"},
		{NPM, "a/*", 1, "scope"},
		{NPM, "../*", 2, "scope"},
		{PyPI, "requests<2", 8, "write '@'"},
		{PyPI, "requests@2.*", 9, "operator"},
		{PyPI, "requests@>=2,<x", 14, "expected a number"},
		{Maven, "com.acme", 0, "group:artifact"},
		{Maven, "g:a@<1", 4, "interval"},
		{Maven, "g:a@[2,1]", 4, "above"},
		{Maven, "a:b:c*", 3, "second ':'"},
		{NuGet, "A.B@>=1", 4, "interval"},
		{"CARGO", "x", -1, "one of NPM"},
	}
	for _, tt := range tests {
		_, err := ParseDefinition(tt.e, tt.text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%s %q: got %v, want a SyntaxError", tt.e, tt.text, err)
			continue
		}
		if syntax.Offset != tt.offset || !strings.Contains(syntax.Msg, tt.says) {
			t.Errorf("%s %q: got offset %d, %q; want %d, %q", tt.e, tt.text, syntax.Offset, syntax.Msg, tt.offset, tt.says)
		}
	}
	if _, err := ParseDefinition(NPM, strings.Repeat("a", MaxDefinitionLength+1)); err == nil {
		t.Error("a definition of any length is read")
	}
}

func TestDefinitionJSON(t *testing.T) {
	d, err := ParseDefinition(PyPI, "requests@>=2,<3")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back Definition
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Text != d.Text || back.Ecosystem != PyPI || !back.Matches(version(t, PyPI, "requests", "2.5")) || back.Matches(version(t, PyPI, "requests", "3.0")) {
		t.Errorf("%s became %+v", data, back)
	}
	for _, bad := range []string{`{"text":"lodash"}`, `{"ecosystem":"NPM","text":"lodash@@"}`, `"lodash"`, `{"ecosystem":"NPM"}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was read as %+v", bad, back)
		}
	}
}

func BenchmarkDefinitionMatches(b *testing.B) {
	d, err := ParseDefinition(NPM, "lodash@<4.17.21 || ^5.0.0")
	if err != nil {
		b.Fatal(err)
	}
	v := version(b, NPM, "lodash", "4.17.20")
	b.ReportAllocs()
	for b.Loop() {
		if !d.Matches(v) {
			b.Fatal("does not match")
		}
	}
}
