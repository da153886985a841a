package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// reading runs fn in a transaction for reading.
func reading[T any](b *bench, ctx context.Context, fn func(context.Context, *db.Tx) (T, error)) (out T) {
	b.Helper()
	b.ok(b.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	}))
	return out
}

// TestT2_ListsOfPeople: lists, counts and what is below several parents at once
// are of one's own organization, in the order asked for.
func TestT2_ListsOfPeople(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	ana, bob := b.member(b.ours, "ana", access.Place{Role: access.Ordinary}), b.member(b.ours, "bob")
	team, err := b.svc.CreateTeam(b.ours, access.TeamInput{Name: "release"})
	b.ok(err)
	b.ok(b.svc.AddToTeam(b.ours, team.ID, ana.MemberID))
	b.ok(b.svc.Grant(b.ours, access.TeamPrincipal(team.ID), access.Reader, reg))
	soon, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "soon", MemberID: ana.MemberID, ExpiresAt: b.clock.now().Add(time.Hour)})
	b.ok(err)
	_, _, err = b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "ever", MemberID: ana.MemberID})
	b.ok(err)
	_, err = b.svc.Authenticate(b.ours, soon, "192.0.2.7")
	b.ok(err)
	b.ok(b.svc.Flush(b.ours))
	both := []uuid.UUID{ana.MemberID, bob.MemberID}

	for name, c := range map[string]struct {
		q    access.MemberQuery
		want int
	}{
		"all": {access.MemberQuery{}, 2}, "in the team": {access.MemberQuery{Team: team.ID}, 1}, "by name": {access.MemberQuery{Search: "BOB@"}, 1},
		"with a role by the team": {access.MemberQuery{Role: access.Reader}, 1}, "with a role": {access.MemberQuery{Role: access.Ordinary}, 1},
		"with a role that nobody has": {access.MemberQuery{Role: access.Owner}, 0},
	} {
		count := func(ctx context.Context) int {
			rows := reading(b, ctx, func(ctx context.Context, tx *db.Tx) ([]access.Member, error) {
				return access.BrowseMembers(ctx, tx, c.q)
			})
			n := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (int, error) { return access.CountMembers(ctx, tx, c.q) })
			if n != len(rows) {
				t.Errorf("%s: %d are counted and %d listed", name, n, len(rows))
			}
			return n
		}
		if got := count(b.ours); got != c.want {
			t.Errorf("members %s: %d, want %d", name, got, c.want)
		}
		if got := count(b.theirs); got != 0 {
			t.Errorf("members %s: %d in the other organization", name, got)
		}
	}
	for who, ctx := range map[string]context.Context{"ours": b.ours, "theirs": b.theirs} {
		want := map[string]int{"ours": 1}[who]
		grants := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]access.RoleGrant, error) {
			return access.GrantsOfMembers.Page(ctx, tx, both, access.Slice{Limit: 10})
		})
		if len(grants[ana.MemberID]) != 2*want || len(grants[bob.MemberID]) != 0 {
			t.Errorf("grants, %s: %+v", who, grants)
		}
		teams := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]int, error) {
			return access.CountTeamsOfMembers(ctx, tx, both)
		})
		if teams[ana.MemberID] != want || teams[bob.MemberID] != 0 {
			t.Errorf("teams, %s: %v", who, teams)
		}
		tokens := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]access.Token, error) {
			return b.svc.TokensOfMembers(ctx, tx, both, access.TokenValid, access.Slice{Desc: true, Limit: 1})
		})
		if len(tokens[ana.MemberID]) != want || want == 1 && tokens[ana.MemberID][0].Name != "ever" {
			t.Errorf("the newest token, %s: %+v", who, tokens)
		}
		seen := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (map[uuid.UUID]time.Time, error) {
			return access.LastSeen(ctx, tx, both)
		})
		if len(seen) != want {
			t.Errorf("seen, %s: %v", who, seen)
		}
		places := reading(b, ctx, func(ctx context.Context, tx *db.Tx) (map[string]int, error) {
			return access.CountGrantsOfRoles(ctx, tx, []string{access.Reader, access.Owner})
		})
		if places[access.Reader] != want || places[access.Owner] != 0 {
			t.Errorf("grants of roles, %s: %v", who, places)
		}
	}
	states := func() (out []access.TokenState) {
		for _, k := range reading(b, b.ours, func(ctx context.Context, tx *db.Tx) ([]access.Token, error) {
			return b.svc.BrowseTokens(ctx, tx, access.TokenQuery{Order: access.TokensByExpiry})
		}) {
			out = append(out, b.svc.TokenState(k))
		}
		return out
	}
	if got := states(); len(got) != 2 || got[0] != access.TokenValid {
		t.Errorf("states %v", got)
	}
	b.clock.add(2 * time.Hour)
	if got := states(); got[0] != access.TokenExpired || got[1] != access.TokenValid {
		t.Errorf("states after an hour %v", got)
	}
}

// TestEdits: what is not edited stays, nothing new writes nothing, and the rules
// and rights are those of an update.
func TestEdits(t *testing.T) {
	b := newBench(t)
	team, err := b.svc.CreateTeam(b.ours, access.TeamInput{Name: "one", Description: "first"})
	b.ok(err)
	account, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: "ci", Description: "builds"})
	b.ok(err)
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "look", Description: "looks", Actions: []access.Action{access.RegistryRead}}))
	outsider := b.as(b.ours, b.member(b.ours, "eve", access.Place{Role: access.Ordinary}))
	for name, c := range map[string]struct {
		event string
		edit  func(ctx context.Context, to string) error
	}{
		"team": {"team:update", func(ctx context.Context, to string) error {
			got, err := b.svc.EditTeam(ctx, team.ID, func(in *access.TeamInput) { in.Name = to })
			if err == nil && (got.Name != to || got.Description != "first") {
				t.Errorf("%+v", got)
			}
			return err
		}},
		"service account": {"service:update", func(ctx context.Context, to string) error {
			got, err := b.svc.EditServiceAccount(ctx, account.ID, func(in *access.ServiceAccountInput) { in.Name = to })
			if err == nil && (got.Name != to || got.Description != "builds") {
				t.Errorf("%+v", got)
			}
			return err
		}},
		"role": {"role:update", func(ctx context.Context, to string) error {
			return b.svc.EditRole(ctx, "look", func(in *access.RoleInput) {
				if in.Description = to; to == "" {
					in.Actions = nil
				}
			})
		}},
	} {
		before := b.events(b.ours, c.event)
		b.ok(c.edit(b.ours, "two"))
		b.ok(c.edit(b.ours, "two"))
		if n := b.events(b.ours, c.event) - before; n != 1 {
			t.Errorf("%s: %d audit events", name, n)
		}
		b.is(c.edit(b.ours, ""), errs.Invalid)
		b.is(c.edit(outsider, "three"), errs.Forbidden)
		b.is(c.edit(b.theirs, "three"), errs.NotFound)
	}
}
