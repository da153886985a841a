package e2e

import (
	"strings"
	"testing"
)

// installRows are what everybody does all day.
func installRows() []row {
	return []row{
		{name: "install: own scope and public, transitive", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"@acme/greeting": "^1.0.0", "parent": "^1.0.0", "with-peer": "1.0.0"}))
			b.does(t, "install", nil)
			b.has(t, map[string]string{"@acme/greeting": "1.0.0", "parent": "1.0.0", "with-peer": "1.0.0"})
			if lock := b.read(t, b.lock); !strings.Contains(lock, "child") || !strings.Contains(lock, "1.1.0") {
				t.Errorf("the lock file has no child@1.1.0:\n%s", lock)
			}
			d.locked = b
			return outcome{mark: done}
		}},
		{name: "R7: install from the lock file, fresh cache, remote down", run: fromLock,
			begin: func(s *stage, _ *testing.T) { s.source.off() }, end: func(s *stage, t *testing.T) { s.source.on(t) }},
		{name: "install by dist-tag", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.must(t, b.adds("tagged@next")...)
			b.has(t, map[string]string{"tagged": "2.0.0-rc.1"})
			b = d.bench(t, nil)
			b.must(t, b.adds("tagged@stable")...)
			b.has(t, map[string]string{"tagged": "1.0.0"})
			return outcome{mark: done}
		}},
		{name: "view", run: func(t *testing.T, d *desk) outcome {
			out, has := d.bench(t, nil).does(t, "view", map[string]string{"spec": "tagged"})
			if !has {
				return lacking("no such command")
			}
			for _, want := range []string{"2.0.0-rc.1", "stable", "the package tagged", d.address() + "tagged/-/tagged-1.1.0.tgz"} {
				if !strings.Contains(out, want) {
					t.Errorf("the answer lacks %q:\n%s", want, out)
				}
			}
			return outcome{mark: done}
		}},
		{name: "outdated", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"tagged": "1.0.0", "lodash": "4.17.21"}))
			b.does(t, "install", nil)
			args, has := b.line("outdated", nil)
			if !has {
				b.lacks(t, "outdated", nil)
				return lacking("no such command")
			}
			out, _ := b.try(t, args...) // most fail when something is outdated
			if !strings.Contains(out, "tagged") || !strings.Contains(out, "1.1.0") || strings.Contains(out, "lodash") {
				t.Errorf("tagged 1.0.0 is outdated by 1.1.0, and lodash is not; it printed:\n%s", out)
			}
			return outcome{mark: done}
		}},
		{name: "install: hundreds of public packages", long: true, run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, needs(map[string]string{"express": "^4.21.0", "eslint": "^9.0.0", "webpack": "^5.0.0", "react": "^18.0.0"}))
			b.does(t, "install", nil)
			for _, name := range []string{"express", "eslint", "webpack", "react"} {
				if b.installed(t, name) == "" {
					t.Errorf("%s is not installed", name)
				}
			}
			return outcome{mark: done}
		}},
	}
}

// adds is the command line that adds one package to a project.
func (b *bench) adds(spec string) []string {
	args, _ := b.line("add", map[string]string{"spec": spec})
	return args
}

// has checks the versions in node_modules.
func (b *bench) has(t *testing.T, want map[string]string) {
	t.Helper()
	for name, version := range want {
		if got := b.installed(t, name); got != version {
			t.Errorf("%s %q is installed, want %q", name, got, version)
		}
	}
}

// fromLock repeats the first row with nothing but its lock file, while there is
// no public registry to ask.
func fromLock(t *testing.T, d *desk) outcome {
	b := d.locked
	if b == nil {
		t.Fatal("the first row left no lock file")
	}
	b.fresh(t)
	b.does(t, "frozen", nil)
	b.has(t, map[string]string{"@acme/greeting": "1.0.0", "parent": "1.0.0", "with-peer": "1.0.0"})
	return outcome{mark: done}
}
