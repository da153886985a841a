package advisory

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

func TestForPackages(t *testing.T) {
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	several := `[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"}]}]},` +
		`{"package":{"ecosystem":"npm","name":"q"},"versions":["3.0.0"]},` +
		`{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"2.0.0"},{"fixed":"2.1.0"}]}]}]`
	imported(t, d, folder(t, map[string]string{
		"a.json": record("X-2", january, several, ""),
		"b.json": record("X-1", january, affects("npm", "p", "0.5.0"), ""),
	}), today)
	var all map[string]Advisories
	err := d.InTx(ours, func(ctx context.Context, tx *db.Tx) (err error) {
		all, err = NewService(d).ForPackages(ctx, tx, coord.NPM, []string{"p", "q", "nothing"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := all["p"]
	if len(all) != 2 || len(p) != 2 || p[0].ID != "X-1" || p[1].ID != "X-2" || len(p[1].Entries) != 2 || len(all["q"]) != 1 {
		t.Fatalf("found %+v", all)
	}
	for version, want := range map[string]int{"0.1.0": 2, "0.7.0": 1, "1.5.0": 0, "2.0.5": 1, "3.0.0": 0} {
		if got := len(p.Match(version)); got != want {
			t.Errorf("p %s: %d matches, want %d", version, got, want)
		}
	}
}

// TestForPackageIsIndexed proves that the one question of the hot path does
// not read the tables.
func TestForPackageIsIndexed(t *testing.T) {
	d := dbtest.New(t)
	dbtest.TwoOrgs(t, d)
	plan := strings.Join(global[string](t, d, `EXPLAIN SELECT a.id FROM advisory_affected f JOIN advisories a ON a.id = f.advisory_id
		WHERE f.ecosystem = 'NPM' AND f.name = ANY ('{lodash}')`), "\n")
	if !strings.Contains(plan, "advisory_affected_name") || !strings.Contains(plan, "advisories_pkey") {
		t.Errorf("plan:\n%s", plan)
	}
}

func TestGet(t *testing.T) {
	d := dbtest.New(t)
	dbtest.TwoOrgs(t, d)
	text := record("X-1", january, affects("npm", "p", "2.0.0"), `"references":[{"type":"WEB","url":"https://example.org"}]`)
	for name, path := range map[string]string{
		"folder": folder(t, map[string]string{"a.json": text}),
		"zip":    zipped(t, t.TempDir()+"/f.zip", map[string]string{"a.json": strings.Replace(text, "X-1", "X-2", 1)}),
	} {
		imported(t, d, path, today)
		id := map[string]string{"folder": "X-1", "zip": "X-2"}[name]
		got, err := NewService(d).Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != id || len(got.Entries) != 1 || got.Entries[0].Package != (coord.Package{Ecosystem: coord.NPM, Name: "p"}) ||
			string(got.Record) != strings.Replace(text, "X-1", id, 1) || !json.Valid(got.Record) {
			t.Errorf("%s: %+v\n%s", name, got, got.Record)
		}
	}
	if _, err := NewService(d).Get(t.Context(), "X-9"); !errs.Is(err, errs.NotFound) || !strings.Contains(errs.Public(err), "X-9") {
		t.Errorf("error %v, want NotFound", err)
	}
}
