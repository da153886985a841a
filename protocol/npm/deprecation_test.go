package npm

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestDeprecation_InEveryRendering: what the view says against a version
// replaces what its manifest says, wherever that has the member, and nothing
// else changes.
func TestDeprecation_InEveryRendering(t *testing.T) {
	const plain = `"name":"x","version":"1.0.0","dist":{"tarball":"https://s.example/x/-/x-1.0.0.tgz","shasum":"` + "da39a3ee5e6b4b0d3255bfef95601890afd80709" + `"}`
	manifests := map[string]string{
		"absent":         `{` + plain + `,"homepage":"https://x.example"}`,
		"first":          "{ \"deprecated\" : \"old\" ,\n " + plain + `,"homepage":"https://x.example"}`,
		"last":           `{` + plain + `,"homepage":"https://x.example"` + " , \"deprecated\":\"old, \\\"or\\\" so\"\n}",
		"between others": `{"author":"ann","deprecated":"old","homepage":"https://x.example",` + plain + `}`,
		"behind kept":    `{` + plain + ` , "deprecated" : "old", "homepage":"https://x.example"}`,
		"true":           `{` + plain + `,"homepage":"https://x.example","deprecated":true}`,
	}
	text := func(s string) *string { return &s }
	for name, m := range manifests {
		l := decode(t, "x", []byte(`{"name":"x","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":`+m+`}}`))
		if had := l.Versions[0].Deprecated != ""; had != (name != "absent") {
			t.Errorf("%s: decoded as %q", name, l.Versions[0].Deprecated)
		}
		for _, say := range []*string{nil, text(""), text("use y, \"please\"")} {
			v := viewOf(l, nil)
			v.Entries[0].Deprecated = say
			want, has := l.Versions[0].Deprecated, name != "absent"
			if say != nil {
				want, has = *say, *say != ""
			}
			for form, body := range map[string]string{
				"full": must(t)(Full(v, at)), "abbreviated": must(t)(Abbreviated(v, at)),
				"version": `{"versions":{"1.0.0":` + must(t)(Version(v, &v.Entries[0], at)) + `}}`,
			} {
				var doc struct{ Versions map[string]map[string]any }
				if err := json.Unmarshal([]byte(body), &doc); err != nil {
					t.Fatalf("%s, %s: %v\n%s", name, form, err, body)
				}
				got := doc.Versions["1.0.0"]
				said, there := got["deprecated"]
				if said == true {
					said = "deprecated"
				}
				if there != has || there && said != want {
					t.Errorf("%s, %s: deprecated = %v (%v), want %q\n%s", name, form, said, there, want, body)
				}
				if got["version"] != "1.0.0" || !strings.Contains(body, at.Registry+"/x/-/x-1.0.0.tgz") || form != "abbreviated" && got["homepage"] == nil {
					t.Errorf("%s, %s: the rest is not there: %s", name, form, body)
				}
			}
		}
	}
}
