package db_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
)

// global runs fn outside all organizations.
func global(t testing.TB, d *db.DB, fn func(context.Context, *db.Tx) error) {
	t.Helper()
	ok(t, d.InGlobal(context.Background(), fn))
}

func texts(t testing.TB, d *db.DB, query string, args ...any) (out []string) {
	t.Helper()
	global(t, d, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return out
}

// TestD3_FunctionsAreNarrow: what answers across organizations belongs to a role
// that nobody logs in as, cannot be led astray by a search path, and is for the
// serving role only.
func TestD3_FunctionsAreNarrow(t *testing.T) {
	w := newWalls(t)
	rows, err := w.super.Query(t.Context(), `SELECT p.proname, r.rolname, coalesce(array_to_string(p.proconfig, ';'), ''), has_function_privilege('sluice_app', p.oid, 'EXECUTE'),
		EXISTS (SELECT 1 FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0)
		FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef`)
	ok(t, err)
	n := 0
	var name, owner, config string
	var usable, public bool
	_, err = pgx.ForEachRow(rows, []any{&name, &owner, &config, &usable, &public}, func() error {
		n++
		want := "sluice_all"
		switch name {
		case "ensure_decision_partitions":
			want = "sluice_owner" // only the owner of a table can make partitions of it
		case "erase_organization":
			want = "sluice_owner" // whom row-level security binds to the one organization
		}
		if owner != want || !usable || public || !strings.Contains(config, "search_path=public, pg_temp") {
			t.Errorf("%s: owner %s, usable %v, for everybody %v, settings %q", name, owner, usable, public, config)
		}
		return nil
	})
	ok(t, err)
	if n < 9 {
		t.Errorf("only %d functions were found", n)
	}
	var login, super bool
	ok(t, w.super.QueryRow(t.Context(), `SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = 'sluice_all'`).Scan(&login, &super))
	if login || super {
		t.Errorf("sluice_all: can log in %v, superuser %v", login, super)
	}
}

// TestT1_OrganizationBySlugAndHost: both are found without any organization
// bound, by exact text only.
func TestT1_OrganizationBySlugAndHost(t *testing.T) {
	w := newWalls(t)
	ok1 := func(q, arg string, want ...uuid.UUID) {
		t.Helper()
		got := texts(t, w.db, q, arg)
		if len(got) != len(want) || len(want) == 1 && got[0] != want[0].String() {
			t.Errorf("%s of %q: %v, want %v", q, arg, got, want)
		}
	}
	ok1(`SELECT id::text FROM organization_by_slug($1)`, "acme", w.us.org)
	ok1(`SELECT id::text FROM organization_by_slug($1)`, "globex", w.them.org)
	ok1(`SELECT id::text FROM organization_by_slug($1)`, "ACME")
	ok1(`SELECT id::text FROM organization_by_slug($1)`, "acm%")
	ok1(`SELECT id::text FROM organization_by_host($1)`, "npm.globex", w.them.org)
	ok1(`SELECT registry_id::text FROM organization_by_host($1)`, "npm.acme", w.us.ids["registries"].(uuid.UUID))
	ok1(`SELECT id::text FROM organization_by_host($1)`, "npm.nobody")
	if got := texts(t, w.db, `SELECT organization_ids()::text`); len(got) != 2 {
		t.Errorf("organizations: %v", got)
	}
	_, err := w.super.Exec(t.Context(), `UPDATE organizations SET suspended_at = now() WHERE id = $1`, w.us.org)
	ok(t, err)
	if got := texts(t, w.db, `SELECT suspended::text FROM organization_by_slug('acme')`); len(got) != 1 || got[0] != "true" {
		t.Errorf("suspended: %v", got)
	}
}

// TestD3_ReferencesOfEveryOrganizationCount: bytes that any organization names,
// in a version or in a remote's document, are never called unreferenced and
// cannot be forgotten; the others are, after their grace time only.
func TestD3_ReferencesOfEveryOrganizationCount(t *testing.T) {
	w := newWalls(t)
	old := noon.Add(-time.Hour)
	var free, young string
	global(t, w.db, func(ctx context.Context, tx *db.Tx) error {
		free, young = keepBlob(ctx, tx, "free", old), keepBlob(ctx, tx, "young", noon)
		return nil
	})
	var theirs, document string
	in(t, w.db, w.theirs, func(ctx context.Context, tx *db.Tx) error {
		ok(t, tx.QueryRow(ctx, `SELECT sha256 FROM version_files`).Scan(&theirs))
		document = keepBlob(ctx, tx, "document", old)
		_, err := tx.Ent.RemoteDocument.Update().SetSha256(document).Save(ctx)
		return err
	})
	find := func(before time.Time) []string {
		return texts(t, w.db, `SELECT sha256 FROM unreferenced_blobs($1, '', 100)`, before)
	}
	if got := find(noon); len(got) != 1 || got[0] != free {
		t.Errorf("unreferenced before noon: %v, want %s", got, free)
	}
	if got := find(noon.Add(time.Second)); len(got) != 2 {
		t.Errorf("unreferenced a second later: %v, want two", got)
	}
	if got := texts(t, w.db, `SELECT sha256 FROM unreferenced_blobs($1, $2, 100)`, noon, free); len(got) != 0 {
		t.Errorf("behind the last one there are %v", got)
	}
	for digest, want := range map[string]string{theirs: "false", document: "false", free: "true", "nothing": "false"} {
		if got := texts(t, w.db, `SELECT forget_blob($1)::text`, digest); len(got) != 1 || got[0] != want {
			t.Errorf("forgetting %s: %v, want %s", digest, got, want)
		}
	}
	if got := find(noon); len(got) != 0 {
		t.Errorf("after forgetting: %v", got)
	}
	// Putting bytes again renews their time, and never makes it older.
	global(t, w.db, func(ctx context.Context, tx *db.Tx) error {
		keepBlob(ctx, tx, "young", old)
		_, err := tx.Exec(ctx, `SELECT renew_blobs($1, $2)`, []string{young, theirs}, noon.Add(time.Hour))
		return err
	})
	if got := find(noon.Add(time.Hour)); len(got) != 0 {
		t.Errorf("renewed bytes are called unreferenced: %v", got)
	}
}

// TestD3_ArrivalBeatsForgetting: a transaction that names bytes while they are
// being forgotten keeps them.
func TestD3_ArrivalBeatsForgetting(t *testing.T) {
	w := newWalls(t)
	var free string
	global(t, w.db, func(ctx context.Context, tx *db.Tx) error {
		free = keepBlob(ctx, tx, "free", noon)
		return nil
	})
	forgotten := make(chan string, 1)
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		keepBlob(ctx, tx, "free", noon) // what every arrival does first
		if err := tx.Ent.VersionFile.Create().SetVersionID(w.us.ids["package_versions"].(uuid.UUID)).SetName("again").SetSha256(free).SetSize(4).Exec(ctx); err != nil {
			return err
		}
		go func() { forgotten <- texts(t, w.db, `SELECT forget_blob($1)::text`, free)[0] }()
		eventually(t, 5*time.Second, "somebody waits to forget the bytes", func() bool {
			var waiting int
			ok(t, w.super.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
			return waiting > 0
		})
		return nil
	})
	if got := <-forgotten; got != "false" {
		t.Errorf("bytes that a version names were forgotten: %s", got)
	}
}

