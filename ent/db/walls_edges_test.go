package db_test

import (
	"context"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/ent/holding"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/packagename"
	"sluice.dev/sluice/ent/packageversion"
	"sluice.dev/sluice/ent/policyrule"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/ent/remote"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/ent/tombstone"
	"sluice.dev/sluice/ent/upstream"
	"sluice.dev/sluice/ent/versionfile"
)

// hasTheirs are the conditions "has a neighbour with their id", by edge.
func hasTheirs(them *rows) map[string]any {
	id := func(table string) uuid.UUID { return them.ids[table].(uuid.UUID) }
	reg, pkg, ver := registry.ID(id("registries")), packagename.ID(id("package_names")), packageversion.ID(id("package_versions"))
	return map[string]any{
		"Hold.Registry": hold.HasRegistryWith(reg), "Hold.Root": hold.HasRootWith(hold.ID(id("holds"))), "Hold.Inherited": hold.HasInheritedWith(hold.RootID(id("holds"))),
		"Holding.Registry": holding.HasRegistryWith(reg), "Holding.Package": holding.HasPackageWith(pkg), "Holding.Held": holding.HasHeldWith(ver),
		"Member.Tokens":        member.HasTokensWith(token.ID(id("tokens"))),
		"PackageName.Versions": packagename.HasVersionsWith(ver), "PackageName.Holdings": packagename.HasHoldingsWith(holding.ID(id("holdings"))),
		"PackageVersion.Package": packageversion.HasPackageWith(pkg), "PackageVersion.Files": packageversion.HasFilesWith(versionfile.ID(id("version_files"))),
		"PackageVersion.Holdings": packageversion.HasHoldingsWith(holding.ID(id("holdings"))),
		"PolicyRule.Registry":     policyrule.HasRegistryWith(reg),
		"Registry.Upstreams":      registry.HasUpstreamsWith(upstream.ID(id("upstreams"))), "Registry.DownstreamEdges": registry.HasDownstreamEdgesWith(upstream.ID(id("upstreams"))),
		"Registry.Rules": registry.HasRulesWith(policyrule.ID(id("policy_rules"))), "Registry.Holdings": registry.HasHoldingsWith(holding.ID(id("holdings"))),
		"Token.Member":       token.HasMemberWith(member.ID(id("members"))),
		"Tombstone.Registry": tombstone.HasRegistryWith(reg),
		"Upstream.Registry":  upstream.HasRegistryWith(reg), "Upstream.SourceRegistry": upstream.HasSourceRegistryWith(registry.OrgID(them.org)),
		"Upstream.Remote":     upstream.HasRemoteWith(remote.ID(id("remotes"))),
		"VersionFile.Version": versionfile.HasVersionWith(ver),
	}
}

// TestT2_Edges follows every edge of Ent between two organizations: as the
// database is, and when references across organizations have been forged past
// the foreign keys.
func TestT2_Edges(t *testing.T) {
	for _, c := range []struct {
		name        string
		forged, row bool // forged references; row-level security stands
	}{
		{"all walls", false, true},
		{"without row-level security", false, false},
		{"without foreign keys", true, true},
		{"Ent's own alone", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWalls(t)
			if c.forged {
				w.forged(t)
			}
			if !c.row {
				w.withoutRowSecurity(t)
			}
			for _, side := range []struct {
				ctx     context.Context
				us, you *rows
			}{{w.ours, w.us, w.them}, {w.theirs, w.them, w.us}} {
				in(t, w.db, side.ctx, func(ctx context.Context, tx *db.Tx) error {
					for _, e := range entities(t, tx.Ent) {
						tryEdges(t, ctx, e, side.us.org)
						// Conditions on neighbours are subqueries without Ent's
						// wall; the foreign keys or the database stop them.
						if c.row || !c.forged {
							tryHasEdge(t, ctx, e, side.you)
						}
					}
					return nil
				})
			}
		})
	}
}

func tryEdges(t *testing.T, ctx context.Context, e entity, us uuid.UUID) {
	t.Helper()
	for _, edge := range e.edges() {
		loaded, err := all(ctx, e.build("Query").MethodByName("With" + edge).Call(nil)[0])
		ok(t, err)
		for _, row := range loaded {
			for _, n := range neighbours(row, edge) {
				if owner(n) != us {
					t.Errorf("%s.With%s loads a row of another organization", e.name, edge)
				}
			}
		}
		passed, err := all(ctx, e.build("Query").MethodByName("Query" + edge).Call(nil)[0])
		ok(t, err)
		for _, n := range passed {
			if owner(n) != us {
				t.Errorf("%s.Query().Query%s leads to a row of another organization", e.name, edge)
			}
		}
	}
}

