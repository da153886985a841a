package npm

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

// took is what arrived of a body.
type took struct {
	body     *body
	version  string
	tgz      []byte
	contents *contents
}

// take reads a body as the handler does, into memory.
func take(pkg string, from io.Reader) (t took, err error) {
	t.body, err = readBody(from, pkg, arrivals{
		version: func(v string) error { t.version = v; return nil },
		tarball: func(data io.Reader) (err error) {
			var kept bytes.Buffer
			t.contents, err = inspect(io.TeeReader(data, &kept), usual)
			t.tgz = kept.Bytes()
			return err
		},
	})
	return t, err
}

// accept is take with everything that is checked before a version is stored.
func accept(pkg string, from io.Reader) (*publication, took, error) {
	t, err := take(pkg, from)
	if err != nil {
		return nil, t, err
	}
	p, err := t.body.publication(pkg, t.contents)
	return p, t, err
}

func TestReadBody_OfEachClient(t *testing.T) {
	for _, client := range protocoltest.Clients {
		for _, pkg := range []string{"left", "@acme/left"} {
			t.Run(client+" "+pkg, func(t *testing.T) {
				tgz := protocoltest.PackOf(pkg, "1.2.3", nil)
				sent := protocoltest.PublishBody(client, pkg, "1.2.3", tgz).String()
				p, got, err := accept(pkg, iotest.OneByteReader(strings.NewReader(sent)))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.tgz, tgz) || got.version != "1.2.3" || p.version != "1.2.3" {
					t.Errorf("version %q, %q; %d bytes, want %d", got.version, p.version, len(got.tgz), len(tgz))
				}
				if !reflect.DeepEqual(p.tags, []string{"latest"}) || p.declared.SHA1 == nil {
					t.Errorf("%+v", p)
				}
				if got := about(p.manifest); got != "the package "+pkg+"\ntest one" {
					t.Errorf("about %q", got)
				}
			})
		}
	}
}