// TestD3_OrganizationsHolding: every organization that holds a package is found,
// and none that only knows its name.
func TestD3_OrganizationsHolding(t *testing.T) {
	w := newWalls(t)
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.PackageName.Create().SetEcosystem("NPM").SetName("left-pad-globex").SetCreatedAt(noon).Exec(ctx)
	})
	q := `SELECT org_id || ' ' || name FROM organizations_holding($1, $2) ORDER BY 1`
	got := texts(t, w.db, q, "NPM", []string{"left-pad-acme", "left-pad-globex", "never"})
	if len(got) != 2 || got[0] != w.us.org.String()+" left-pad-acme" || got[1] != w.them.org.String()+" left-pad-globex" {
		t.Errorf("holders: %v", got)
	}
	if got := texts(t, w.db, q, "PYPI", []string{"left-pad-acme"}); len(got) != 0 {
		t.Errorf("holders of the same name in another ecosystem: %v", got)
	}
}

// TestDecisionPartitions: asking twice, and by several nodes at once, makes each
// day once; the wall stands in front of them.
func TestDecisionPartitions(t *testing.T) {
	w := newWalls(t)
	day := time.Date(2031, 3, 29, 0, 0, 0, 0, time.UTC) // a clock change in many places lies ahead
	made := make(chan string, 4)
	for range 4 {
		go func() { made <- texts(t, w.db, `SELECT ensure_decision_partitions($1::date, 7)::text`, day)[0] }()
	}
	sum := map[string]int{}
	for range 4 {
		sum[<-made]++
	}
	if sum["8"] != 1 || sum["0"] != 3 {
		t.Errorf("four nodes made partitions: %v, want one that makes 8 and three that make none", sum)
	}
	_, err := w.db.Pool.Exec(t.Context(), `SET timezone = 'America/New_York'`) // of whichever connection
	ok(t, err)
	if got := texts(t, w.db, `SELECT ensure_decision_partitions($1::date, 8)::text`, day); got[0] != "1" {
		t.Errorf("one more day made %s partitions", got[0])
	}
	in(t, w.db, w.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO decisions SELECT (jsonb_populate_record(NULL::decisions, to_jsonb(x) || jsonb_build_object('id', 'late', 'at', $1::timestamptz))).* FROM decisions x`,
			day.Add(47*time.Hour))
		return err
	})
	var part string
	ok(t, w.super.QueryRow(t.Context(), `SELECT tableoid::regclass::text FROM decisions WHERE id = 'late'`).Scan(&part))
	if part != "decisions_20310330" {
		t.Errorf("a decision of the last hour of 30 March is kept in %s", part)
	}
	in(t, w.db, w.theirs, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Ent.Decision.Query().Count(ctx)
		if n != 1 {
			t.Errorf("the other organization sees %d decisions, want its own one", n)
		}
		return err
	})
	if _, err := attempt(w.db, w.ours, `SELECT * FROM decisions_20310330`); code(err) != insufficientPrivilege {
		t.Errorf("reading a partition past its table: %v", err)
	}
	// A day of which decisions exist already keeps them where they are.
	if got := texts(t, w.db, `SELECT ensure_decision_partitions($1::date, 0)::text`, noon); got[0] != "0" {
		t.Errorf("a day with decisions in the default partition made %s partitions", got[0])
	}
}
