package audit

import (
	"context"
	"fmt"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
)

// Reach is what the asking subject may see. Its zero value is nothing.
type Reach struct {
	All        bool        // everything, also what concerns no registry
	Registries []uuid.UUID // else what concerns these
}

// EventQuery selects audit events for a list, the newest first unless asked
// otherwise.
type EventQuery struct {
	Reach      Reach
	Action     string // exact, as all texts here unless they say otherwise; "" = all
	Prefix     string // what the action begins with
	Actor      string
	ActorKind  string
	IP         string
	ObjectType string
	ObjectID   string
	From       time.Time // zero = no bound
	To         time.Time // exclusive; zero = no bound
	After      *Mark     // nil = from the start
	Asc        bool      // the oldest first
	Limit      int
}

// Mark is the place in a list behind which a page begins: time and id of the
// last one that was seen.
type Mark struct {
	At time.Time
	ID string
}

// Events returns a page of audit events.
func Events(ctx context.Context, tx *db.Tx, q EventQuery) ([]*ent.AuditEvent, error) {
	where := q.where()
	if !q.Reach.All {
		where = append(where, auditevent.RegistryIDIn(q.Reach.Registries...))
	}
	if q.After != nil {
		last, err := uuid.Parse(q.After.ID)
		if err != nil {
			return nil, fmt.Errorf("audit: mark: %w", err)
		}
		where = append(where, behind(q.Asc, q.After.At, last))
	}
	order := ent.Desc(auditevent.FieldAt, auditevent.FieldID)
	if q.Asc {
		order = ent.Asc(auditevent.FieldAt, auditevent.FieldID)
	}
	return tx.Ent.AuditEvent.Query().Where(where...).Order(order).Limit(q.Limit).All(ctx)
}

func behind(asc bool, at time.Time, id uuid.UUID) predicate.AuditEvent {
	return func(s *sql.Selector) {
		key := []string{s.C(auditevent.FieldAt), s.C(auditevent.FieldID)}
		if asc {
			s.Where(sql.CompositeGT(key, at, id))
		} else {
			s.Where(sql.CompositeLT(key, at, id))
		}
	}
}

func (q EventQuery) where() (out []predicate.AuditEvent) {
	if q.Prefix != "" {
		out = append(out, auditevent.ActionHasPrefix(q.Prefix))
	}
	if q.ActorKind != "" {
		out = append(out, auditevent.ActorKind(q.ActorKind))
	}
	if q.IP != "" {
		out = append(out, auditevent.IP(q.IP))
	}
	if q.Action != "" {
		out = append(out, auditevent.Action(q.Action))
	}
	if q.Actor != "" {
		out = append(out, auditevent.ActorName(q.Actor))
	}
	if q.ObjectType != "" {
		out = append(out, auditevent.ObjectType(q.ObjectType))
	}
	if q.ObjectID != "" {
		out = append(out, auditevent.ObjectID(q.ObjectID))
	}
	if !q.From.IsZero() {
		out = append(out, auditevent.AtGTE(q.From))
	}
	if !q.To.IsZero() {
		out = append(out, auditevent.AtLT(q.To))
	}
	return out
}

// EventByID returns an event, or nil.
func EventByID(ctx context.Context, tx *db.Tx, id uuid.UUID) (*ent.AuditEvent, error) {
	e, err := tx.Ent.AuditEvent.Query().Where(auditevent.ID(id)).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	return e, err
}
