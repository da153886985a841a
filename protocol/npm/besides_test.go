package npm

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/gate"
)

func TestMergeKeys(t *testing.T) {
	all, err := mergeKeys([][]byte{[]byte(`{"keys":[{"keyid":"a","x": 1},{"keyid":"b"}]}`), []byte(`{"keys":[{"keyid":"a","x":2},{"nokey":1}]}`), []byte(`{}`)})
	if err != nil || len(all) != 2 || string(all[0]) != `{"keyid":"a","x": 1}` {
		t.Errorf("%s %v", all, err)
	}
	for _, bad := range []string{``, `[]`, `{"keys":{}}`, `{"keys":[}`, `<html>`} {
		if _, err := mergeKeys([][]byte{[]byte(bad)}); err == nil {
			t.Errorf("%q is taken for keys", bad)
		}
	}
}

func TestReadSpec(t *testing.T) {
	for _, c := range []struct{ scope, spec, pkg, version string }{
		{"", "x@1.0.0", "x", "1.0.0"}, {"@s", "x@v1.0.0", "@s/x", "1.0.0"}, {"", "x@1.0.0-a+b", "x", "1.0.0-a"},
		{"", "x", "", ""}, {"", "@1.0.0", "", ""}, {"s", "x@1.0.0", "", ""}, {"", "x@latest", "", ""}, {"@s", "@1.0.0", "", ""},
	} {
		pkg, version, err := readSpec(c.scope, c.spec)
		if pkg != c.pkg && err == nil || version != c.version || (err == nil) != (c.version != "") {
			t.Errorf("%s %s = %s %s %v", c.scope, c.spec, pkg, version, err)
		}
	}
}

// TestF6_AddressesStayOnTheHost whatever a document says.
func TestF6_AddressesStayOnTheHost(t *testing.T) {
	r := gate.Remote{Name: "r", BaseURL: "https://up.example/npm/t1"}
	for path, want := range map[string]string{
		"/-/npm/v1/keys": "https://up.example/-/npm/v1/keys", "/a%2fb@1.0.0": "https://up.example/a%2fb@1.0.0", "//evil.example/x": "https://up.example//evil.example/x",
		"/x?y=z": "https://up.example/x", "evil.example/x": "", "@evil.example/": "",
	} {
		got, err := onHost(r, path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s = %s %v, want %s", path, got, err, want)
		}
	}
}

func TestParseSearch(t *testing.T) {
	s, err := parseSearch(url.Values{"text": {"  Foo scope:acme keywords:a,B author:Ann not:unstable is:insecure http://x: boost-exact:false "}, "size": {"999"}, "from": {"7"}})
	if err != nil || !slices.Equal(s.words, []string{"Foo", "http://x:"}) || !slices.Equal(s.scopes, []string{"@acme"}) || !slices.Equal(s.keywords, []string{"a", "b"}) ||
		s.unstable == nil || *s.unstable || s.size != 250 || s.from != 7 || s.text != "Foo scope:acme keywords:a,B author:Ann http://x:" {
		t.Errorf("%+v %v", s, err)
	}
	if s, err := parseSearch(url.Values{}); err != nil || s.size != 20 || s.from != 0 || s.fits() != nil {
		t.Errorf("defaults: %+v %v", s, err)
	}
}

func TestAboutOfManifests(t *testing.T) {
	for manifest, want := range map[string]string{
		`{"description":"does it","keywords":["a","b",7]}`: "does it a b", `{"keywords":"a, b"}`: "a b", `{"description":7,"keywords":{}}`: "", `x`: "",
	} {
		if got := About([]byte(manifest)); got != want {
			t.Errorf("%s = %q, want %q", manifest, got, want)
		}
	}
	hit := gate.SearchHit{Package: npmPackage("@s/x"), Listed: &gate.Listed{Version: "1.0.0", Raw: []byte(`{"author":"Ann <ann@example.org> (https://a.example)",
		"maintainers":["bob <b@example.org>",{"name":"cy"},7],"repository":{"type":"git","url":"git+https://git.example/x.git"},"homepage":"javascript:alert(1)","bugs":"https://u:p@b.example"}`)}}
	p := packageOf(hit, protocol.Target{BaseURL: "https://r.example/npm/t"})
	if p.Scope != "s" || p.Author.Username != "Ann" || p.Author.Email != "ann@example.org" || len(p.Maintainers) != 2 || p.Publisher.Username != "bob" ||
		p.Links["repository"] != "https://git.example/x" || p.Links["homepage"] != "" || p.Links["bugs"] != "" || p.Links["npm"] != "https://r.example/npm/t/@s%2fx" {
		t.Errorf("%+v %+v", p, p.Author)
	}
}

func FuzzSearchResult(f *testing.F) {
	f.Add([]byte(`{"objects":[{"package":{"name":"x"}},{"package":{"name":"BAD NAME"}}],"total":7}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		names, total, err := decodeSearch(body, 20)
		if err == nil && (len(names) > 20 || total < len(names) || total > maxSearchTotal) {
			t.Errorf("%q %d", names, total)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(`{"keys":[{"keyid":"SHA256:x","key":"AAAA"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := mergeKeys([][]byte{body, body})
		if err != nil {
			return
		}
		for _, key := range all {
			if !strings.Contains(string(body), string(key)) || stringMember(key, "keyid") == "" {
				t.Errorf("%s is not as it was", key)
			}
		}
	})
}

func FuzzBundle(f *testing.F) {
	f.Add([]byte(`{"dsseEnvelope":{"payload":"` + base64.StdEncoding.EncodeToString([]byte(`{"predicateType":"https://slsa.dev/provenance/v1"}`)) + `"}}`))
	f.Fuzz(func(t *testing.T, bundle []byte) {
		body, err := attestationsOf(bundle)
		if err == nil && !json.Valid(body) {
			t.Errorf("%s", body)
		}
	})
}

func FuzzAttestationSpec(f *testing.F) {
	f.Add("@s", "x@1.0.0")
	f.Add("", "x@1.0.0")
	f.Fuzz(func(t *testing.T, scope, spec string) {
		if pkg, version, err := readSpec(scope, spec); err == nil && (pkg == "" || version == "") {
			t.Errorf("%q %q = %q %q", scope, spec, pkg, version)
		}
	})
}

func FuzzSearchQuery(f *testing.F) {
	f.Add("a scope:x keywords:a,b not:unstable", "5", "0", []byte(`{"version":"1.0.0","keywords":["a"],"maintainers":[{"name":"x"}]}`))
	f.Fuzz(func(t *testing.T, text, size, from string, manifest []byte) {
		s, err := parseSearch(url.Values{"text": {text}, "size": {size}, "from": {from}})
		if err != nil {
			return
		}
		if s.size > maxSearchSize || s.from > maxSearchFrom || len(s.text) > maxSearchText {
			t.Errorf("%+v", s)
		}
		l := &gate.Listed{Version: "1.0.0", Raw: manifest}
		if fits := s.fits(); fits != nil {
			fits(l)
		}
		if _, err := json.Marshal(packageOf(gate.SearchHit{Package: npmPackage("x"), Listed: l}, protocol.Target{})); err != nil {
			t.Error(err)
		}
	})
}
