package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

func job[T river.JobArgs](args T) *river.Job[T] {
	return &river.Job[T]{JobRow: &rivertype.JobRow{}, Args: args}
}

// hold puts left-pad 1.3.0 of a firewall on hold and returns the cascade.
func (b *bench) hold(ctx context.Context, fw uuid.UUID) (cascade uuid.UUID) {
	b.Helper()
	_, err := b.deps.Quarantine.Hold(ctx, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: "1.3.0", Reason: "odd"})
	b.ok(err)
	ids, err := b.deps.Quarantine.Unfinished(ctx)
	b.ok(err)
	if len(ids) != 1 {
		b.Fatalf("cascades %v", ids)
	}
	return ids[0]
}

func (b *bench) inherited() int {
	b.Helper()
	return b.number(`SELECT count(*) FROM holds WHERE cause = 'INHERITED' AND released_at IS NULL`)
}

func (b *bench) unfinished() int {
	b.Helper()
	return b.number(`SELECT count(*) FROM cascades WHERE finished_at IS NULL`)
}

// TestJobs_Twice: every job may run twice. What the second run finds done it
// leaves as it is.
func TestJobs_Twice(t *testing.T) {
	b := newBench(t)
	fw := b.registry(b.ours, firewall, "fw")
	team := b.registry(b.ours, ordinary, "team", fw)
	b.arrive(b.ours, "1.3.0", "bytes", fw, team)
	c := b.hold(b.ours, fw)
	r := &reviewer{}
	twice := map[string]func(context.Context) error{
		"cascade": func(ctx context.Context) error {
			return (&cascade{q: b.deps.Quarantine}).Work(ctx, job(spec.Cascade{Org: orgOf(t, b.ours), Cascade: c}))
		},
		"review": func(ctx context.Context) error {
			return (&review{r: r}).Work(ctx, job(spec.Review{Org: orgOf(t, b.ours), Registry: fw, Ecosystem: "NPM", Name: "left-pad", Version: "1.3.0"}))
		},
		"reassess": func(ctx context.Context) error {
			return (&reassess{f: b.deps.Finding}).Work(ctx, job(spec.Reassess{Org: orgOf(t, b.ours), Ecosystem: "NPM", Names: []string{"left-pad"}}))
		},
		"partition": func(ctx context.Context) error { return (&partition{d: b.deps}).Work(ctx, job(spec.Partition{})) },
		"expire":    func(ctx context.Context) error { return (&expire{d: b.deps}).Work(ctx, job(spec.Expire{})) },
		"collect":   func(ctx context.Context) error { return (&collect{d: b.deps}).Work(ctx, job(spec.Collect{})) },
	}
	state := func() string {
		return fmt.Sprint(b.number(`SELECT count(*) FROM holds`), b.number(`SELECT count(*) FROM audit_events`), b.number(`SELECT count(*) FROM findings`),
			b.number(`SELECT count(*) FROM pg_class WHERE relname LIKE 'decisions%'`), b.number(`SELECT count(*) FROM blobs`), b.number(`SELECT count(*) FROM river.river_job`))
	}
	for name, work := range twice {
		b.ok(work(context.Background()))
		before := state()
		b.ok(work(context.Background()))
		if after := state(); after != before {
			t.Errorf("%s: the second run changed %s to %s", name, before, after)
		}
	}
	if b.inherited() != 1 || b.unfinished() != 0 || len(r.asked) != 2 || r.orgs[0] != orgOf(t, b.ours) || r.asked[0] != leftPad("1.3.0") {
		t.Errorf("%d inherited holds, %d cascades unfinished, reviews of %v", b.inherited(), b.unfinished(), r.asked)
	}
	if n := b.number(`SELECT count(*) FROM pg_class WHERE relname ~ '^decisions_[0-9]{8}$'`); n != 8 {
		t.Errorf("%d partitions", n)
	}
}

// TestReview_GivesUp: a version that its source does not have any more is no
// reason to go on trying; a source that fails is.
func TestReview_GivesUp(t *testing.T) {
	b := newBench(t)
	args := job(spec.Review{Org: orgOf(t, b.ours), Registry: uuid.New(), Ecosystem: "NPM", Name: "left-pad", Version: "1.3.0"})
	gone := (&review{r: &reviewer{err: errs.New(errs.NotFound, "review", "gone")}}).Work(t.Context(), args)
	if _, cancelled := gone.(*river.JobCancelError); !cancelled { //nolint:errorlint // what River looks at
		t.Errorf("gone: %v", gone)
	}
	down := (&review{r: &reviewer{err: errs.New(errs.Upstream, "review", "down")}}).Work(t.Context(), args)
	if _, cancelled := down.(*river.JobCancelError); cancelled || down == nil { //nolint:errorlint // what River looks at
		t.Errorf("down: %v", down)
	}
}

