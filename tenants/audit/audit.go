// Package audit appends to the record of what people and jobs did. An event is
// written in the transaction of the change that it tells of, so that neither
// exists without the other.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// Event is one act. Who and where from come from the context's actor.
type Event struct {
	Action     string    // like version:quarantine
	ObjectType string    // like registry, version, hold
	ObjectID   string    // id, or coordinates of what has no id
	Registry   uuid.UUID // the registry it concerns; nil for none
	Reason     string    // as the actor gave it
	Before     any       // state before and after as JSON, without what is or looks like a secret; nil for none
	After      any
}

// Log writes events at the times of its clock.
type Log struct{ now func() time.Time }

// New returns a log with a clock.
func New(now func() time.Time) *Log { return &Log{now: now} }

// Record appends events in the transaction.
func (l *Log) Record(ctx context.Context, tx *db.Tx, events ...Event) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	actor, at := scope.ActorOf(ctx), l.now()
	rows := make([][]any, 0, len(events))
	for _, e := range events {
		before, err := encode(e.Before)
		if err != nil {
			return err
		}
		after, err := encode(e.After)
		if err != nil {
			return err
		}
		if e.Reason == "" {
			e.Reason = actor.Reason
		}
		rows = append(rows, []any{uuid.Must(uuid.NewV7()), org, at, string(actor.Kind), nullable(actor.ID), nullable(actor.TokenID),
			redactText(actor.Name), actor.IP, e.Action, e.ObjectType, redactText(e.ObjectID), nullable(e.Registry), redactText(e.Reason), before, after})
	}
	return insert(ctx, tx, rows)
}

// insert sends one statement per row in one round trip: COPY is not allowed on
// tables with row-level security.
func insert(ctx context.Context, tx *db.Tx, rows [][]any) error {
	b := &pgx.Batch{}
	for _, r := range rows {
		b.Queue(`INSERT INTO audit_events (id, org_id, at, actor_kind, actor_id, token_id, actor_name, ip, action,
			object_type, object_id, registry_id, reason, before, after)
			VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15)`, r...)
	}
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func encode(v any) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("audit: encode %T: %w", v, err)
	}
	if b, err = redactJSON(b); err != nil {
		return nil, fmt.Errorf("audit: encode %T: %w", v, err)
	}
	return b, nil
}

func nullable(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}
