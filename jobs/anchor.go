package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/audit"
)

// anchor writes the heads of the audit chains into the log, which is kept
// elsewhere: with one, `sluice audit verify --head` finds out that the end of a
// chain was rewritten or cut off.
type anchor struct {
	river.WorkerDefaults[spec.Anchor]
	d Deps
}

// Timeout of all organizations.
func (w *anchor) Timeout(*river.Job[spec.Anchor]) time.Duration { return 15 * time.Minute }

// Work goes through the organizations; one that fails does not keep the rest.
func (w *anchor) Work(ctx context.Context, _ *river.Job[spec.Anchor]) error {
	chain := audit.NewSealer(w.d.DB, w.d.Now)
	return everywhere(ctx, w.d, "anchor", func(ctx context.Context, org uuid.UUID) error {
		head, err := chain.Head(ctx)
		if err == nil && head.Seq > 0 {
			slog.InfoContext(ctx, "audit chain", "organization", org, "head", head.String())
		}
		return err
	})
}
