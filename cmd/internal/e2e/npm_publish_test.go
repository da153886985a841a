package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// publishRows are the life of a package of one's own.
func publishRows() []row {
	return []row{
		{name: "publish", run: publish},
		{name: "publish, installed by the same client", run: installOwn},
		{name: "publish again is refused", run: publishAgain},
		{name: "publish with a dist-tag", run: publishNext},
		{name: "publish without a scope", run: func(t *testing.T, d *desk) outcome {
			b := d.parcel(t, "acme-"+d.name+"-tool", "1.0.0", nil)
			if !b.publishes(t, "publish") {
				return notPublishing()
			}
			return outcome{mark: done}
		}},
		{name: "O5: publish a name that is public is refused", run: func(t *testing.T, d *desk) outcome {
			b := d.parcel(t, "is-odd", "99.0.0", nil)
			args, has := b.line("publish", nil)
			if !has {
				return notPublishing()
			}
			b.prepare(t)
			b.refused(t, args, refusedWords(d.name, "is-odd")...)
			return outcome{mark: refusal}
		}},
		{name: "A2: publish with a token that only reads is refused", run: func(t *testing.T, d *desk) outcome {
			b := d.parcel(t, d.own("lib"), "7.0.0", nil)
			args, has := b.line("publish", nil)
			if !has {
				return notPublishing()
			}
			b.prepare(t)
			b.as = d.roleToken(t, d.name+"-reader", d.registryID, "reader", false)
			b.refused(t, args, refusedWords(d.name, "version:publish")...)
			return outcome{mark: refusal}
		}},
	}
}

// refusedWords are what a client prints of a refused write: the sentence, or for
// some only the status.
func refusedWords(client, sentence string) []string {
	switch client {
	case "npm", "pnpm10":
		return []string{"403", sentence}
	}
	return []string{sentence}
}

func notPublishing() outcome { return lacking("publishes to JSR only") }

// parcel is a project that can be published.
func (d *desk) parcel(t *testing.T, name, version string, more map[string]any) *bench {
	t.Helper()
	b := d.bench(t, over2(map[string]any{"name": name, "version": version, "private": nil, "main": "index.js",
		"description": "a package by " + d.name, "keywords": []string{"desk", d.name}, "dependencies": map[string]string{}}, more))
	b.write(t, "index.js", "module.exports = "+string(quote(name+" "+version))+"\n")
	b.write(t, "README.md", "# "+name+"\n")
	return b
}

func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can be marshalled
	}
	return b
}

func over2(base, with map[string]any) map[string]any {
	for k, v := range with {
		base[k] = v
	}
	return base
}

// publishes runs a verb that publishes; false says that the client cannot, which
// deno itself says.
func (b *bench) publishes(t *testing.T, verb string) bool {
	t.Helper()
	args, has := b.line(verb, nil)
	if !has {
		out, ok := b.try(t, "publish", "--dry-run")
		if ok || !strings.Contains(out, "exports") && !strings.Contains(out, "jsr.json") {
			t.Errorf("deno was believed to publish to JSR only; it printed:\n%s", out)
		}
		return false
	}
	b.prepare(t)
	b.must(t, args...)
	return true
}

// prepare is what a client wants before it publishes: yarn 4 a workspace that
// was installed once.
func (b *bench) prepare(t *testing.T) {
	t.Helper()
	if b.name == "yarn4" {
		b.must(t, "install", "--mode=skip-build")
	}
}

// full is a whole document, as the cases read it.
type full struct {
	Rev         string                         `json:"_rev"`
	Readme      string                         `json:"readme"`
	Tags        map[string]string              `json:"dist-tags"`
	Time        map[string]string              `json:"time"`
	Maintainers []struct{ Name, Email string } `json:"maintainers"`
	Users       map[string]bool                `json:"users"`
	Versions    map[string]struct {
		Deprecated any
		Dist       dist
	} `json:"versions"`
}

