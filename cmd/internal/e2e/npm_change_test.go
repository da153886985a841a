package e2e

import (
	"slices"
	"strings"
	"testing"
)

// changeRows are what happens to a package after it was published. Each row
// works on a package of its own.
func changeRows() []row {
	return []row{
		{name: "dist-tag add", run: tagAdd},
		{name: "dist-tag ls", run: func(t *testing.T, d *desk) outcome {
			return d.shows(t, "tag ls", map[string]string{"pkg": d.own("lib")}, "2.0.0-rc.1", "beta", "next")
		}},
		{name: "dist-tag rm", run: func(t *testing.T, d *desk) outcome {
			if _, has := d.bench(t, nil).does(t, "tag rm", map[string]string{"pkg": d.own("lib"), "tag": "beta"}); !has {
				return lacking("no such command")
			}
			if f := d.held(t, d.own("lib")); f == nil || f.Tags["beta"] != "" || f.Tags["latest"] != "1.0.0" {
				t.Errorf("beta must be gone, latest not: %+v", f)
			}
			return outcome{mark: done}
		}},
		{name: "dist-tag rm latest is refused", run: func(t *testing.T, d *desk) outcome {
			return d.mayNot(t, "tag rm", map[string]string{"pkg": d.own("lib"), "tag": "latest"}, "latest")
		}},
		{name: "deprecate", run: deprecate},
		{name: "undeprecate", run: undeprecate},
		{name: "unpublish one version", run: unpublishOne},
		{name: "publish a number that was unpublished is refused", run: spent},
		{name: "unpublish the whole package", run: unpublishAll},
		{name: "owner ls", run: func(t *testing.T, d *desk) outcome {
			f := d.held(t, d.own("lib"))
			if f == nil || len(f.Maintainers) == 0 {
				return d.shows(t, "owner ls", map[string]string{"pkg": d.own("lib")}, "a maintainer, of whom there are none")
			}
			return d.shows(t, "owner ls", map[string]string{"pkg": d.own("lib")}, f.Maintainers[0].Name)
		}},
		{name: "owner add", run: func(t *testing.T, d *desk) outcome { return owner(t, d, "owner add", true) }},
		{name: "owner rm", run: func(t *testing.T, d *desk) outcome { return owner(t, d, "owner rm", false) }},
		{name: "star, stars, unstar", run: star},
		{name: "unpublish with a token that only publishes is refused", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.as = d.roleToken(t, d.name+"-publisher", d.registryID, "publisher", true)
			return b.mayNot(t, "unpublish one", map[string]string{"spec": d.own("lib") + "@1.0.0", "pkg": d.own("lib")}, "403")
		}},
	}
}

// shows runs a verb and looks for texts in what it prints.
func (d *desk) shows(t *testing.T, verb string, with map[string]string, texts ...string) outcome {
	t.Helper()
	return d.bench(t, nil).shows(t, verb, with, texts...)
}

func (b *bench) shows(t *testing.T, verb string, with map[string]string, texts ...string) outcome {
	t.Helper()
	out, has := b.does(t, verb, with)
	if !has {
		return lacking("no such command")
	}
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%s %s did not print %q:\n%s", b.name, verb, text, out)
		}
	}
	return outcome{mark: done}
}

// mayNot runs a verb that has to be refused.
func (d *desk) mayNot(t *testing.T, verb string, with map[string]string, texts ...string) outcome {
	t.Helper()
	return d.bench(t, nil).mayNot(t, verb, with, texts...)
}

func (b *bench) mayNot(t *testing.T, verb string, with map[string]string, texts ...string) outcome {
	t.Helper()
	args, has := b.line(verb, with)
	if !has {
		b.lacks(t, verb, with)
		return lacking("no such command")
	}
	b.refused(t, args, texts...)
	return outcome{mark: refusal}
}

// stocked publishes versions of a package, over HTTP for a client that does not
// publish.
func (d *desk) stocked(t *testing.T, name string, versions ...string) {
	t.Helper()
	publisher := d
	if _, has := d.line("publish", nil); !has {
		as := *d
		as.kit = kits[0]
		as.folder = d.folder
		publisher = &as
	}
	for _, v := range versions {
		publisher.parcel(t, name, v, nil).publishes(t, "publish")
	}
}

func tagAdd(t *testing.T, d *desk) outcome {
	with := map[string]string{"spec": d.own("lib") + "@2.0.0-rc.1", "pkg": d.own("lib"), "tag": "beta"}
	if _, has := d.bench(t, nil).does(t, "tag add", with); !has {
		return lacking("no such command")
	}
	if f := d.held(t, d.own("lib")); f == nil || f.Tags["beta"] != "2.0.0-rc.1" {
		t.Errorf("beta must be 2.0.0-rc.1: %+v", f)
	}
	return outcome{mark: done}
}

const outmoded = "use-version-2"

