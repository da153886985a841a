package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// sentences are what each client prints for a version that is hidden from the
// list, and for one that a lock file or an address names. docs/npm.md has the
// same table.
var sentences = map[string]struct{ hidden, file string }{
	"npm":    {"Could not download lodash@4.17.20 due to policy violations:", "lodash@4.17.20 is withheld by"},
	"pnpm10": {"No matching version found for lodash@4.17.20", "lodash@4.17.20 is withheld by"},
	"pnpm12": {"No matching version found for lodash@4.17.20", "lodash@4.17.20 could not be checked against minimumReleaseAge"},
	"yarn1":  {`Couldn't find any versions for "lodash" that matches "4.17.20"`, `Request failed "403 Forbidden"`},
	"yarn4":  {"lodash@npm:4.17.20: No candidates found", "lodash@4.17.20 is withheld by"},
	"bun":    {`No version matching "4.17.20" found for specifier "lodash"`, "lodash-4.17.20.tgz - 403"},
	"deno":   {"Could not find npm package 'lodash' matching '4.17.20'", "lodash@4.17.20 is withheld by"},
}

// withheldRows are the paths on which a client could see or get a version that
// npm-firewall withholds (P2, P7).
func withheldRows() []row {
	return []row{
		{name: "P7: withheld, exact version", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			out := b.refused(t, b.adds("lodash@"+bad), sentences[d.name].hidden)
			b.empty(t, "lodash")
			if d.name == "npm" {
				b.explained(t, out)
			}
			return outcome{mark: refusal}
		}},
		{name: "P7: withheld, range of withheld versions only", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"lodash": ">=4.17.19 <4.17.21"}))
			args, _ := b.line("install", nil)
			b.refused(t, args, "lodash")
			b.empty(t, "lodash")
			return outcome{mark: refusal}
		}},
		{name: "P7: withheld, dist-tag", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.refused(t, b.adds("lodash@legacy"), "lodash")
			b.empty(t, "lodash")
			return outcome{mark: refusal}
		}},
		{name: "P7: ranges and latest go around it", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"around-old": "1.0.0", "lodash": "^4.17.0", "minimist": "<=1.2.6"}))
			b.does(t, "install", nil)
			b.must(t, b.adds("ws")...)
			b.has(t, map[string]string{"lodash": "4.17.21", "minimist": "1.2.6", "ws": "7.5.10"})
			return outcome{mark: done}
		}},
		{name: "P2: withheld, needed by a dependency", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.refused(t, b.adds("needs-old"), "lodash")
			b.empty(t, "lodash")
			return outcome{mark: refusal}
		}},
		{name: "P2: withheld, pinned by a lock file", run: pinned},
		{name: "P2: withheld, tarball by its address", run: byAddress},
		{name: "P2: withheld, view", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			out, has := b.does(t, "versions", map[string]string{"pkg": "lodash"})
			if !has {
				return lacking("no such command")
			}
			if !strings.Contains(out, "4.17.21") || strings.Contains(out, bad) {
				t.Errorf("4.17.20 must not be among the versions, 4.17.21 must:\n%s", out)
			}
			if out, _ := b.does(t, "view", map[string]string{"spec": "lodash"}); strings.Contains(out, "legacy") {
				t.Errorf("the dist-tag of 4.17.20 shows:\n%s", out)
			}
			return outcome{mark: refusal}
		}},
		{name: "P2: withheld, dist-tag ls", run: func(t *testing.T, d *desk) outcome {
			out, has := d.bench(t, nil).does(t, "tag ls", map[string]string{"pkg": "lodash"})
			if !has {
				return lacking("no such command")
			}
			if !strings.Contains(out, "4.17.21") || strings.Contains(out, "legacy") || strings.Contains(out, bad) {
				t.Errorf("latest is 4.17.21, and legacy must not show:\n%s", out)
			}
			return outcome{mark: refusal}
		}},
		{name: "P2: withheld, every other path (no client)", run: otherPaths},
	}
}

// empty checks that nothing of a package was installed.
func (b *bench) empty(t *testing.T, name string) {
	t.Helper()
	if v := b.installed(t, name); v != "" {
		t.Errorf("%s %s is installed", name, v)
	}
}

// explained follows the link of a refusal, which opens without a token (F2).
func (b *bench) explained(t *testing.T, out string) {
	t.Helper()
	page := ask(t, http.MethodGet, link.FindString(out), "", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, badAdvisory) {
		t.Errorf("the page behind the link answers %d: %.300s", page.status, page.body)
	}
}

// pinned has a lock file of the time when nothing was known.
func pinned(t *testing.T, d *desk) outcome {
	b := d.stale(t)
	args, _ := b.line("frozen", nil)
	b.refused(t, args, "lodash", sentences[d.name].file)
	b.empty(t, "lodash")
	return outcome{mark: refusal}
}

// byAddress names the file itself.
func byAddress(t *testing.T, d *desk) outcome {
	b := d.bench(t, nil)
	url := d.address() + "lodash/-/lodash-" + bad + ".tgz"
	switch d.name {
	case "deno":
		b.refused(t, []string{"add", url}, "")
		return lacking("takes no addresses of tarballs")
	case "bun", "yarn4":
		spec := url
		if d.name == "yarn4" {
			spec = "lodash@" + url
		}
		b.refused(t, b.adds(spec), "401")
		return outcome{refusal, "with 401: it sends no token to addresses of tarballs"}
	default:
		b.refused(t, b.adds(url), "403")
	}
	b.empty(t, "lodash")
	return outcome{mark: refusal}
}

// otherPaths asks as no client does, with the client's user agent and token.
func otherPaths(t *testing.T, d *desk) outcome {
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "lodash/-/lodash-4.17.20.tgz", 403}, {"HEAD", "lodash/-/lodash-4.17.20.tgz", 403},
		{"GET", "lodash/4.17.20", 403}, {"HEAD", "lodash/4.17.20", 403}, {"GET", "lodash/legacy", 404},
		{"GET", "lodash", 200}, {"HEAD", "lodash", 200}, {"GET", "-/package/lodash/dist-tags", 200},
	} {
		a := ask(t, c.method, d.address()+c.path, d.secret, nil)
		if a.status != c.status || c.method == "HEAD" && a.body != "" {
			t.Errorf("%s %s answers %d, want %d: %.200s", c.method, c.path, a.status, c.status, a.body)
		}
		if c.status == 200 && (strings.Contains(a.body, `"4.17.20":{"name"`) || strings.Contains(a.body, "legacy")) {
			t.Errorf("%s %s shows it: %.600s", c.method, c.path, a.body)
		}
	}
	return outcome{mark: refusal}
}