// held asks the desk's registry for the whole document of a package; nil when
// there is none.
func (d *desk) held(t *testing.T, name string) *full {
	t.Helper()
	a := ask(t, http.MethodGet, d.address()+strings.Replace(name, "/", "%2f", 1), d.secret, nil)
	if a.status == http.StatusNotFound {
		return nil
	}
	var f full
	if err := json.Unmarshal([]byte(a.body), &f); a.status != http.StatusOK || err != nil {
		t.Fatalf("%s answers %d, %v: %.300s", name, a.status, err, a.body)
	}
	return &f
}

func publish(t *testing.T, d *desk) outcome {
	name := d.own("lib")
	if !d.parcel(t, name, "1.0.0", needs(map[string]string{"is-odd": "^3.0.0"})).publishes(t, "publish") {
		return notPublishing()
	}
	f := d.held(t, name)
	if f == nil {
		t.Fatal("the package is not there")
	}
	v := f.Versions["1.0.0"]
	if f.Tags["latest"] != "1.0.0" || f.Rev == "" || f.Time["1.0.0"] == "" || f.Time["created"] == "" || len(f.Maintainers) == 0 {
		t.Errorf("the document is %+v", f)
	}
	if v.Dist.Integrity == "" || v.Dist.Shasum == "" || !strings.HasPrefix(v.Dist.Tarball, d.address()) {
		t.Errorf("dist is %+v; want digests and an address below %s", v.Dist, d.address())
	}
	return outcome{mark: done}
}

func installOwn(t *testing.T, d *desk) outcome {
	if _, has := d.line("publish", nil); !has {
		return notPublishing()
	}
	b := d.bench(t, needs(map[string]string{d.own("lib"): "^1.0.0"}))
	b.does(t, "install", nil)
	b.has(t, map[string]string{d.own("lib"): "1.0.0"})
	if lock := b.read(t, b.lock); !strings.Contains(lock, "is-odd") {
		t.Errorf("its dependency is-odd is not in the lock file:\n%s", lock)
	}
	b.fresh(t)
	b.does(t, "frozen", nil)
	b.has(t, map[string]string{d.own("lib"): "1.0.0"})
	return outcome{mark: done}
}

// again is what each client prints for a version that is there already.
var again = map[string]string{
	"npm": "You cannot publish over the previously published versions: 1.0.0", "pnpm10": "You cannot publish over the previously published versions: 1.0.0",
	"pnpm12": "1.0.0", "yarn1": "You cannot publish over the previously published versions: 1.0.0",
	"yarn4": "previously published versions", "bun": "previously published",
}

func publishAgain(t *testing.T, d *desk) outcome {
	before := d.held(t, d.own("lib"))
	b := d.parcel(t, d.own("lib"), "1.0.0", nil)
	b.write(t, "index.js", "other = 1\n")
	args, has := b.line("publish", nil)
	if !has {
		return notPublishing()
	}
	b.prepare(t)
	b.refused(t, args, again[d.name])
	if after := d.held(t, d.own("lib")); before == nil || after == nil || after.Versions["1.0.0"].Dist != before.Versions["1.0.0"].Dist {
		t.Errorf("the version has changed: %+v, before %+v", after, before)
	}
	return outcome{mark: refusal}
}

func publishNext(t *testing.T, d *desk) outcome {
	if !d.parcel(t, d.own("lib"), "2.0.0-rc.1", nil).publishes(t, "publish next") {
		return notPublishing()
	}
	if f := d.held(t, d.own("lib")); f == nil || f.Tags["next"] != "2.0.0-rc.1" || f.Tags["latest"] != "1.0.0" {
		t.Errorf("next must be 2.0.0-rc.1 and latest still 1.0.0: %+v", f)
	}
	b := d.bench(t, nil)
	b.must(t, b.adds(d.own("lib")+"@next")...)
	b.has(t, map[string]string{d.own("lib"): "2.0.0-rc.1"})
	return outcome{mark: done}
}
