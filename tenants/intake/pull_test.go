package intake_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// TestR2_Pull: one version comes in along its path, once, and every registry on
// the way holds it; what is withheld stays out.
func TestR2_Pull(t *testing.T) {
	m := newMoving(t)
	fw := m.registry(m.ours, "fw")
	m.public(m.ours, fw)
	team := m.registry(m.ours, "team", fw)
	m.rule(m.ours, fw, block("left-pad@1.0.0"))
	for range 2 {
		_, err := m.intake.Pull(m.ours, team, "left-pad", "1.1.0")
		m.ok(err)
	}
	h := m.held(m.ours, team, "left-pad", "1.1.0")
	if h == nil || h.How != catalog.ByPull || !slices.Equal(h.Path, []uuid.UUID{fw}) || m.held(m.ours, fw, "left-pad", "1.1.0") == nil {
		t.Fatalf("held: %+v", h)
	}
	if e := m.events(m.ours, "version:pull"); len(e) != 1 || e[0] != "left-pad@1.1.0" {
		t.Errorf("audited %v", e)
	}
	_, err := m.intake.Pull(m.ours, team, "left-pad", "1.0.0")
	m.refused(err, errs.Conflict, intake.ErrWithheld, "(by the registry fw)")
	_, err = m.intake.Pull(m.ours, team, "left-pad", "9.0.0")
	m.refused(err, errs.NotFound, nil, "not known")
	_, err = m.intake.Pull(m.theirs, team, "left-pad", "1.1.0")
	m.refused(err, errs.NotFound, nil, "there is no registry")
}

func (m *moving) items(ctx context.Context, pull uuid.UUID) (out []string) {
	m.Helper()
	m.ok(m.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		after := intake.PullVersion{}
		for {
			page, err := intake.PullItems(ctx, tx, intake.PullItemQuery{Pull: pull, After: after, Limit: 2})
			if err != nil || len(page) == 0 {
				return err
			}
			for _, i := range page {
				out = append(out, fmt.Sprintf("%s@%s %s %.12s", i.Name, i.Version, i.State, i.Reason))
				after = intake.PullVersion{Name: i.Name, Version: i.Version}
			}
		}
	}))
	return out
}

func (m *moving) progress(ctx context.Context, pull uuid.UUID) (p *ent.Pull, n intake.PullProgress) {
	m.Helper()
	m.ok(m.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if p, err = intake.PullByID(ctx, tx, pull); err != nil {
			return err
		}
		all, err := intake.PullCounts(ctx, tx, []uuid.UUID{pull})
		n = all[pull]
		return err
	}))
	return p, n
}

// TestPullOfMany: a list is brought in by steps that may run twice and at the
// same time; what becomes of each version is written down with the reason.
func TestPullOfMany(t *testing.T) {
	m := newMoving(t)
	fw := m.registry(m.ours, "fw")
	m.public(m.ours, fw)
	team := m.registry(m.ours, "team", fw)
	m.rule(m.ours, fw, block("left-pad@1.0.0"))
	p, err := m.intake.StartPull(m.ours, intake.PullInput{Registry: team, Source: "package-lock.json", Versions: []intake.PullVersion{
		{Name: "left-pad", Version: "1.0.0"}, {Name: "left-pad", Version: "1.1.0"}, {Name: "left-pad", Version: "v1.1.0"}, {Name: "left-pad", Version: "3.0.0"}, {Name: "none", Version: "1.0.0"}}})
	m.ok(err)
	if jobs := queued[spec.Pull](m, "pull"); len(jobs) != 1 || jobs[0].Pull != p.ID {
		t.Fatalf("jobs: %+v", jobs)
	}
	if _, n := m.progress(m.ours, p.ID); n.Total != 4 || n.Waiting() != 4 {
		t.Errorf("%+v", n)
	}
	if ids, err := m.intake.UnfinishedPulls(m.ours); err != nil || !slices.Equal(ids, []uuid.UUID{p.ID}) {
		t.Errorf("unfinished: %v, %v", ids, err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := m.intake.PullStep(m.ours, p.ID); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	for range 2 {
		done, err := m.intake.PullStep(m.ours, p.ID)
		if err != nil || !done {
			t.Errorf("done %v, %v", done, err)
		}
	}
	want := []string{"left-pad@1.0.0 REFUSED left-pad@1.0", "left-pad@1.1.0 HELD ", "left-pad@3.0.0 FAILED left-pad@3.0", "none@1.0.0 FAILED the package "}
	if got := m.items(m.ours, p.ID); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	ended, n := m.progress(m.ours, p.ID)
	if n != (intake.PullProgress{Total: 4, Held: 1, Refused: 1, Failed: 2}) || ended.EndedAt == nil || m.held(m.ours, team, "left-pad", "1.1.0").How != catalog.ByPull {
		t.Errorf("%+v, %+v", n, ended)
	}
	if a, b := m.events(m.ours, "pull:start"), m.events(m.ours, "pull:end"); len(a) != 1 || len(b) != 1 {
		t.Errorf("audited %v, %v", a, b)
	}
	// The other organization has none of it (T3).
	if p, n := m.progress(m.theirs, p.ID); p != nil || n.Total != 0 || len(m.items(m.theirs, ended.ID)) != 0 {
		t.Errorf("the other organization sees %+v %+v", p, n)
	}
	if done, err := m.intake.PullStep(m.theirs, p.ID); !done || err != nil {
		t.Errorf("%v, %v", done, err)
	}
	_, err = m.intake.StartPull(m.theirs, intake.PullInput{Registry: team, Versions: []intake.PullVersion{{Name: "a", Version: "1.0.0"}}})
	m.refused(err, errs.NotFound, nil, "there is no registry")
}

// TestF5_WrongPulls: bad lists change nothing.
func TestF5_WrongPulls(t *testing.T) {
	m := newMoving(t)
	team := m.registry(m.ours, "team")
	for says, versions := range map[string][]intake.PullVersion{
		"names no version":   {},
		"is no package name": {{Name: "a", Version: "1.0.0"}, {Name: "A b", Version: "1.0.0"}},
		"is no version of a": {{Name: "a", Version: "x"}},
		"at most 50000":      make([]intake.PullVersion, intake.MaxPullVersions+1),
	} {
		_, err := m.intake.StartPull(m.ours, intake.PullInput{Registry: team, Source: "yarn.lock", Versions: versions})
		m.refused(err, errs.Invalid, nil, says)
	}
	if len(queued[spec.Pull](m, "pull")) != 0 || len(m.events(m.ours, "pull:start")) != 0 {
		t.Error("a refused pull left something")
	}
	// A registry that is deleted meanwhile fails what is left.
	p, err := m.intake.StartPull(m.ours, intake.PullInput{Registry: team, Source: "yarn.lock", Versions: []intake.PullVersion{{Name: "a", Version: "1.0.0"}}})
	m.ok(err)
	m.ok(m.registries.Delete(m.ours, team))
	for done := false; !done; {
		done, err = m.intake.PullStep(m.ours, p.ID)
		m.ok(err)
	}
	if got := m.items(m.ours, p.ID); len(got) != 1 || got[0] != "a@1.0.0 FAILED the registry" {
		t.Errorf("%q", got)
	}
}
