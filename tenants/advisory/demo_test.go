package advisory

import (
	"context"
	"slices"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

func TestP3_DemoAdvisoriesAreNoFeed(t *testing.T) {
	d := dbtest.New(t)
	ours, theirs := dbtest.TwoOrgs(t, d)
	hold(t, d, ours, coord.NPM, "lodash", "4.17.20")
	im := NewImporter(d)
	r, err := im.ImportDemo(t.Context(), today)
	if err != nil || r.Stored < 8 || r.Stored > 12 || r.SkippedCount+r.NotedCount+r.Unchanged+r.Foreign > 0 {
		t.Fatalf("report %+v, error %v", r, err)
	}
	for _, ctx := range []context.Context{ours, theirs} {
		if at := snapshot(t, d, ctx, coord.NPM); !at.IsZero() {
			t.Errorf("the demonstration counts as a snapshot of %v", at)
		}
		if m := forPackage(t, d, ctx, coord.NPM, "lodash").Match("4.17.20"); len(m) != 1 || m[0].Severity != policy.SeverityHigh || m[0].Aliases[0] != "CVE-2021-23337" {
			t.Errorf("lodash: %+v", m)
		}
		if m := forPackage(t, d, ctx, coord.NPM, "axios").Match("1.14.1"); len(m) != 1 || !m[0].Malware {
			t.Errorf("axios: %+v", m)
		}
	}
	if len(reassessments(t, d)[orgOf(t, ours)]) != 1 {
		t.Error("what is held is not evaluated again")
	}

	before := rowVersions(t, d)
	if r, err := im.ImportDemo(t.Context(), today.Add(time.Hour)); err != nil || r.Stored != 0 || !slices.Equal(before, rowVersions(t, d)) {
		t.Errorf("again: report %+v, error %v", r, err)
	}

	// A real record replaces a demonstration one, however old, and stays.
	imported(t, d, folder(t, map[string]string{"a.json": record("GHSA-35jh-r3h4-6jhm", "2021-01-01T00:00:00Z", affects("npm", "lodash", "5.0.0"), "")}), today)
	if _, err := im.ImportDemo(t.Context(), today); err != nil {
		t.Fatal(err)
	}
	if got := forPackage(t, d, ours, coord.NPM, "lodash"); len(got) != 1 || got[0].Feed != "osv" || len(got.Match("4.18.0")) != 1 {
		t.Errorf("lodash: %+v", got)
	}
	if at := snapshot(t, d, theirs, coord.NPM); !at.Equal(today) {
		t.Errorf("snapshot at %v, want the real feed's", at)
	}
}

// TestDemoTellsFacts compares the demonstration advisories with the real ones
// at every boundary that either of them has.
func TestDemoTellsFacts(t *testing.T) {
	ours := map[string]*Record{}
	err := embedded(demo)(t.Context(), func(it item) error {
		rec, problems, err := Decode(it.file, it.data)
		if err != nil || len(problems) > 0 {
			t.Fatalf("%v %v", err, problems)
		}
		ours[rec.ID] = rec
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	sharedRecords(t, "full", func(file string, data []byte) {
		real, _, err := Decode(file, data)
		if err != nil || ours[real.ID] == nil || checked[real.ID] {
			return
		}
		checked[real.ID] = true
		demo := ours[real.ID]
		// The real record of ua-parser-js says so in its summary only.
		malware := real.Malware || real.ID == "GHSA-pjwm-rvh2-c87w"
		if demo.Malware != malware || demo.Severity != real.Severity || !slices.Equal(demo.Aliases, real.Aliases) {
			t.Errorf("%s: %+v, really %+v", demo.ID, demo.Advisory, real.Advisory)
		}
		for pkg, entries := range grouped(demo.Entries) {
			truth := grouped(real.Entries)[pkg]
			a, b := NewAffected(demo.Advisory, entries), NewAffected(real.Advisory, truth)
			for _, v := range boundaries(slices.Concat(entries, truth)) {
				if a.Affects(v) != b.Affects(v) {
					t.Errorf("%s %s %s: affected is %v, really %v", demo.ID, pkg.Name, v, a.Affects(v), b.Affects(v))
				}
			}
		}
	})
	if len(checked) != len(ours) {
		t.Errorf("checked %d of %d: %v", len(checked), len(ours), checked)
	}
}

func boundaries(entries []Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Versions...)
		for _, r := range e.Ranges {
			for _, ev := range r.Events {
				all = append(all, ev.version())
			}
		}
	}
	return all
}
