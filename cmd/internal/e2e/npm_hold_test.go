package e2e

import (
	"testing"
)

// holdRows withhold by hand what everybody has installed already.
func holdRows() []row {
	const held = "is-even"
	return []row{
		{name: "before a hold: install", run: func(t *testing.T, d *desk) outcome {
			d.before = d.bench(t, needs(map[string]string{held: "1.0.0"}))
			d.before.does(t, "install", nil)
			d.before.has(t, map[string]string{held: "1.0.0"})
			return outcome{mark: done}
		}},
		{name: "C2: held in the firewall, pinned by a lock file",
			begin: func(s *stage, t *testing.T) { s.hold(t, "npm-firewall", held, "1.0.0", "under review") },
			run: func(t *testing.T, d *desk) outcome {
				d.before.fresh(t)
				args, _ := d.line("frozen", nil)
				d.before.refused(t, args, held)
				d.before.empty(t, held)
				return outcome{mark: refusal}
			}},
		{name: "C2: held in the firewall, by name: the version before", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.must(t, b.adds(held)...)
			b.has(t, map[string]string{held: "0.1.2"})
			return outcome{mark: done}
		}},
		{name: "Q4: released, from the same lock file",
			begin: func(s *stage, t *testing.T) { s.release(t, "npm-firewall", held, "1.0.0") },
			run: func(t *testing.T, d *desk) outcome {
				d.before.fresh(t)
				d.before.does(t, "frozen", nil)
				d.before.has(t, map[string]string{held: "1.0.0"})
				return outcome{mark: done}
			}},
		{name: "Q1: a version of one's own, held: install is refused", run: func(t *testing.T, d *desk) outcome {
			name := d.own("held")
			d.stocked(t, name, "1.0.0")
			d.hold(t, d.team, name, "1.0.0", "under review")
			b := d.bench(t, nil)
			b.refused(t, b.adds(name+"@1.0.0"), name)
			b.empty(t, name)
			return outcome{mark: refusal}
		}},
		{name: "Q3: a version of one's own, held: dist-tag add is refused", run: func(t *testing.T, d *desk) outcome {
			return d.mayNot(t, "tag add", map[string]string{"spec": d.own("held") + "@1.0.0", "pkg": d.own("held"), "tag": "beta"}, d.own("held"))
		}},
	}
}
