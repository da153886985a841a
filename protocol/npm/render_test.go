package npm

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

var update = flag.Bool("update", false, "write the golden files")

// TestRenderGolden renders the source of every file under testdata/render with
// the decisions in it ("version hide|fail reason"), and compares both forms
// with the ones in the file, member by member in order.
func TestRenderGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/render/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string][]byte{}
			for _, f := range a.Files {
				part[f.Name] = f.Data
			}
			v := goldenView(t, part)
			for i, render := range []func(*gate.View, Place) ([]byte, error){Full, Abbreviated} {
				section := []string{"full.json", "abbreviated.json"}[i]
				body, err := render(v, at)
				if err != nil {
					t.Fatal(err)
				}
				got := indent(t, body)
				if *update {
					a = replaceSection(a, section, got)
				} else if want := indent(t, part[section]); !bytes.Equal(got, want) {
					t.Errorf("%s =\n%s\nwant\n%s", section, got, want)
				}
			}
			if *update {
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func goldenView(t *testing.T, part map[string][]byte) *gate.View {
	t.Helper()
	pkg := strings.TrimSpace(string(part["package"]))
	l := decode(t, pkg, bytes.TrimSpace(part["source.json"]))
	decisions := map[string]policy.Decision{}
	for line := range strings.Lines(string(part["decisions"])) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		decisions[f[0]] = deny(f[2], f[1] == "fail")
	}
	v := viewOf(l, decisions)
	if part["held"] != nil { // only held versions are known
		v.Base = nil
	}
	return v
}

func replaceSection(a *txtar.Archive, name string, data []byte) *txtar.Archive {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = data
			return a
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: data})
	return a
}

// indent makes documents comparable; it keeps the order of members.
func indent(t *testing.T, raw []byte) []byte {
	t.Helper()
	var compact, out bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, raw)
	}
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}

// must returns what a rendering cannot fail to give.
func must(t testing.TB) func(b []byte, err error) string {
	return func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
}

func TestR6_DistStaysByteForByteButForItsURLs(t *testing.T) {
	dist := `{ "integrity":"` + sri + `",  "signatures":[{"sig":"a\/b","keyid":"k"}], "tarball":"https://up.example/x/-/x-1.0.0.tgz",` +
		`"attestations":{"provenance":{"predicateType":"p"},"url":"https://up.example/-/npm/v1/attestations/x@1.0.0"} ,"unpackedSize":1.50e3}`
	l := decode(t, "x", packumentOf("x", `"1.0.0":{"name":"x","version":"1.0.0","dist":`+dist+`,"x":1}`))
	v := viewOf(l, nil)
	want := strings.NewReplacer(
		"https://up.example/x/-/x-1.0.0.tgz", at.Registry+"/x/-/x-1.0.0.tgz",
		"https://up.example/-/npm/v1/attestations/x@1.0.0", at.Registry+"/-/npm/v1/attestations/x@1.0.0",
	).Replace(dist)
	for name, body := range map[string]string{
		"full":        must(t)(Full(v, at)),
		"abbreviated": must(t)(Abbreviated(v, at)),
		"manifest":    must(t)(Version(v, v.Entry("1.0.0"), at)),
	} {
		if !strings.Contains(body, `"dist":`+want) {
			t.Errorf("%s: dist is not the source's with two URLs replaced:\n%s", name, body)
		}
		if strings.Contains(body, "up.example") {
			t.Errorf("%s: an upstream's URL is served (R4)", name)
		}
	}
}

func TestP7_HiddenVersionsAreInNoListAndNoTime(t *testing.T) {
	l := decode(t, "x", []byte(`{"name":"x","dist-tags":{"latest":"2.0.0"},"policyRestrictions":{"message":"m","versions":{"6.6.6":{}}},
		"stagedVersions":{"7.7.7":{}},"_attachments":{"a":1},"__proto__":{"z":1},"versions":{"1.0.0":`+manifestOf("x", "1.0.0", "")+`,
		"2.0.0":`+manifestOf("x", "2.0.0", `,"deprecated":"old text"`)+`,"3.0.0":`+manifestOf("x", "3.0.0", "")+`},
		"time":{"1.0.0":"2020-01-01T00:00:00Z","2.0.0":"2021-01-01T00:00:00Z","3.0.0":"2022-01-01T00:00:00Z","0.5.0":"2019-01-01T00:00:00Z"}}`))
	v := viewOf(l, map[string]policy.Decision{"2.0.0": deny("hidden", false), "3.0.0": deny("loud", true)})
	v.Tags["latest"] = "1.0.0"
	for name, body := range map[string]string{"full": must(t)(Full(v, at)), "abbreviated": must(t)(Abbreviated(v, at))} {
		var d struct {
			Tags               map[string]string `json:"dist-tags"`
			Versions, Time     map[string]any
			PolicyRestrictions struct {
				Message  string
				Versions map[string]struct{ Name, Version, Deprecated string }
			}
		}
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		if len(d.Versions) != 2 || d.Versions["1.0.0"] == nil || d.Versions["3.0.0"] == nil {
			t.Errorf("%s: versions = %v", name, d.Versions)
		}
		if len(d.Time) != 4 || d.Time["2.0.0"] != nil || d.Time["0.5.0"] != nil || d.Time["modified"] != "2022-01-01T00:00:00.000Z" || d.Time["created"] != "2020-01-01T00:00:00.000Z" {
			t.Errorf("%s: time = %v", name, d.Time)
		}
		r := d.PolicyRestrictions
		if len(r.Versions) != 1 || r.Versions["2.0.0"].Version != "2.0.0" || r.Versions["2.0.0"].Deprecated != "withheld by npm-firewall: hidden" {
			t.Errorf("%s: restrictions = %+v", name, r)
		}
		want := "2.0.0 withheld by npm-firewall: hidden; install 1.0.0 instead; details: https://acme.sluice.example/-/decisions/0123456789abcdef0123456789abcdef"
		if r.Message != want {
			t.Errorf("%s: message = %q, want %q", name, r.Message, want)
		}
		for _, bad := range []string{"6.6.6", "7.7.7", "_attachments", "__proto__", "old text"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s: contains %s", name, bad)
			}
		}
	}
}

