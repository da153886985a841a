package quarantine_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

// shelf is a database with registries to put holds in.
type shelf struct {
	*testing.T
	db           *db.DB
	svc          *quarantine.Service
	now          time.Time
	ours, theirs context.Context
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	t.Parallel()
	s := &shelf{T: t, db: dbtest.New(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return s.now }
	s.svc = &quarantine.Service{DB: s.db, Audit: audit.New(now), Now: now}
	s.ours, s.theirs = dbtest.TwoOrgs(t, s.db)
	return s
}

func (s *shelf) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) registry(name string, kind string) uuid.UUID {
	s.Helper()
	id := uuid.Must(uuid.NewV7())
	s.ok(s.db.InTx(s.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO registries (id, org_id, ecosystem, kind, name, created_at) VALUES ($1, current_setting('app.org')::uuid, 'NPM', $2, $3, $4)`, id, kind, name, s.now)
		return err
	}))
	return id
}

func (s *shelf) hold(in quarantine.HoldInput) *ent.Hold {
	s.Helper()
	in.Reason = "odd"
	h, err := s.svc.Hold(s.ours, in)
	s.ok(err)
	return h
}

func peek[T any](ctx context.Context, s *shelf, fn func(context.Context, *db.Tx) (T, error)) (out T) {
	s.Helper()
	s.ok(s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	}))
	return out
}

// TestT2_BrowseHolds: by time and then id, filtered, only within reach, and
// nothing from another organization.
func TestT2_BrowseHolds(t *testing.T) {
	s := newShelf(t)
	a, b := s.registry("a", "FIREWALL"), s.registry("b", "PACKAGE")
	var want []uuid.UUID
	for i := range 6 {
		if i%2 == 0 { // two at a time have the same
			s.now = s.now.Add(time.Second)
		}
		want = append(want, s.hold(quarantine.HoldInput{Registry: a, Name: fmt.Sprintf("p%d", i%3), Version: fmt.Sprintf("1.0.%d", i)}).ID)
	}
	elsewhere := s.hold(quarantine.HoldInput{Registry: b, Name: "p0", Version: "1.0.0"})
	_, err := s.svc.Release(s.ours, want[5], "fine")
	s.ok(err)
	yes, no := true, false
	all := access.Reach{All: true}
	for name, c := range map[string]struct {
		ctx  context.Context
		q    quarantine.Query
		want int
	}{
		"nothing is within reach unless said so": {s.ours, quarantine.Query{Limit: 9}, 0},
		"everything":                             {s.ours, quarantine.Query{Reach: all, Limit: 9}, 7},
		"one registry":                           {s.ours, quarantine.Query{Reach: access.Reach{Registries: []uuid.UUID{b}}, Limit: 9}, 1},
		"open":                                   {s.ours, quarantine.Query{Reach: all, Open: &yes, Limit: 9}, 6},
		"released":                               {s.ours, quarantine.Query{Reach: all, Open: &no, Limit: 9}, 1},
		"of a package":                           {s.ours, quarantine.Query{Reach: all, Package: "p0", Limit: 9}, 3},
		"of a cause":                             {s.ours, quarantine.Query{Reach: all, Cause: hold.CausePOLICY, Limit: 9}, 0},
		"another organization":                   {s.theirs, quarantine.Query{Reach: all, Limit: 9}, 0},
		"another organization by id":             {s.theirs, quarantine.Query{Reach: access.Reach{Registries: []uuid.UUID{a, b}}, Limit: 9}, 0},
	} {
		rows := peek(c.ctx, s, func(ctx context.Context, tx *db.Tx) ([]*ent.Hold, error) { return quarantine.Browse(ctx, tx, c.q) })
		n := peek(c.ctx, s, func(ctx context.Context, tx *db.Tx) (int, error) { return quarantine.Count(ctx, tx, c.q) })
		if len(rows) != c.want || n != c.want {
			t.Errorf("%s: %d rows, %d counted, want %d", name, len(rows), n, c.want)
		}
	}
	for _, desc := range []bool{false, true} {
		q := quarantine.Query{Reach: access.Reach{Registries: []uuid.UUID{a}}, Desc: desc, Limit: 2}
		var got []uuid.UUID
		for range 4 {
			each := peek(s.ours, s, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]*ent.Hold, error) {
				return quarantine.BrowseEach(ctx, tx, []uuid.UUID{a, b}, q)
			})
			for _, h := range each[a] {
				got = append(got, h.ID)
				q.After = &quarantine.After{At: h.OpenedAt, ID: h.ID}
			}
		}
		if desc {
			for i := range len(got) / 2 {
				got[i], got[len(got)-1-i] = got[len(got)-1-i], got[i]
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("in pages %v, want %v (down: %v)", got, want, desc)
		}
	}
	counts := peek(s.ours, s, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]int, error) {
		return quarantine.CountEach(ctx, tx, []uuid.UUID{a, b}, quarantine.Query{})
	})
	if counts[a] != 6 || counts[b] != 1 {
		t.Errorf("counted %v", counts)
	}
	if foreign := peek(s.theirs, s, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]*ent.Hold, error) {
		return quarantine.HoldsByIDs(ctx, tx, []uuid.UUID{elsewhere.ID})
	}); len(foreign) != 0 {
		t.Errorf("another organization finds %v", foreign)
	}
}

// TestQ4_ReleaseVersion releases what names exactly the version, says what
// still covers it, and does nothing from another organization.
func TestQ4_ReleaseVersion(t *testing.T) {
	s := newShelf(t)
	a := s.registry("a", "FIREWALL")
	exact := s.hold(quarantine.HoldInput{Registry: a, Name: "left-pad", Version: "1.0.0"})
	s.ok(s.svc.HoldByPolicy(s.ours, quarantine.PolicyHold{Registry: a, Version: coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: "1.0.0"}, Reason: "bad"}))
	within := s.hold(quarantine.HoldInput{Registry: a, Name: "left-pad", Range: "<2"})
	beside := s.hold(quarantine.HoldInput{Registry: a, Name: "left-pad", Version: "3.0.0"})
	if _, _, err := s.svc.ReleaseVersion(s.theirs, a, "left-pad", "1.0.0", "fine"); !errs.Is(err, errs.NotFound) {
		t.Errorf("another organization: %v", err)
	}
	released, remaining, err := s.svc.ReleaseVersion(s.ours, a, "left-pad", "1.0.0", "fine")
	s.ok(err)
	if len(released) != 2 || released[0].ID != exact.ID || len(remaining) != 1 || remaining[0].ID != within.ID {
		t.Errorf("released %v, remaining %v", released, remaining)
	}
	if _, remaining, err = s.svc.ReleaseVersion(s.ours, a, "left-pad", "1.0.0", "fine"); !errs.Is(err, errs.Conflict) || len(remaining) != 1 {
		t.Errorf("again: %v, %v", remaining, err)
	}
	open := peek(s.ours, s, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]*ent.Hold, error) {
		return quarantine.HoldsByIDs(ctx, tx, []uuid.UUID{within.ID, beside.ID})
	})
	if open[within.ID].ReleasedAt != nil || open[beside.ID].ReleasedAt != nil {
		t.Errorf("others were released too: %v", open)
	}
}
