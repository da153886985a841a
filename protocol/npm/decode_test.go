package npm

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

const sri = `sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==`

// manifestOf writes a manifest with further members.
func manifestOf(name, version, more string) string {
	return fmt.Sprintf(`{"name":%q,"version":%q,"dist":{"tarball":"https://up.example/%[1]s/-/x-%[2]s.tgz","integrity":%q}%s}`, name, version, sri, more)
}

func packumentOf(name string, manifests ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"name":%q,"dist-tags":{},"versions":{`, name)
	for i, m := range manifests {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m)
	}
	b.WriteString("}}")
	return []byte(b.String())
}

func TestDecodeReadsWhatADocumentSays(t *testing.T) {
	l := decode(t, "@acme/x", []byte(`{
		"_id": "@acme/x", "_rev": "3-abc", "name": "@acme/x",
		"dist-tags": {"latest": "1.10.0", "odd": 7, "__proto__": "1.2.0", "gone": "9.0.0"},
		"versions": {
			"1.10.0": `+manifestOf("@acme/x", "1.10.0", `,"license":"MIT","scripts":{"postinstall":"node x"},"deprecated":"no"`)+`,
			"1.2.0": `+manifestOf("@acme/x", "1.2.0", `,"licenses":[{"type":"MIT"},{"type":"Apache-2.0"}],"gypfile":true`)+`,
			"1.2.0-rc.1": `+manifestOf("@acme/x", "1.2.0-rc.1", `,"license":{"type":"ISC","url":"u"},"scripts":{"test":"x","install":""}`)+`,
			"1.3.0": `+manifestOf("@acme/x", "1.3.0", `,"license":"SEE LICENSE IN LICENSE.txt"`)+`
		},
		"time": {"created": "2020-01-01T00:00:00.000Z", "modified": "2021-01-01T00:00:00.000Z",
			"1.10.0": "2020-03-01T10:00:00.123Z", "1.2.0": "2020-02-01T12:00:00.148000+02:00", "1.3.0": "soon", "unpublished": {"x": 1}}
	}`))
	if l.Package.Name != "@acme/x" || len(l.Skipped) != 2 {
		t.Fatalf("package %+v, skipped %q", l.Package, l.Skipped)
	}
	if want := map[string]string{"latest": "1.10.0", "gone": "9.0.0"}; !reflect.DeepEqual(l.Tags, want) {
		t.Errorf("tags = %v, want %v", l.Tags, want)
	}
	type row struct {
		version, license string
		state            policy.LicenseState
		published        string
		install          bool
	}
	want := []row{
		{"1.2.0-rc.1", "ISC", policy.LicenseDeclared, "", false},
		{"1.2.0", "MIT OR Apache-2.0", policy.LicenseDeclared, "2020-02-01T10:00:00.148Z", true},
		{"1.3.0", "SEE LICENSE IN LICENSE.txt", policy.LicenseUnknown, "", false},
		{"1.10.0", "MIT", policy.LicenseDeclared, "2020-03-01T10:00:00.123Z", true},
	}
	for i, x := range l.Versions {
		got := row{x.Version, x.License.Expression, x.License.State, "", x.Document.(*Manifest).InstallScript}
		if !x.Published.IsZero() {
			got.published = x.Published.Format(time.RFC3339Nano)
		}
		if got != want[i] {
			t.Errorf("version %d = %+v, want %+v", i, got, want[i])
		}
		f := x.Files[0]
		if f.Name != "x-"+x.Version+".tgz" || f.URL != "https://up.example/@acme/x/-/x-"+x.Version+".tgz" || len(f.Digests.SHA512) != 64 || f.Size != -1 {
			t.Errorf("file = %+v", f)
		}
	}
}

func TestDecodeLeavesOutBrokenVersionsAndNamesThem(t *testing.T) {
	dist := func(d string) string { return `{"name":"x","version":"1.0.0","dist":` + d + `}` }
	for name, c := range map[string]struct{ key, manifest, why string }{
		"no object":            {"1.0.0", `"a string"`, "not an object"},
		"another name":         {"1.0.0", manifestOf("y", "1.0.0", ""), `its name is "y"`},
		"name of another case": {"1.0.0", manifestOf("X", "1.0.0", ""), `its name is "X"`},
		"another version":      {"1.0.0", manifestOf("x", "1.0.1", ""), `its version is "1.0.1"`},
		"no version":           {"1.0.0", `{"name":"x","dist":{"tarball":"u"}}`, "must not be empty"},
		"key is no version":    {"latest", manifestOf("x", "1.0.0", ""), "npm version"},
		"key is __proto__":     {"__proto__", manifestOf("x", "1.0.0", ""), "npm version"},
		"__proto__ inside":     {"1.0.0", manifestOf("x", "1.0.0", `,"__proto__":{"a":1}`), "__proto__"},
		"no dist":              {"1.0.0", `{"name":"x","version":"1.0.0"}`, "dist.tarball is missing"},
		"dist is no object":    {"1.0.0", dist(`"u"`), "dist is not an object"},
		"no tarball":           {"1.0.0", dist(`{"shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}`), "dist.tarball is missing"},
		"tarball is no string": {"1.0.0", dist(`{"tarball":{}}`), "dist.tarball is not a string"},
		"bad base64":           {"1.0.0", dist(`{"tarball":"u","integrity":"sha512-%%%"}`), "not the base64 of a 64-byte sha512"},
		"short digest":         {"1.0.0", dist(`{"tarball":"u","integrity":"sha512-AAAA"}`), "not the base64 of a 64-byte sha512"},
		"no algorithm":         {"1.0.0", dist(`{"tarball":"u","integrity":"AAAA"}`), "not algorithm-base64"},
		"weak algorithm only":  {"1.0.0", dist(`{"tarball":"u","integrity":"md5-AAAA"}`), "no sha512, sha256 or sha1"},
		"bad shasum":           {"1.0.0", dist(`{"tarball":"u","shasum":"xyz"}`), "not 40 hex digits"},
		"shasum of 40 others":  {"1.0.0", dist(`{"tarball":"u","shasum":"` + strings.Repeat("z", 40) + `"}`), "not 40 hex digits"},
		"two different sha1":   {"1.0.0", dist(`{"tarball":"u","integrity":"sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=","shasum":"` + strings.Repeat("0", 40) + `"}`), "differ"},
		"listed twice":         {"v2.0.0", manifestOf("x", "2.0.0", ""), "listed twice"},
	} {
		l := decode(t, "x", packumentOf("x", `"2.0.0":`+manifestOf("x", "2.0.0", ""), fmt.Sprintf("%q:%s", c.key, c.manifest)))
		if len(l.Versions) != 1 || l.Versions[0].Version != "2.0.0" {
			t.Errorf("%s: %d versions remain, want only 2.0.0", name, len(l.Versions))
		}
		if len(l.Skipped) != 1 || !strings.HasPrefix(l.Skipped[0], c.key+": ") || !strings.Contains(l.Skipped[0], c.why) {
			t.Errorf("%s: skipped = %q, want %s and %q", name, l.Skipped, c.key, c.why)
		}
	}
}

func TestF1_DecodeRefusesWhatIsNoDocument(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300)
	for name, c := range map[string]struct{ raw, why string }{
		"nothing":                  {"", "it is empty"},
		"HTML":                     {"\n <!DOCTYPE html><html>", "HTML or XML page"},
		"a word":                   {"oops", "not JSON (byte 0"},
		"an array":                 {"[]", "not a JSON object"},
		"cut off":                  {`{"name":"x","versions":{"1.0.0":{"na`, "ends too early"},
		"something after it":       {`{"name":"x"} {}`, "follows the document"},
		"an error":                 {`{"error":"not_found"}`, "it has no name"},
		"another package":          {`{"name":"y"}`, `about another package, "y"`},
		"another case":             {`{"name":"X"}`, `about another package, "X"`},
		"versions is an array":     {`{"name":"x","versions":[]}`, "versions is not an object"},
		"dist-tags is a string":    {`{"name":"x","dist-tags":"latest"}`, "dist-tags is not an object"},
		"time is a number":         {`{"name":"x","time":1}`, "time is not an object"},
		"not UTF-8":                {"{\"name\":\"x\",\"a\":\"\xff\"}", "not UTF-8"},
		"a name twice":             {`{"name":"x","name":"x"}`, `"name" occurs twice`},
		"a name twice, escaped":    {`{"name":"x","n\u0061me":"y"}`, `"name" occurs twice`},
		"a version twice":          {`{"name":"x","versions":{"1.0.0":1,"1.0.0":2}}`, `"1.0.0" occurs twice`},
		"a name twice, far inside": {`{"name":"x","a":[{"b":{"c":1,"c":2}}]}`, `"c" occurs twice`},
		"a name twice of many":     {`{"name":"x","a":{` + numbered(1000) + `,"k500":1}}`, `"k500" occurs twice`},
		"too deep":                 {`{"name":"x","a":` + deep + `}`, "deeper than the bound of 200"},
		"too deep in arrays":       {`{"name":"x","a":` + strings.Repeat("[", 300), "deeper than the bound of 200"},
		"a control character":      {"{\"name\":\"x\",\"a\":\"\x01\"}", "not JSON"},
	} {
		_, err := (&Protocol{}).Decode("x", []byte(c.raw))
		if !errs.Is(err, errs.Upstream) || !strings.Contains(errs.Public(err), c.why) || !strings.Contains(errs.Public(err), "document for x") {
			t.Errorf("%s: %v, want an UPSTREAM error that says %q", name, err, c.why)
		}
	}
}

