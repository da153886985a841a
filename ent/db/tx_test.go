package db_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/jobs/spec"
)

func member1(ctx context.Context, tx *db.Tx, email string) error {
	return tx.Ent.Member.Create().SetEmail(email).SetCreatedAt(noon).Exec(ctx)
}

func members(t testing.TB, d *db.DB, ctx context.Context) (n int) {
	t.Helper()
	in(t, d, ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.Member.Query().Count(ctx)
		return err
	})
	return n
}

func queued(t testing.TB, d *db.DB) (n int) {
	t.Helper()
	ok(t, d.Pool.QueryRow(context.Background(), `SELECT count(*) FROM river.river_job`).Scan(&n))
	return n
}

// TestInTx_StateAndJobTogether: Ent's rows, raw SQL and the job exist together
// or not at all.
func TestInTx_StateAndJobTogether(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, theirs := dbtest.TwoOrgs(t, d)
	work := func(fail error) func(context.Context, *db.Tx) error {
		return func(ctx context.Context, tx *db.Tx) error {
			if err := member1(ctx, tx, "ann@acme"); err != nil {
				return err
			}
			if err := tx.Enqueue(ctx, spec.Collect{}, nil); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `SELECT keep_blob(repeat('a', 64), '', '', '', 1, now())`)
			return errors.Join(err, fail)
		}
	}
	oops := errors.New("oops")
	if err := d.InTx(ours, work(oops)); !errors.Is(err, oops) {
		t.Fatal(err)
	}
	var blobs int
	ok(t, d.Pool.QueryRow(t.Context(), `SELECT count(*) FROM blobs`).Scan(&blobs))
	if members(t, d, ours) != 0 || queued(t, d) != 0 || blobs != 0 {
		t.Errorf("after a rollback: %d members, %d jobs, %d blobs", members(t, d, ours), queued(t, d), blobs)
	}
	ok(t, d.InTx(ours, work(nil)))
	if members(t, d, ours) != 1 || queued(t, d) != 1 || members(t, d, theirs) != 0 {
		t.Errorf("after a commit: %d members, %d jobs, %d members of the others", members(t, d, ours), queued(t, d), members(t, d, theirs))
	}
}

// TestInTx_PanicRollsBack: and gives the connection back.
func TestInTx_PanicRollsBack(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	for range 2 * d.Pool.Config().MaxConns {
		func() {
			defer func() { _ = recover() }()
			_ = d.InTx(ours, func(ctx context.Context, tx *db.Tx) error { _ = member1(ctx, tx, "x"); panic("boom") })
		}()
	}
	if n := members(t, d, ours); n != 0 {
		t.Errorf("%d members after panics", n)
	}
}

// TestInSnapshot_SeesOneState: statements of one snapshot agree, whatever is
// committed between them, and it cannot write.
func TestInSnapshot_SeesOneState(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	ok(t, d.InSnapshot(ours, func(ctx context.Context, tx *db.Tx) error {
		before, err := tx.Ent.Member.Query().Count(ctx)
		ok(t, err)
		in(t, d, ours, func(ctx context.Context, tx *db.Tx) error { return member1(ctx, tx, "late") })
		after, err := tx.Ent.Member.Query().Count(ctx)
		if before != 0 || after != 0 {
			t.Errorf("a snapshot saw %d, then %d members", before, after)
		}
		return err
	}))
	err := d.InSnapshot(ours, func(ctx context.Context, tx *db.Tx) error { return member1(ctx, tx, "x") })
	if code(err) != "25006" {
		t.Errorf("writing in a snapshot: %v, want read-only", err)
	}
}

// TestRetry: what is nobody's fault is tried again, at most five times; other
// errors are not.
func TestRetry(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	raise := func(state string) error {
		return d.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '`+state+`'; END $$`)
			return err
		})
	}
	for _, c := range []struct {
		state string
		until int // attempt that succeeds
		tries int
	}{{"40001", 3, 3}, {"40P01", 3, 3}, {"40001", 99, 5}, {"23505", 99, 1}} {
		tries := 0
		err := db.Retry(t.Context(), func() error {
			if tries++; tries == c.until {
				return nil
			}
			return raise(c.state)
		})
		if tries != c.tries || (err == nil) != (c.until == c.tries) {
			t.Errorf("%s: %d tries, %v", c.state, tries, err)
		}
	}
	ended, stop := context.WithCancel(t.Context())
	stop()
	tries := 0
	_ = db.Retry(ended, func() error { tries++; return raise("40001") })
	if tries != 1 {
		t.Errorf("%d tries after the context ended", tries)
	}
}

// TestRetry_RealDeadlock: two transactions that wait for each other both get
// through.
func TestRetry_RealDeadlock(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	first := make(chan struct{}, 2)
	both := make(chan struct{})
	go func() { <-first; <-first; close(both) }()
	run := func(a, b string) error {
		attempts := 0
		return db.Retry(t.Context(), func() error {
			return d.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
				if err := tx.Lock(ctx, false, a); err != nil {
					return err
				}
				if attempts++; attempts == 1 {
					first <- struct{}{}
					<-both
				}
				return tx.Lock(ctx, false, b)
			})
		})
	}
	done := make(chan error)
	go func() { done <- run("x", "y") }()
	go func() { done <- run("y", "x") }()
	for range 2 {
		ok(t, <-done)
	}
}

// TestLock: exclusive locks exclude all, shared ones only exclusive ones, and
// parts are not run together.
func TestLock(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	for _, c := range []struct {
		name         string
		held, wanted bool // shared
		parts        []string
		free         bool
	}{
		{"exclusive and exclusive", false, false, []string{"a", "bc"}, false},
		{"exclusive and shared", false, true, []string{"a", "bc"}, false},
		{"shared and exclusive", true, false, []string{"a", "bc"}, false},
		{"shared and shared", true, true, []string{"a", "bc"}, true},
		{"another name", false, false, []string{"ab", "c"}, true},
		{"a part less", false, false, []string{"a"}, true},
	} {
		in(t, d, ours, func(ctx context.Context, tx *db.Tx) error {
			ok(t, tx.Lock(ctx, c.held, "a", "bc"))
			err := d.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
				if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '50ms'`); err != nil {
					return err
				}
				return tx.Lock(ctx, c.wanted, c.parts...)
			})
			if (err == nil) != c.free {
				t.Errorf("%s: %v", c.name, err)
			}
			return nil
		})
	}
}