// infoOf is what the store says of bytes.
func infoOf(t testing.TB, b []byte) blob.Info {
	t.Helper()
	d, err := blob.NewDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	info, err := d.Put(t.Context(), bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// TestR6_WhatIsKeptIsReadAsAnySource: the kept manifest decodes, says what the
// tarball is, and nothing that the client claimed about it.
func TestR6_WhatIsKeptIsReadAsAnySource(t *testing.T) {
	tgz := protocoltest.Pack(protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"install":"i"}`), entry{Name: "package/npm-shrinkwrap.json"})
	sent := protocoltest.PublishBody("npm", "x", "1.0.0", tgz).
		With("versions/1.0.0/dist/signatures", []string{"forged"}).
		With("versions/1.0.0/dist/unpackedSize", 7).
		With("versions/1.0.0/hasInstallScript", false).
		With("versions/1.0.0/gypfile", true).
		With("versions/1.0.0/_npmUser", protocoltest.Object{{Name: "name", Value: "mallory"}}).
		With("versions/1.0.0/_hasShrinkwrap", false).
		With("versions/1.0.0/dependencies", protocoltest.Object{{Name: "__proto__", Value: "1"}})
	p, _, err := accept("x", strings.NewReader(sent.String()))
	if err != nil {
		t.Fatal(err)
	}
	info := infoOf(t, tgz)
	kept, err := p.metadata(info, coord.Person{Name: "ann", Email: "ann@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&Protocol{}).DecodeVersion("x", kept)
	if err != nil {
		t.Fatalf("%v: %s", err, kept)
	}
	if want := (policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"}); l.License != want || l.Version != "1.0.0" {
		t.Errorf("%+v", l)
	}
	if d := l.Files[0].Digests; !bytes.Equal(d.SHA512, info.SHA512[:]) || !bytes.Equal(d.SHA1, info.SHA1[:]) {
		t.Errorf("digests %+v", d)
	}
	if !l.Document.(*Manifest).InstallScript {
		t.Error("the install script of the tarball is not seen")
	}
	for _, lie := range []string{"forged", "mallory", `"unpackedSize":7`, `"hasInstallScript":false`, "gypfile", `"_hasShrinkwrap":false`, "registry.invalid"} {
		if strings.Contains(string(kept), lie) {
			t.Errorf("%s is kept in %s", lie, kept)
		}
	}
	for _, truth := range []string{`"_npmUser":{"name":"ann","email":"ann@acme.example"}`, `"fileCount":2`, `"_hasShrinkwrap":true`, `"__proto__":"1"`} {
		if !strings.Contains(string(kept), truth) {
			t.Errorf("%s is not in %s", truth, kept)
		}
	}
}

func TestP9_InstallScriptsComeFromTheTarball(t *testing.T) {
	for name, c := range map[string]struct {
		tarball []entry
		scripts protocoltest.Object // that the manifest claims
		want    bool
	}{
		"none":                {[]entry{packageJSON}, nil, false},
		"hidden in manifest":  {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"preinstall":"p"}`)}, nil, true},
		"node-gyp":            {[]entry{packageJSON, {Name: "package/binding.gyp"}}, nil, true},
		"only in manifest":    {[]entry{packageJSON}, protocoltest.Object{{Name: "install", Value: "i"}}, true},
		"both":                {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"install":"i"}`)}, protocoltest.Object{{Name: "install", Value: "i"}}, true},
		"a script of another": {[]entry{protocoltest.PackageJSON("x", "1.0.0", `,"scripts":{"test":"t"}`)}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			tgz := protocoltest.Pack(c.tarball...)
			sent := protocoltest.PublishBody("npm", "x", "1.0.0", tgz)
			if c.scripts != nil {
				sent = sent.With("versions/1.0.0/scripts", c.scripts)
			}
			p, _, err := accept("x", strings.NewReader(sent.String()))
			if err != nil {
				t.Fatal(err)
			}
			kept, err := p.metadata(infoOf(t, tgz), coord.Person{})
			if err != nil {
				t.Fatal(err)
			}
			l, err := (&Protocol{}).DecodeVersion("x", kept)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Document.(*Manifest).InstallScript; got != c.want {
				t.Errorf("install script %v in %s", got, kept)
			}
		})
	}
}

func TestPublish_BuildMetadataIsNotKept(t *testing.T) {
	tgz := protocoltest.Pack(protocoltest.PackageJSON("x", "1.0.0+build.5", ""))
	p, _, err := accept("x", strings.NewReader(protocoltest.PublishBody("yarn-classic", "x", "1.0.0+build.5", tgz).String()))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := p.metadata(infoOf(t, tgz), coord.Person{})
	if err != nil || p.version != "1.0.0" || !strings.Contains(string(kept), `"version":"1.0.0"`) || strings.Contains(string(kept), "build.5") {
		t.Errorf("version %s, %v: %s", p.version, err, kept)
	}
}

func TestPublish_Provenance(t *testing.T) {
	const pkg, purl = "@acme/left", "pkg:npm/%40acme/left@1.0.0"
	tgz := protocoltest.PackOf(pkg, "1.0.0", nil)
	sent := protocoltest.PublishBody("npm", pkg, "1.0.0", tgz)
	p, got, err := accept(pkg, strings.NewReader(sent.WithBundle(pkg, "1.0.0", protocoltest.Bundle(purl, tgz)).String()))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := p.metadata(infoOf(t, tgz), coord.Person{})
	if err != nil || p.bundle.text != got.body.Bundle.Text || !strings.Contains(string(kept), `"provenance":{"predicateType":"https://slsa.dev/provenance/v1"}`) {
		t.Errorf("%v, %+v: %s", err, p.bundle, kept)
	}
	for name, c := range map[string]struct{ bundle, want string }{
		"no JSON":         {"{", "ends too early"},
		"names twice":     {`{"a":1,"a":2}`, "occurs twice"},
		"no bundle":       {`{}`, "no payload"},
		"payload no JSON": {`{"dsseEnvelope":{"payload":"AAAA"}}`, "not an in-toto statement"},
		"other spelling":  {strings.Replace(protocoltest.Bundle(purl, tgz), "dsseEnvelope", "DSSEENVELOPE", 1), "no payload"},
		"other package":   {protocoltest.Bundle("pkg:npm/left@1.0.0", tgz), "must be about pkg:npm/%40acme/left@1.0.0"},
		"other version":   {protocoltest.Bundle("pkg:npm/%40acme/left@1.0.1", tgz), "must be about"},
		"other bytes":     {protocoltest.Bundle(purl, tgz[1:]), "but dist.integrity is of"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := accept(pkg, strings.NewReader(sent.WithBundle(pkg, "1.0.0", c.bundle).String()))
			if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	// Without an integrity, the statement's digest is what the bytes must have.
	bare := protocoltest.PublishBody("yarn-classic", pkg, "1.0.0", tgz).WithBundle(pkg, "1.0.0", protocoltest.Bundle(purl, tgz[1:]))
	if p, _, err = accept(pkg, strings.NewReader(bare.String())); err != nil || p.declared.SHA512 == nil {
		t.Errorf("%v, declared %+v", err, p)
	}
}

func TestReadBody_Changes(t *testing.T) {
	got, err := take("x", strings.NewReader(` { "_id":"x", "_rev":"3-0", "name":"x", "time":{}, "users":{"ann":true,"bob":false,"eve":"true"},
		"maintainers":[{"name":"ann","email":"a@x.example","url":"u"},"bob <b@x.example>"],
		"versions":{"1.0.0":{"name":"x","deprecated":"old"},"2.0.0":{"deprecated":""},"v3.0.0":{"deprecated":false}},
		"_attachments":{"x-1.0.0.tgz":{"stub":true,"length":5}} } `))
	if err != nil {
		t.Fatal(err)
	}
	want := body{ID: "x", Name: "x", Rev: "3-0", HasVersions: true, HasUsers: true, HasPeople: true, Users: []string{"ann"},
		Versions:    []bodyVersion{{"1.0.0", "old"}, {"2.0.0", ""}, {"3.0.0", ""}},
		Maintainers: []coord.Person{{Name: "ann", Email: "a@x.example"}, {Name: "bob", Email: "b@x.example"}}}
	if !reflect.DeepEqual(*got.body, want) {
		t.Errorf("%+v\nwant %+v", *got.body, want)
	}
}

func TestReadBody_EscapedBase64(t *testing.T) {
	tgz := protocoltest.PackOf("x", "1.0.0", map[string]string{"noise": string(noise(2000))})
	plain := protocoltest.PublishBody("npm", "x", "1.0.0", tgz).String()
	escaped := strings.NewReplacer("+", `\u002b`, "/", `\/`, "_attachments", `\u005fattachments`).Replace(plain)
	if escaped == plain {
		t.Fatal("nothing to escape")
	}
	_, got, err := accept("x", strings.NewReader(escaped))
	if err != nil || !bytes.Equal(got.tgz, tgz) {
		t.Errorf("%v, %d bytes", err, len(got.tgz))
	}
}

func TestReadBody_StopsAtWhatAnArrivalSays(t *testing.T) {
	no := errs.New(errs.Forbidden, "test", "not you")
	sent := protocoltest.PublishBody("npm", "x", "1.0.0", protocoltest.PackOf("x", "1.0.0", nil)).String()
	read := &counter{from: strings.NewReader(sent)}
	_, err := readBody(read, "x", arrivals{version: func(string) error { return no }})
	if !errors.Is(err, no) {
		t.Errorf("error %v", err)
	}
}
