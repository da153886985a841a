package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// auditRows ask what is known about packages, and find them.
func auditRows() []row {
	return []row{
		{name: "audit finds what the lock file pins", run: func(t *testing.T, d *desk) outcome {
			b := d.stale(t)
			args, has := b.line("audit", nil)
			if !has {
				b.lacks(t, "audit", nil)
				return lacking("%s", b.why("audit"))
			}
			b.refused(t, args, "lodash", badAdvisory)
			return outcome{mark: done}
		}},
		{name: "audit of a clean project", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"lodash": "4.17.21", "is-odd": "^3.0.0"}))
			b.does(t, "install", nil)
			out, has := b.does(t, "audit", nil)
			if !has {
				return lacking("%s", b.why("audit"))
			}
			if strings.Contains(out, "GHSA-") {
				t.Errorf("nothing is known about it, and it printed:\n%s", out)
			}
			return outcome{mark: done}
		}},
		{name: "audit fix moves to the allowed version", run: auditFix},
		{name: "audit signatures", run: signatures},
		{name: "search shows own and public packages", run: func(t *testing.T, d *desk) outcome {
			if o := d.shows(t, "search", map[string]string{"text": "greeting"}, "@acme/greeting"); o.mark != done {
				return o
			}
			return d.shows(t, "search", map[string]string{"text": "left-pad"}, "left-pad")
		}},
		{name: "P2: withheld, search", run: func(t *testing.T, d *desk) outcome {
			out, has := d.bench(t, nil).does(t, "search", map[string]string{"text": "lodash"})
			if !has {
				return lacking("no such command")
			}
			if strings.Contains(out, bad) || !strings.Contains(out, "4.17.21") {
				t.Errorf("lodash must show with 4.17.21, and nothing with 4.17.20:\n%s", out)
			}
			return outcome{mark: refusal}
		}},
		{name: "provenance of a public version", run: provenance},
	}
}

// stale is a project whose lock file pins a version that is withheld by now.
func (d *desk) stale(t *testing.T) *bench {
	t.Helper()
	b := d.bench(t, needs(map[string]string{"lodash": "4.17.21"}))
	b.does(t, "install", nil)
	lock := b.read(t, b.lock)
	public := d.document(t, d.source.URL+"/lodash", "")
	good, old := public.dist(t, "4.17.21"), public.dist(t, bad)
	for from, to := range map[string]string{"4.17.21": bad, good.Integrity: old.Integrity, good.Shasum: old.Shasum} {
		lock = strings.ReplaceAll(lock, from, to)
	}
	b.write(t, b.lock, lock)
	b.write(t, "package.json", strings.ReplaceAll(b.read(t, "package.json"), "4.17.21", bad))
	b.fresh(t)
	return b
}

func auditFix(t *testing.T, d *desk) outcome {
	b := d.stale(t)
	b.write(t, "package.json", strings.ReplaceAll(b.read(t, "package.json"), bad, "^"+bad))
	b.write(t, b.lock, strings.ReplaceAll(b.read(t, b.lock), `"lodash": "`+bad, `"lodash": "^`+bad))
	args, has := b.line("audit fix", nil)
	if !has {
		b.lacks(t, "audit fix", nil)
		return lacking("%s", b.why("audit fix"))
	}
	out, _ := b.try(t, args...)
	if d.name == "npm" || d.name == "bun" {
		b.has(t, map[string]string{"lodash": "4.17.21"})
		return outcome{mark: done}
	}
	for _, name := range []string{"package.json", "pnpm-workspace.yaml"} { // pnpm writes an override
		b.ensure(t, name)
		if strings.Contains(b.read(t, name), "4.17.21") {
			return outcome{mark: done}
		}
	}
	t.Errorf("no override leads to 4.17.21; it printed:\n%s", out)
	return outcome{mark: failed}
}

// signatures verifies dist.signatures of what is installed with the keys that
// the registry publishes. npm does not begin without a public key service that
// this must not need.
func signatures(t *testing.T, d *desk) outcome {
	if d.name != "pnpm12" {
		return lacking("npm asks a public transparency service first, the others have no such command")
	}
	b := d.bench(t, needs(map[string]string{"is-odd": "3.0.1", "attested": "1.1.0"}))
	b.does(t, "install", nil)
	if out := b.must(t, "audit", "signatures"); !strings.Contains(out, "2 packages") {
		t.Errorf("two packages have signatures that verify; it printed:\n%s", out)
	}
	return outcome{mark: done}
}

// provenance follows dist.attestations, whose address is the registry's own.
func provenance(t *testing.T, d *desk) outcome {
	var m struct {
		Dist struct {
			Attestations struct{ URL string }
		}
	}
	a := ask(t, http.MethodGet, d.address()+"attested/1.1.0", d.secret, nil)
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || !strings.HasPrefix(m.Dist.Attestations.URL, d.address()+"-/npm/v1/attestations/") {
		t.Fatalf("%v: %s", err, a.body)
	}
	if a := ask(t, http.MethodGet, m.Dist.Attestations.URL, d.secret, nil); a.status != http.StatusOK || !strings.Contains(a.body, "slsa.dev/provenance") {
		t.Errorf("%s answers %d: %.300s", m.Dist.Attestations.URL, a.status, a.body)
	}
	out, has := d.bench(t, nil).does(t, "view", map[string]string{"spec": "attested@1.1.0"})
	if !has {
		return lacking("no such command")
	}
	if !strings.Contains(out, m.Dist.Attestations.URL) {
		t.Errorf("the address of the attestations does not show:\n%s", out)
	}
	return outcome{mark: done}
}
