package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
)

// remind warns of tokens that end soon and of quotas that are nearly used up,
// once each, in the audit trail and the log.
type remind struct {
	river.WorkerDefaults[spec.Remind]
	d Deps
}

// Timeout of all organizations.
func (w *remind) Timeout(*river.Job[spec.Remind]) time.Duration { return time.Hour }

// Work goes through the organizations; one that fails does not keep the rest.
func (w *remind) Work(ctx context.Context, _ *river.Job[spec.Remind]) error {
	return everywhere(ctx, w.d, "remind", func(ctx context.Context, org uuid.UUID) error {
		tokens, err := w.d.Access.WarnExpiring(ctx)
		for _, t := range tokens {
			slog.WarnContext(ctx, "a token ends soon", "organization", org, "token", t.ID, "name", t.Name, "ends", t.ExpiresAt)
		}
		if err != nil {
			return err
		}
		quotas, err := w.d.Orgs.Measure(ctx)
		for _, q := range quotas {
			slog.WarnContext(ctx, "a quota is nearly used up", "organization", org, "usage", q)
		}
		return err
	})
}

// everywhere runs fn in each organization, as the job, and joins the errors.
func everywhere(ctx context.Context, d Deps, name string, fn func(context.Context, uuid.UUID) error) error {
	orgs, err := organizations(ctx, d.DB)
	if err != nil {
		return err
	}
	var failed []error
	for _, org := range orgs {
		if err := fn(inOrg(ctx, org, name), org); err != nil {
			failed = append(failed, fmt.Errorf("organization %s: %w", org, err))
		}
	}
	return errors.Join(failed...)
}