func deprecate(t *testing.T, d *desk) outcome {
	name := d.own("old")
	with := map[string]string{"spec": name + "@1.0.0", "message": outmoded}
	b := d.bench(t, nil)
	if _, has := b.line("deprecate", nil); !has {
		b.lacks(t, "deprecate", with)
		return lacking("no such command")
	}
	d.stocked(t, name, "1.0.0", "1.1.0")
	b.does(t, "deprecate", with)
	f := d.held(t, name)
	if f == nil || len(f.Versions) != 2 || f.Versions["1.0.0"].Deprecated != any(outmoded) || f.Versions["1.1.0"].Deprecated != nil {
		t.Fatalf("1.0.0 must be deprecated, 1.1.0 not: %+v", f)
	}
	if out := d.bench(t, nil).must(t, b.adds(name+"@1.0.0")...); !strings.Contains(out, "deprecated") {
		t.Errorf("installing it shows no deprecation:\n%s", out)
	}
	return outcome{mark: done}
}

func undeprecate(t *testing.T, d *desk) outcome {
	name := d.own("old")
	if _, has := d.bench(t, nil).does(t, "undeprecate", map[string]string{"spec": name + "@1.0.0", "empty": ""}); !has {
		return lacking("no such command")
	}
	if f := d.held(t, name); f == nil || len(f.Versions) != 2 || f.Versions["1.0.0"].Deprecated != nil && f.Versions["1.0.0"].Deprecated != "" {
		t.Errorf("1.0.0 must not be deprecated any more: %+v", f)
	}
	return outcome{mark: done}
}

func unpublishOne(t *testing.T, d *desk) outcome {
	name := d.own("gone")
	with := map[string]string{"spec": name + "@1.1.0", "pkg": name}
	b := d.bench(t, nil)
	if _, has := b.line("unpublish one", nil); !has {
		b.lacks(t, "unpublish one", with)
		return lacking("no such command")
	}
	d.stocked(t, name, "1.0.0", "1.1.0")
	b.does(t, "unpublish one", with)
	f := d.held(t, name)
	if f == nil || len(f.Versions) != 1 || f.Tags["latest"] != "1.0.0" {
		t.Fatalf("only 1.0.0 must be left, as latest: %+v", f)
	}
	d.bench(t, nil).refused(t, b.adds(name+"@1.1.0"), name)
	return outcome{mark: done}
}

// spent publishes with the client what another row has unpublished.
func spent(t *testing.T, d *desk) outcome {
	args, has := d.line("publish", nil)
	if !has {
		return notPublishing()
	}
	name := d.own("gone")
	if _, has := d.line("unpublish one", nil); !has {
		// Somebody else unpublishes: npm, from the same registry.
		as := *d
		as.kit = kits[0]
		name = d.own("spent")
		d.stocked(t, name, "1.0.0", "1.1.0")
		as.bench(t, nil).does(t, "unpublish one", map[string]string{"spec": name + "@1.1.0", "pkg": name})
	}
	b := d.parcel(t, name, "1.1.0", nil)
	b.prepare(t)
	b.refused(t, args, refusedWords(d.name, "cannot be used again")...)
	return outcome{mark: refusal}
}

func unpublishAll(t *testing.T, d *desk) outcome {
	name := d.own("gone")
	with := map[string]string{"pkg": name, "spec": name}
	if _, has := d.bench(t, nil).does(t, "unpublish all", with); !has {
		return lacking("no such command")
	}
	if f := d.held(t, name); f != nil {
		t.Errorf("the package is still there: %+v", f)
	}
	return outcome{mark: done}
}

// colleague is a member of the demonstration.
const colleague = "admin@acme.example"

func owner(t *testing.T, d *desk, verb string, there bool) outcome {
	with := map[string]string{"user": colleague, "pkg": d.own("lib")}
	if _, has := d.bench(t, nil).does(t, verb, with); !has {
		return lacking("%s", d.why(verb))
	}
	f := d.held(t, d.own("lib"))
	if f == nil {
		t.Fatal("the package is not there")
	}
	is := slices.ContainsFunc(f.Maintainers, func(m struct{ Name, Email string }) bool { return m.Name == colleague || m.Email == colleague })
	if is != there {
		t.Errorf("after %s: %+v", verb, f.Maintainers)
	}
	return outcome{mark: done}
}

func star(t *testing.T, d *desk) outcome {
	name := d.own("lib")
	b := d.bench(t, nil)
	if _, has := b.does(t, "star", map[string]string{"pkg": name}); !has {
		return lacking("no such command")
	}
	f := d.held(t, name)
	if f == nil || len(f.Users) != 1 {
		t.Fatalf("one user must have starred it: %+v", f)
	}
	for user := range f.Users {
		b.shows(t, "stars", map[string]string{"user": user}, name)
	}
	b.does(t, "unstar", map[string]string{"pkg": name})
	if f := d.held(t, name); f == nil || len(f.Users) != 0 {
		t.Errorf("nobody must star it any more: %+v", f)
	}
	return outcome{mark: done}
}
