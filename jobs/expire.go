package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"sluice.dev/sluice/jobs/spec"
)

// expire removes tokens of trust rules that have run out, and logins that
// nobody finished.
type expire struct {
	river.WorkerDefaults[spec.Expire]
	d Deps
}

// Timeout of all organizations.
func (w *expire) Timeout(*river.Job[spec.Expire]) time.Duration { return 15 * time.Minute }

// Work goes through the organizations; one that fails does not keep the rest.
func (w *expire) Work(ctx context.Context, _ *river.Job[spec.Expire]) error {
	orgs, err := organizations(ctx, w.d.DB)
	if err != nil {
		return err
	}
	var failed []error
	for _, org := range orgs {
		if _, err := w.d.Access.Sweep(inOrg(ctx, org, "expire")); err != nil {
			failed = append(failed, fmt.Errorf("organization %s: %w", org, err))
		}
	}
	return errors.Join(failed...)
}