func tryHasEdge(t *testing.T, ctx context.Context, e entity, them *rows) {
	t.Helper()
	conditions := hasTheirs(them)
	for _, edge := range e.edges() {
		key := e.name + "." + edge
		p, known := conditions[key]
		if !known {
			t.Errorf("the edge %s is not tried; add it to hasTheirs", key)
			continue
		}
		q := e.build("Query")
		q = q.MethodByName("Where").Call([]reflect.Value{reflect.ValueOf(p)})[0]
		if seen, err := call(q, "Exist", ctx); err != nil || seen.Bool() {
			t.Errorf("the condition on %s tells of a row of another organization (%v, %v)", key, seen, err)
		}
	}
}

// TestT2_EdgesOfTheirs: a row of another organization, once in hand, leads
// nowhere in our context.
func TestT2_EdgesOfTheirs(t *testing.T) {
	w := newWalls(t)
	foreign := map[string]reflect.Value{}
	in(t, w.db, w.theirs, func(ctx context.Context, tx *db.Tx) error {
		for _, e := range entities(t, tx.Ent) {
			row, err := call(e.client, "Get", ctx, w.them.ids[e.table])
			ok(t, err)
			foreign[e.name] = row
		}
		return nil
	})
	followed := 0
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		for _, e := range entities(t, tx.Ent) {
			for _, edge := range e.edges() {
				q := e.client.MethodByName("Query" + edge).Call([]reflect.Value{foreign[e.name]})[0]
				got, err := all(ctx, q)
				if err != nil || len(got) != 0 {
					t.Errorf("%s.Query%s of their row gives us %d rows, %v", e.name, edge, len(got), err)
				}
				followed++
			}
		}
		return nil
	})
	if want := len(hasTheirs(w.them)); followed != want {
		t.Errorf("%d edges were followed, want %d", followed, want)
	}
}

// reference is a foreign key between tables of organizations.
type reference struct {
	table, column, target string
	columns, targets      []string
}

// references returns all foreign keys whose target belongs to an organization.
func (w *walls) references(t testing.TB) []reference {
	t.Helper()
	found, err := w.super.Query(context.Background(), `SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
		ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (n, i) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.i),
		ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (n, i) JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.i)
		FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace ORDER BY 1, 2, 3`)
	ok(t, err)
	defer found.Close()
	owned := w.ownedTables()
	var out []reference
	for found.Next() {
		var r reference
		ok(t, found.Scan(&r.table, &r.target, &r.columns, &r.targets))
		if !owned[r.target] {
			continue
		}
		for _, c := range r.columns {
			if c != "org_id" {
				r.column = c
			}
		}
		out = append(out, r)
	}
	ok(t, found.Err())
	return out
}

func (w *walls) ownedTables() map[string]bool {
	out := map[string]bool{}
	for table := range w.us.ids {
		out[table] = table != "organizations"
	}
	return out
}

// TestT2_CompositeForeignKeys: every reference between rows of organizations
// includes the organization, and pointing one at another organization's row
// fails even for somebody whom row-level security does not bind.
func TestT2_CompositeForeignKeys(t *testing.T) {
	w := newWalls(t)
	refs := w.references(t)
	if len(refs) < 20 {
		t.Fatalf("only %d foreign keys were found", len(refs))
	}
	for _, r := range refs {
		if len(r.columns) != 2 || !slices.Equal(sorted(r.columns), sorted([]string{"org_id", r.column})) || !slices.Equal(sorted(r.targets), []string{"id", "org_id"}) {
			t.Errorf("the foreign key (%s) of %s to (%s) of %s does not keep organizations apart", strings.Join(r.columns, ", "), r.table,
				strings.Join(r.targets, ", "), r.target)
			continue
		}
		tx, err := w.super.Begin(t.Context())
		ok(t, err)
		_, err = tx.Exec(t.Context(), `UPDATE `+r.table+` SET `+r.column+` = (SELECT id FROM `+r.target+` WHERE org_id = $1 ORDER BY id DESC LIMIT 1)
			WHERE org_id = $2 AND `+r.column+` IS NOT NULL`, w.them.org, w.us.org)
		if code(err) != foreignKeyViolation {
			t.Errorf("pointing %s.%s at another organization's row: %v, want a violation of the foreign key", r.table, r.column, err)
		}
		ok(t, tx.Rollback(t.Context()))
	}
}

func sorted(s []string) []string {
	out := slices.Clone(s)
	sort.Strings(out)
	return out
}
