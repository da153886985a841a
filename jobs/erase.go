package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
)

// erase removes organizations that were deleted thirty days ago, but for the
// bytes, which are collected when nobody's rows name them (D3).
type erase struct {
	river.WorkerDefaults[spec.Erase]
	d Deps
}

// Timeout of what an organization may own.
func (w *erase) Timeout(*river.Job[spec.Erase]) time.Duration { return 6 * time.Hour }

// Work erases page by page, and goes on where one that died ended.
func (w *erase) Work(ctx context.Context, _ *river.Job[spec.Erase]) error {
	n, err := w.d.Orgs.Erase(ctx)
	if n > 0 {
		slog.InfoContext(ctx, "erased deleted organizations", "organizations", n)
	}
	return err
}
