package audit

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// PlatformEvent is one act that concerns no organization: an operator's login, a
// job that one of them retried. What concerns an organization is an [Event] in
// its own trail.
type PlatformEvent struct {
	ID        uuid.UUID
	At        time.Time
	ActorKind string
	ActorName string
	IP        string
	Action    string // like operator:login
	Object    string // what it was done to, as a person reads it
	Reason    string
	Detail    []byte // JSON without what is or looks like a secret; nil for none
}

// RecordPlatform appends an event in a transaction that belongs to no
// organization. Who and why come from the context's actor; detail becomes JSON,
// nil for none.
func (l *Log) RecordPlatform(ctx context.Context, tx *db.Tx, action, object string, detail any) error {
	text, err := encode(detail)
	if err != nil {
		return err
	}
	who := scope.ActorOf(ctx)
	_, err = tx.Exec(ctx, `INSERT INTO platform_events (id, at, actor_kind, actor_name, ip, action, object, reason, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		uuid.Must(uuid.NewV7()), l.now(), string(who.Kind), redactText(who.Name), who.IP, action, redactText(object), redactText(who.Reason), text)
	return err
}

// PlatformEvents returns the events of the platform, the newest first, behind
// the one of that id (uuid.Nil: from the newest).
func PlatformEvents(ctx context.Context, d *db.DB, behind uuid.UUID, limit int) (out []PlatformEvent, err error) {
	err = d.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, at, actor_kind, actor_name, ip, action, object, reason, detail FROM platform_events
			WHERE $1 = '00000000-0000-0000-0000-000000000000'::uuid OR id < $1 ORDER BY id DESC LIMIT $2`, behind, limit)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, pgx.RowToStructByPos[PlatformEvent])
		return err
	})
	return out, err
}
