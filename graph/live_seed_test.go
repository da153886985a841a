package graph_test

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/intake"
)

// openedAs is opened for a context that can tell who asks now.
func (w *world) openedAs(ctx context.Context, query string) stream {
	w.Helper()
	return w.opened(ctx, query, nil)
}

// pullOf starts a pull of one version into the team's registry.
func (w *world) pullOf(h hierarchy) uuid.UUID {
	w.Helper()
	p, err := w.intake.StartPull(access.As(w.ours, access.System("test"), ""), intake.PullInput{Registry: h.team, Source: "yarn.lock",
		Versions: []intake.PullVersion{{Name: "left-pad", Version: "1.0.0"}}})
	w.ok(err)
	return p.ID
}

// finishPull does what a worker would.
func (w *world) finishPull(id uuid.UUID) {
	w.Helper()
	for done := false; !done; {
		var err error
		done, err = w.intake.PullStep(w.ours, id)
		w.ok(err)
	}
}