// TestP5_Sweep: packages with open vulnerability findings are looked at again,
// each organization's in jobs of its own, in pages.
func TestP5_Sweep(t *testing.T) {
	b := newBench(t)
	find := func(ctx context.Context, n int, kind string) {
		b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO findings (id, org_id, ecosystem, name, version, kind, reference, severity, opened_at)
				SELECT gen_random_uuid(), current_setting('app.org')::uuid, 'NPM', $2 || i, '1.0.0', $2, 'x', 'HIGH', now() FROM generate_series(1, $1) i`, n, kind)
			return err
		})
	}
	find(b.ours, spec.MaxReassessNames+1, "VULNERABILITY")
	find(b.theirs, 1, "VULNERABILITY")
	find(b.theirs, 5, "MALWARE") // acts at once, so that time changes nothing
	b.ok((&sweep{d: b.deps}).Work(t.Context(), job(spec.Sweep{})))
	per := func(o uuid.UUID) string {
		return fmt.Sprint(b.number(`SELECT count(*) FROM river.river_job WHERE kind = 'reassess' AND args->>'org' = $1`, o.String()),
			b.number(`SELECT coalesce(sum(jsonb_array_length(args->'names')), 0) FROM river.river_job WHERE kind = 'reassess' AND args->>'org' = $1`, o.String()))
	}
	if got := per(orgOf(t, b.ours)); got != fmt.Sprint(2, spec.MaxReassessNames+1) {
		t.Errorf("ours: jobs and names %s", got)
	}
	if got := per(orgOf(t, b.theirs)); got != fmt.Sprint(1, 1) {
		t.Errorf("theirs: jobs and names %s", got)
	}
}

// TestRiver_HoldToRelease: with real workers a hold reaches the registries below
// by itself, a policy hold asks for its bytes, and the release frees them.
func TestRiver_HoldToRelease(t *testing.T) {
	b := newBench(t)
	r := &reviewer{}
	b.deps.Reviewer = r
	b.worker()
	fw := b.registry(b.ours, firewall, "fw")
	team := b.registry(b.ours, ordinary, "team", fw)
	b.arrive(b.ours, "1.3.0", "bytes", fw, team)
	h, err := b.deps.Quarantine.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: "1.3.0", Reason: "odd"})
	b.ok(err)
	eventually(t, 20*time.Second, "the hold has been carried", func() bool { return b.inherited() == 1 && b.unfinished() == 0 })
	b.ok(b.deps.Quarantine.HoldByPolicy(b.ours, quarantine.PolicyHold{Registry: fw, Version: leftPad("1.4.0"), Rule: uuid.New(), Reason: "x"}))
	eventually(t, 20*time.Second, "the bytes have been asked for", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.asked) == 1 && r.asked[0] == leftPad("1.4.0")
	})
	_, err = b.deps.Quarantine.Release(b.ours, h.ID, "fine")
	b.ok(err)
	eventually(t, 20*time.Second, "the release has been carried", func() bool { return b.inherited() == 0 && b.unfinished() == 0 })
}

// TestC3_CascadesAreNotSwallowed: River's uniqueness includes jobs that are done;
// holding, releasing and holding the same version again makes a job each time.
func TestC3_CascadesAreNotSwallowed(t *testing.T) {
	b := newBench(t)
	b.worker()
	fw := b.registry(b.ours, firewall, "fw")
	team := b.registry(b.ours, ordinary, "team", fw)
	b.arrive(b.ours, "1.3.0", "bytes", fw, team)
	for range 3 {
		h, err := b.deps.Quarantine.Hold(b.ours, quarantine.HoldInput{Registry: fw, Name: "left-pad", Version: "1.3.0", Reason: "odd"})
		b.ok(err)
		eventually(t, 20*time.Second, "the hold has been carried", func() bool { return b.inherited() == 1 && b.unfinished() == 0 })
		_, err = b.deps.Quarantine.Release(b.ours, h.ID, "fine")
		b.ok(err)
		eventually(t, 20*time.Second, "the release has been carried", func() bool { return b.inherited() == 0 && b.unfinished() == 0 })
	}
}
