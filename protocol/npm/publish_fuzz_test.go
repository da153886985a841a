package npm

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
)

// FuzzPublishBody feeds bodies of PUT /{pkg}. What is accepted for publishing is
// a body that another JSON reader reads as well, and what would be kept of it
// decodes to the same version.
func FuzzPublishBody(f *testing.F) {
	tgz := protocoltest.PackOf("x", "1.0.0", nil)
	for _, client := range protocoltest.Clients {
		f.Add([]byte(protocoltest.PublishBody(client, "x", "1.0.0", tgz).String()))
	}
	f.Add([]byte(protocoltest.PublishBody("npm", "x", "1.0.0", tgz).WithBundle("x", "1.0.0", protocoltest.Bundle("pkg:npm/x@1.0.0", tgz)).String()))
	f.Add([]byte(`{"_id":"x","_rev":"1-0","users":{"a":true},"maintainers":[{"name":"a"},"b <c>"],"versions":{"1.0.0":{"deprecated":"d"}}}`))
	f.Add([]byte(`{"_attachments":{"x-1.0.0.tgz":{"data":"\u0041\/==","length":1}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := readBody(bytes.NewReader(raw), "x", arrivals{
			version: func(string) error { return nil },
			tarball: func(data io.Reader) error { _, err := io.Copy(io.Discard, data); return err },
		})
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("accepted what is no JSON: %q", raw)
		}
		if got.Tarball == nil {
			return
		}
		p, err := got.publication("x", &contents{name: "x", version: got.Tarball.Version})
		if err != nil {
			return
		}
		kept, err := p.metadata(blob.Info{}, coord.Person{Name: "n"})
		if err != nil {
			t.Fatalf("%v: %q", err, raw)
		}
		l, err := (*Protocol)(nil).DecodeVersion("x", kept)
		if err != nil || l.Version != p.version || !json.Valid(kept) {
			t.Fatalf("kept %s: %+v, %v", kept, l, err)
		}
	})
}

// FuzzBase64 feeds texts of attachments; what is accepted decodes to the same
// in the standard library.
func FuzzBase64(f *testing.F) {
	f.Add(`"AAAA"`)
	f.Add(`"AA=="`)
	f.Add(`"A\u0041\/="`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := newScanner(strings.NewReader(text), 1<<20).base64("it")
		if err != nil {
			return
		}
		got, err := io.ReadAll(b)
		if err != nil {
			return
		}
		end := int(b.s.at)
		var want []byte
		if err := json.Unmarshal([]byte(text[:end]), &want); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: %x, want %x, %v", text, got, want, err)
		}
	})
}

// FuzzInspect feeds tarballs, compressed by the test, so that what is inside
// changes.
func FuzzInspect(f *testing.F) {
	f.Add(protocoltest.Tar(packageJSON))
	f.Add(protocoltest.Tar(packageJSON, entry{Name: "package/a/b"}, entry{Name: "package/binding.gyp"}))
	f.Add(append(sparse(), protocoltest.Tar(packageJSON)...))
	f.Add(append(nullPath("package/a"), protocoltest.Tar(packageJSON)...))
	f.Fuzz(func(t *testing.T, archive []byte) {
		c, err := inspect(bytes.NewReader(protocoltest.Zip(archive)), usual)
		if err == nil && (c.files == 0 || c.unpacked < 0 || c.unpacked > int64(len(archive))) {
			t.Fatalf("%d bytes have %+v", len(archive), c)
		}
	})
}

// FuzzInspectGzip feeds tarballs as they are.
func FuzzInspectGzip(f *testing.F) {
	f.Add(protocoltest.Pack(packageJSON))
	f.Fuzz(func(t *testing.T, tgz []byte) {
		small := usual
		small.expanded, small.slack = 1<<20, 1<<16
		if c, err := inspect(bytes.NewReader(tgz), small); err == nil && c.unpacked > small.expanded {
			t.Fatalf("%+v", c)
		}
	})
}

// FuzzEntryPath feeds names of entries; what is accepted stays below its folder.
func FuzzEntryPath(f *testing.F) {
	f.Add("package/a", false)
	f.Add("package/../a", true)
	f.Fuzz(func(t *testing.T, name string, folder bool) {
		parts, err := entryPath(name, folder)
		if err != nil {
			return
		}
		for _, p := range parts {
			if p == "" || p == "." || p == ".." || strings.ContainsAny(p, "/\\\x00") {
				t.Fatalf("%q has the part %q", name, p)
			}
		}
	})
}

// FuzzTagBody feeds bodies that set dist-tags.
func FuzzTagBody(f *testing.F) {
	f.Add([]byte(`"1.0.0"`))
	f.Add([]byte(`{"a":"1.0.0"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v, err := readTag(raw); err == nil && (v == "" || !json.Valid(raw)) {
			t.Fatalf("%q is %q", raw, v)
		}
		if tags, err := readTags(raw); err == nil && (len(tags) == 0 || len(tags) > maxNewTags || !json.Valid(raw)) {
			t.Fatalf("%q is %v", raw, tags)
		}
	})
}

// FuzzPeople feeds maintainers.
func FuzzPeople(f *testing.F) {
	f.Add([]byte(`[{"name":"a","email":"b"},"c <d>"]`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		people, err := readPeople(raw)
		if err != nil {
			return
		}
		for _, p := range people {
			if p.Name == "" {
				t.Fatalf("%q has somebody without a name", raw)
			}
		}
	})
}

// FuzzProvenance feeds provenance bundles.
func FuzzProvenance(f *testing.F) {
	f.Add(protocoltest.Bundle("pkg:npm/x@1.0.0", []byte("x")))
	f.Fuzz(func(t *testing.T, bundle string) {
		p := &publication{pkg: "x", version: "1.0.0"}
		if got, err := p.provenance(bundle); err == nil && (got.predicate == "" || len(p.declared.SHA512) != 64) {
			t.Fatalf("%q is %+v", bundle, got)
		}
	})
}
