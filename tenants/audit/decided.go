package audit

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Decided is a row of the decision log as the page behind a refusal's link
// shows it: what the refusal said, and not who asked.
type Decided struct {
	ID       string
	At       time.Time
	Version  coord.Version // Version.Version is "" for a list
	Effect   string
	Body     json.RawMessage // what Answer.Decision was
	Snapshot time.Time       // zero = no advisory feed
	Count    int
}

// ByID returns a recorded decision of the context's organization. One that does
// not exist is NotFound; ids are random, so that they cannot be guessed (F2).
func (l *Decisions) ByID(ctx context.Context, id string) (Decided, error) {
	d := Decided{ID: id}
	err := l.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		var snapshot *time.Time
		err := tx.QueryRow(ctx, `SELECT at, ecosystem, name, version, effect, decision, snapshot_at, count FROM decisions WHERE org_id = `+db.Ours+` AND id = $1`, id).
			Scan(&d.At, &d.Version.Ecosystem, &d.Version.Name, &d.Version.Version, &d.Effect, &d.Body, &snapshot, &d.Count)
		if snapshot != nil {
			d.Snapshot = *snapshot
		}
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return d, errs.New(errs.NotFound, "decision", "there is no decision with this id")
	}
	return d, err
}