// numbered writes n members with names of their own.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":%d`, i, i)
	}
	return b.String()
}

func TestF3_DecodeBoundsTheNumberOfVersions(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"name":"x","versions":{"0.0.0":` + manifestOf("x", "0.0.0", ""))
	for i := range maxVersions {
		fmt.Fprintf(&b, `,"1.0.%d":{"name":"x","version":"1.0.%[1]d","dist":{"tarball":"u"}}`, i)
	}
	b.WriteString("}}")
	_, err := (&Protocol{}).Decode("x", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "bound of 100000 versions") {
		t.Errorf("Decode = %v, want an error that names the bound", err)
	}
}

func TestDecodeAcceptsTheOddThingsOfRealDocuments(t *testing.T) {
	l := decode(t, "x", packumentOf("x",
		// A truncated text ends in half a surrogate pair.
		`"1.0.0":`+manifestOf("x", "1.0.0", `,"description":"\ud83d"`),
		// Build metadata is not part of a version's identity.
		`"1.1.0+build":`+manifestOf("x", "1.1.0+build", ""),
		// Escaped slashes and an escaped key.
		`"1.2.0":{"n\u0061me":"x","version":"1.2.0","dist":{"tarball":"https:\/\/up.example\/x.tgz"}}`,
		// Versions of 2011 have no digest but shasum, or null.
		`"1.3.0":{"name":"x","version":"1.3.0","dist":{"tarball":"u","integrity":null,"shasum":"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"}}`,
	))
	if len(l.Skipped) != 0 || len(l.Versions) != 4 {
		t.Fatalf("skipped %q", l.Skipped)
	}
	if v := l.Versions[1].Version; v != "1.1.0" {
		t.Errorf("version = %q", v)
	}
	if u := l.Versions[2].Files[0].URL; u != "https://up.example/x.tgz" {
		t.Errorf("URL = %q", u)
	}
	if !l.Versions[2].Files[0].Digests.Empty() || len(l.Versions[3].Files[0].Digests.SHA1) != 20 {
		t.Errorf("digests = %+v, %+v", l.Versions[2].Files[0].Digests, l.Versions[3].Files[0].Digests)
	}
}

func TestDecodeVersionAgreesWithDecode(t *testing.T) {
	l := decode(t, "x", []byte(`{"name":"x","license":"ISC","versions":{"1.0.0":  `+manifestOf("x", "1.0.0", `,"license":"MIT","scripts":{"install":"x"}`)+` ,
		"2.0.0":`+manifestOf("x", "2.0.0", "")+`},"time":{"1.0.0":"2020-01-01T00:00:00Z"}}`))
	for _, want := range l.Versions {
		got, err := (&Protocol{}).DecodeVersion("x", want.Raw)
		if err != nil {
			t.Fatal(err)
		}
		alike := *want
		alike.Published = time.Time{}
		if !reflect.DeepEqual(*got, alike) {
			t.Errorf("DecodeVersion = %+v\nwant %+v", got, alike)
		}
	}
	if s := l.Versions[1].License.State; s != policy.LicenseMissing {
		t.Errorf("the licence of the top level was carried to a version: %v", s)
	}
	for _, raw := range []string{"", "[]", `{"name":"y","version":"1.0.0","dist":{"tarball":"u"}}`, manifestOf("x", "1.0.0", "") + "x"} {
		if _, err := (&Protocol{}).DecodeVersion("x", []byte(raw)); !errs.Is(err, errs.Upstream) {
			t.Errorf("DecodeVersion(%.40s) = %v, want an UPSTREAM error", raw, err)
		}
	}
}

func TestNameSetFindsEveryRepetition(t *testing.T) {
	var s nameSet
	for _, n := range []int{0, 1, linear, linear + 1, 40, 5000, 30, 3} {
		s.reset()
		for i := range n {
			if !s.add(fmt.Appendf(nil, "k%d", i)) {
				t.Fatalf("%d names: k%d is reported as a repetition", n, i)
			}
		}
		for i := range n {
			if s.add(fmt.Appendf(nil, "k%d", i)) {
				t.Fatalf("%d names: the second k%d was not found", n, i)
			}
		}
	}
}
