package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// TestF3_ExpireRemovesWhatRanOut: in every organization, once, and nothing that
// is still valid.
func TestF3_ExpireRemovesWhatRanOut(t *testing.T) {
	b := newBench(t)
	now := b.now()
	late := access.New(b.deps.DB, b.deps.Quarantine.Audit, func() time.Time { return now })
	b.deps.Access = late
	made := func(ctx context.Context) {
		ctx = access.As(ctx, access.System("test"), "")
		reg := b.registry(ctx, ordinary, "team-"+uuid.NewString()[:8])
		_, err := late.CreateTrustRule(ctx, access.TrustRuleInput{Registries: []uuid.UUID{reg}, Write: true, Name: "ci " + reg.String(), Issuer: "https://ci.example", Claims: map[string]string{"sub": "x"}})
		b.ok(err)
		_, _, err = late.Exchange(ctx, access.ExchangeInput{Package: coord.Package{Ecosystem: coord.NPM, Name: "w"}, Registry: reg,
			Identity: access.Identity{Issuer: "https://ci.example", Claims: map[string]any{"sub": "x"}}})
		b.ok(err)
	}
	made(b.ours)
	made(b.theirs)
	work := func(want int) {
		b.Helper()
		b.ok((&expire{d: b.deps}).Work(context.Background(), job(spec.Expire{})))
		if n := b.number(`SELECT count(*) FROM tokens`); n != want {
			t.Errorf("%d tokens are left, want %d", n, want)
		}
	}
	now = now.Add(14 * time.Minute)
	work(2)
	made(b.ours)
	now = now.Add(14 * time.Minute)
	work(1)
	work(1)
	now = now.Add(time.Minute)
	work(0)
}
