package coord

import (
	"errors"
	"strings"
	"testing"
)

func TestO7_NormalizeName(t *testing.T) {
	tests := []struct {
		e         Ecosystem
		raw, want string
	}{
		{NPM, "lodash", "lodash"}, {NPM, "@angular/core", "@angular/core"}, {NPM, "JSONStream", "JSONStream"},
		{NPM, "@a_b/.c"[:4] + "/x", "@a_b/x"}, {NPM, "lodash.merge", "lodash.merge"}, {NPM, "a..b", "a..b"}, {NPM, "it's(ok)!~", "it's(ok)!~"},
		{NPM, "http", "http"}, {NPM, "@types/_x", "@types/_x"}, {NPM, "@_x/y", "@_x/y"}, {NPM, "x", "x"},
		{PyPI, "Django_Package", "django-package"}, {PyPI, "zope.interface", "zope-interface"}, {PyPI, "A-_.b", "a-b"}, {PyPI, "0", "0"},
		{Maven, "org.slf4j:slf4j-api", "org.slf4j:slf4j-api"}, {Maven, "org.scala-lang:Scala_2.13", "org.scala-lang:Scala_2.13"},
		{NuGet, "Newtonsoft.Json", "newtonsoft.json"}, {NuGet, "_X.y-Z_1", "_x.y-z_1"}, {NuGet, "Ñandú", "ñandú"},
	}
	for _, tt := range tests {
		got, err := NormalizeName(tt.e, tt.raw)
		if err != nil || got != tt.want {
			t.Errorf("%s %q: got %q, %v; want %q", tt.e, tt.raw, got, err, tt.want)
			continue
		}
		if again, err := NormalizeName(tt.e, got); err != nil || again != got {
			t.Errorf("%s %q: normalizing again gives %q, %v", tt.e, got, again, err)
		}
	}
}

func TestNormalizeNameRefuses(t *testing.T) {
	everywhere := []string{
		"", " ", "a b", " a", "a\n", "a\x00", "a\\b", "a%2fb", "..", ".", "../a", "/a", "a/", "a/b/c", "a//b", "@/a", "@a/", "@a", "a@b", "a?b", "a#b",
		"e\u0301", "\xff", "a\u200bb", "a\u202eb", strings.Repeat("a", 600),
	}
	only := map[Ecosystem][]string{
		NPM:   {".a", "_a", "-a", "@../x", "@.a/b", "@a/.b", "node_modules", "Favicon.ico", "é", "a/b", "@a/b/c", "a:b", "@é/x"},
		PyPI:  {"-a", "a-", ".a", "a_", "é", "a:b", "\u212aelvin", "a+b"},
		Maven: {"a", "a:", ":a", "a:b:c", ".a:b", "a.:b", "a..b:c", "a:.b", "a:..", "é:b", "a:b c", "a*:b"},
		NuGet: {"a..b", "-a", "a-", "a.", ".a", "a:b", "a--b", strings.Repeat("a", 101), "\u212aelvin", "\u0130x", "a+b", "a*"},
	}
	for _, e := range Ecosystems() {
		for _, raw := range append(everywhere, only[e]...) {
			got, err := NormalizeName(e, raw)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Errorf("%s: %q became %q, %v", e, raw, got, err)
				continue
			}
			if syntax.Text != raw || syntax.Msg == "" || syntax.Offset > len(raw) {
				t.Errorf("%s: %q: incomplete error %+v", e, raw, syntax)
			}
		}
	}
	if _, err := NormalizeName("CARGO", "a"); err == nil || !strings.Contains(err.Error(), "NPM, PYPI, MAVEN, NUGET") {
		t.Errorf("an ecosystem that does not exist: %v", err)
	}
}

func TestErrorsSayWhatWhereAndWhatWouldBeRight(t *testing.T) {
	tests := []struct {
		e    Ecosystem
		raw  string
		want string
	}{
		{NPM, "a b", `npm package name "a b" at byte 1: must not contain spaces`},
		{NPM, "@x", `npm package name "@x" at byte 2: must be name or @scope/name`},
		{NPM, "a$", `npm package name "a$" at byte 1: must not contain '$'; only letters, digits, '-', '_' and '.'`},
		{PyPI, "a+b", `PyPI package name "a+b" at byte 1: must not contain '+'; only letters, digits, '.', '-' and '_'`},
		{Maven, "junit", `Maven package name "junit": must be group:artifact, for example org.slf4j:slf4j-api`},
		{NuGet, strings.Repeat("ab", 70), `NuGet package name "` + strings.Repeat("ab", 60) + `…": is 140 characters long; at most 100 are allowed`},
	}
	for _, tt := range tests {
		if _, err := NormalizeName(tt.e, tt.raw); err == nil || err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", err, tt.want)
		}
	}
}

func TestNewName(t *testing.T) {
	good := []string{"lodash", "@acme/http", "a.b_c-d", strings.Repeat("a", 214)}
	for _, name := range good {
		if err := NewName(NPM, name); err != nil {
			t.Error(err)
		}
	}
	bad := map[string]string{
		"JSONStream": "lower case: jsonstream", "http": "module of Node.js", "a~b": "'~'", "a*b": "'*'", "@_a/b": "scope that begins with '_'",
		"@a/_b": "begin with '_'", "@a/-b": "begin with '-'", "@a/node_modules": "reserved", "@a/__proto__": "begin with '_'", "constructor": "reserved",
		strings.Repeat("a", 215): "at most 214", "__proto__": "begin with '_'", "": "empty", "favicon.ico": "is reserved",
	}
	for name, says := range bad {
		if err := NewName(NPM, name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v, want %q", name, err, says)
		}
	}
	if err := NewName(PyPI, "My_Package"); err != nil {
		t.Errorf("PyPI has one rule for old and new names: %v", err)
	}
	if err := NewName(PyPI, "-x"); err == nil {
		t.Error("a bad PyPI name is a good new one")
	}
}

func TestParseEcosystem(t *testing.T) {
	for _, e := range Ecosystems() {
		for _, text := range []string{string(e), strings.ToLower(string(e)), e.OSV(), e.PURLType()} {
			if got, err := ParseEcosystem(text); got != e || err != nil {
				t.Errorf("%q: got %q, %v", text, got, err)
			}
		}
	}
	if _, err := ParseEcosystem("cargo"); err == nil || !strings.Contains(err.Error(), "npm, pypi, maven, nuget") {
		t.Errorf("cargo: %v", err)
	}
	if e := Ecosystem("CARGO"); e.Valid() || e.OSV() != "" || e.PURLType() != "" {
		t.Error("CARGO is valid")
	}
}
