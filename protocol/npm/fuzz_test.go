package npm

import (
	"encoding/json"
	"testing"

	"sluice.dev/sluice/tenants/policy"
)

// FuzzDecode feeds documents to the decoder. What it accepts must render to
// valid JSON in both forms, with and without withheld versions, and each
// version must decode alone to the same.
func FuzzDecode(f *testing.F) {
	f.Add(packumentOf("x", `"1.0.0":`+manifestOf("x", "1.0.0", `,"license":"MIT","deprecated":"d","scripts":{"install":"i"}`)))
	f.Add([]byte(`{"name":"x","versions":{"1.0.0":{"name":"x","version":"1.0.0","dist":{"tarball":"u","attestations":{"url":"a"},"tarball2":{}},"os":["l"],"a":1,"bin":{}}},"time":{"1.0.0":"2020-01-01T00:00:00Z"},"dist-tags":{"latest":"1.0.0"},"readme":"r"}`))
	f.Add([]byte(`{"_id":"x","versions":{}}`))
	f.Add([]byte(` { "name" : "x" , "versions" : { "1.0.0" : { "name" : "x" , "version" : "1.0.0" , "dist" : { "tarball" : "u" } } } , "z" : [ ] } `))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := &Protocol{}
		l, err := p.Decode("x", raw)
		if err != nil {
			return
		}
		hide := map[string]policy.Decision{}
		for _, x := range l.Versions {
			alone, err := p.DecodeVersion("x", x.Raw)
			if err != nil || alone.Version != x.Version || alone.Files[0].URL != x.Files[0].URL || alone.License != x.License {
				t.Fatalf("alone, %s decodes to %+v, %v", x.Raw, alone, err)
			}
			hide[x.Version] = deny("r", false)
		}
		for _, decisions := range []map[string]policy.Decision{nil, hide} {
			v := viewOf(l, decisions)
			for _, body := range []string{must(t)(Full(v, at)), must(t)(Abbreviated(v, at))} {
				if !json.Valid([]byte(body)) {
					t.Fatalf("not JSON: %s", body)
				}
			}
		}
	})
}

// FuzzDecodeVersion feeds single manifests.
func FuzzDecodeVersion(f *testing.F) {
	f.Add([]byte(manifestOf("x", "1.0.0", `,"licenses":[{"type":"MIT"}],"gypfile":true`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := (&Protocol{}).DecodeVersion("x", raw)
		if err == nil && (l.Version == "" || len(l.Files) != 1 || l.Files[0].URL == "") {
			t.Fatalf("accepted %s as %+v", raw, l)
		}
	})
}

// FuzzDigests feeds integrity and shasum; what is accepted has full digests.
func FuzzDigests(f *testing.F) {
	f.Add([]byte(sri), []byte("da39a3ee5e6b4b0d3255bfef95601890afd80709"))
	f.Add([]byte("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= sha256-x?o"), []byte(""))
	f.Fuzz(func(t *testing.T, integrity, shasum []byte) {
		d, err := digests(integrity, shasum)
		if err != nil {
			return
		}
		for size, sum := range map[int][]byte{64: d.SHA512, 32: d.SHA256, 20: d.SHA1} {
			if sum != nil && len(sum) != size {
				t.Fatalf("digest of %d bytes: %x", size, sum)
			}
		}
	})
}