func TestRestrictionMessageIsOneBoundedASCIILine(t *testing.T) {
	var manifests []string
	decisions := map[string]policy.Decision{}
	for _, version := range strings.Fields("1.0.0 2.0.0 3.0.0 4.0.0 5.0.0 6.0.0 7.0.0") {
		manifests = append(manifests, `"`+version+`":`+manifestOf("x", version, ""))
		decisions[version] = deny("evil \x1b[31m\nü "+version+strings.Repeat("!", 400), false)
	}
	v := viewOf(decode(t, "x", packumentOf("x", manifests...)), decisions)
	for i := range v.Entries {
		v.Entries[i].Decision.Decisive.RuleName = v.Entries[i].Version
		v.Entries[i].Decision.Decisive.Until = time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	m := message(v, v.Withheld(), at)
	if len(m) > maxMessage+20 || !strings.HasPrefix(m, "7.0.0 withheld by npm-firewall: evil [31m ? 7.0.0!") ||
		!strings.Contains(m, "...; 6.0.0 withheld by") || !strings.Contains(m, "; and more; details: https://") {
		t.Errorf("message (%d bytes) = %q", len(m), m)
	}
	for i := range v.Entries {
		v.Entries[i].Decision.Decisive.RuleName = "one rule"
		v.Entries[i].Decision.Decisive.Reason = "x " + v.Entries[i].Version + " is affected by GHSA-1"
	}
	want := "7.0.0, 6.0.0, 5.0.0, 4.0.0, 3.0.0 and 2 more withheld by npm-firewall: affected by GHSA-1; available from 2027-01-02 03:04 UTC; details: "
	if m := message(v, v.Withheld(), at); !strings.HasPrefix(m, want) {
		t.Errorf("message = %q, want %q", m, want)
	}
	for _, c := range []byte(m) {
		if c < ' ' || c > '~' {
			t.Errorf("the message has the byte %#x", c)
		}
	}
	if got := some(strings.Fields("7 6 5 4 3 2 1")); got != "7, 6, 5, 4, 3 and 2 more" {
		t.Errorf("some = %q", got)
	}
}

func TestRenderFailsRatherThanGuess(t *testing.T) {
	v := viewOf(decode(t, "x", packumentOf("x", `"1.0.0":`+manifestOf("x", "1.0.0", ""))), nil)
	v.Entries[0].Listed = &gate.Listed{Version: "1.0.0", Document: "something else"}
	if _, err := Full(v, at); !errs.Is(err, errs.Internal) {
		t.Errorf("Full = %v, want an error", err)
	}
}

func TestDistTagsAreSorted(t *testing.T) {
	v := &gate.View{Tags: map[string]string{"next": "2.0.0", "latest": "1.0.0", `q"`: "3.0.0"}}
	if got := string(DistTags(v)); got != `{"latest":"1.0.0","next":"2.0.0","q\"":"3.0.0"}` {
		t.Errorf("DistTags = %s", got)
	}
}

// TestFull_TheRegistrysOwnWord takes the place of a source's, and only then.
func TestFull_TheRegistrysOwnWord(t *testing.T) {
	l, err := (&Protocol{}).Decode("x", []byte(`{"name":"x","readme":"r","_rev":"9-z","maintainers":["eve"],"homepage":"h","users":{"eve":true},"versions":{},"bugs":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	v := viewOf(l, nil)
	if got := must(t)(Full(v, at)); !strings.Contains(got, `"readme":"r","_rev":"9-z","maintainers":["eve"],"homepage":"h","users":{"eve":true}`) {
		t.Errorf("without a word of its own: %s", got)
	}
	v.Own = &gate.Own{Revision: "3-0", Maintainers: []coord.Person{{Name: "ann", Email: "a@x.example"}}, Stars: []string{"bob"}}
	got := must(t)(Full(v, at))
	for _, want := range []string{`"_rev":"3-0"`, `"maintainers":[{"name":"ann","email":"a@x.example"}]`, `"users":{"bob":true}`, `"readme":"r","homepage":"h"`, `"bugs":"b"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "eve") || strings.Contains(got, "9-z") || !json.Valid([]byte(got)) {
		t.Errorf("%s", got)
	}
}