// TestDriver_Errors: what PostgreSQL refuses comes back as Ent's kinds of error
// and with its constraint, however Ent asked.
func TestDriver_Errors(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, _ := dbtest.TwoOrgs(t, d)
	in(t, d, ours, func(ctx context.Context, tx *db.Tx) error { return member1(ctx, tx, "ann") })
	id := uuid.Must(uuid.NewV7())
	twice := map[string]func(context.Context, *db.Tx) error{
		"create": func(ctx context.Context, tx *db.Tx) error { return member1(ctx, tx, "ann") },
		"bulk": func(ctx context.Context, tx *db.Tx) error {
			return tx.Ent.Member.CreateBulk(tx.Ent.Member.Create().SetEmail("bob").SetCreatedAt(noon), tx.Ent.Member.Create().SetEmail("ann").SetCreatedAt(noon)).Exec(ctx)
		},
		"update": func(ctx context.Context, tx *db.Tx) error {
			if err := member1(ctx, tx, "bob"); err != nil {
				return err
			}
			return tx.Ent.Member.Update().Where(member.Email("bob")).SetEmail("ann").Exec(ctx)
		},
		"upsert by another column": func(ctx context.Context, tx *db.Tx) error {
			return tx.Ent.Member.Create().SetEmail("ann").SetID(id).SetCreatedAt(noon).OnConflictColumns("id").Ignore().Exec(ctx)
		},
	}
	for name, fn := range twice {
		err := d.InTx(ours, fn)
		if c, dup := db.IsUnique(err); !dup || c != "members_org_id_email_key" {
			t.Errorf("%s: %v, %q, want a violation of members_org_id_email_key", name, err, c)
		}
		if name != "upsert by another column" && !ent.IsConstraintError(err) {
			t.Errorf("%s: Ent does not see a constraint in %v", name, err)
		}
	}
	if c, dup := db.IsUnique(errors.New("x")); dup || c != "" {
		t.Error("any error is taken for a violation")
	}
	err := d.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Ent.Registry.Query().Where(registry.Name("none")).Only(ctx)
		return err
	})
	if !ent.IsNotFound(err) {
		t.Errorf("none: %v", err)
	}
}

// TestDriver_RoundTrip: every kind of value comes back as it went in.
func TestDriver_RoundTrip(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.URL(t))
	ours, theirs := dbtest.TwoOrgs(t, d)
	fill(t, d, ours, orgOf(t, ours), "acme")
	expires := noon.Add(time.Hour)
	in(t, d, ours, func(ctx context.Context, tx *db.Tx) error {
		ids := []uuid.UUID{uuid.New(), uuid.New()}
		made, err := tx.Ent.Token.Create().SetName("ci").SetHash([]byte{0, 1, 255}).SetHint("x").SetWrite(true).SetRegistries(ids).
			SetExpiresAt(expires).SetCreatedAt(noon).Save(ctx)
		ok(t, err)
		got, err := tx.Ent.Token.Get(ctx, made.ID)
		ok(t, err)
		if got.Name != "ci" || string(got.Hash) != "\x00\x01\xff" || !got.Write || len(got.Registries) != 2 || got.Registries[1] != ids[1] ||
			!got.ExpiresAt.Equal(expires) || got.RevokedAt != nil || got.MemberID != nil || got.OrgID != orgOf(t, ctx) {
			t.Errorf("got %+v", got)
		}
		names, err := tx.Ent.Registry.Query().Order(ent.Asc(registry.FieldName)).Select(registry.FieldName).Strings(ctx)
		ok(t, err)
		if len(names) != 2 || names[0] != "firewall-acme" {
			t.Errorf("names %v", names)
		}
		var kinds []struct {
			Kind  string
			Count int
		}
		ok(t, tx.Ent.Registry.Query().GroupBy(registry.FieldKind).Aggregate(ent.Count()).Scan(ctx, &kinds))
		if len(kinds) != 2 || kinds[0].Count != 1 {
			t.Errorf("kinds %v", kinds)
		}
		locked, err := tx.Ent.Registry.Query().Where(registry.HasHoldings()).WithRules().ForUpdate().Only(ctx)
		ok(t, err)
		if len(locked.Edges.Rules) != 1 {
			t.Errorf("rules of the locked registry: %v", locked.Edges.Rules)
		}
		return nil
	})
	if n := members(t, d, theirs); n != 0 {
		t.Errorf("the others see %d members", n)
	}
}
