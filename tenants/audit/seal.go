package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// sealPage is how many events are sealed in one transaction.
const sealPage = 1_000

// Sealer gives audit events their place in the organization's chain of hashes,
// in which each hash covers the event and the hash before it.
//
// What it guarantees: once an event is sealed, it cannot be changed, removed,
// moved, nor another one be put between sealed ones, without [Verify] naming
// the place; nobody can change one sealed event without computing all later
// hashes anew, and whoever wrote down any later hash (a head, an export) sees
// that too. The serving role may not change or delete events or seals at all,
// so that this is about who gets past it: the tables' owner, a superuser, a
// backup that was edited.
//
// What it does not: until an event is sealed, normally within a second of its
// commit, somebody who gets past the role can change or remove it unseen;
// somebody who can write events can still append untrue ones, which are then
// part of the chain in their place; and who rewrites the whole end of the chain
// is found out only by a head that was kept elsewhere. The worker logs heads
// daily for that, and exports contain them.
//
// Writers are not serialized and never wait for the chain. An event waits in
// audit_pending, by the transaction that wrote it, and a step takes what has
// committed: events are in the order of the steps that first could see them,
// so in that of their commits to within a step, and by time within one. Steps
// of one organization follow each other under an advisory lock; a node that
// does not get it leaves the work to the one that has it.
type Sealer struct {
	db  *db.DB
	now func() time.Time
}

// NewSealer returns a sealer with its clock.
func NewSealer(d *db.DB, now func() time.Time) *Sealer { return &Sealer{db: d, now: now} }

// Seal seals what waits, of every organization, and returns how many events
// that were. Every node calls it every second; with nothing to do it is one
// query of a table that is then empty. One organization's failure does not keep
// the others waiting.
func (s *Sealer) Seal(ctx context.Context) (sealed int, err error) {
	var orgs []uuid.UUID
	err = s.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT organizations_to_seal()`)
		if err != nil {
			return err
		}
		orgs, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("audit: find what waits to be sealed: %w", err)
	}
	var failed []error
	for _, org := range orgs {
		n, err := s.SealOrg(scope.With(ctx, org))
		sealed += n
		if err != nil {
			failed = append(failed, fmt.Errorf("audit: seal the events of the organization %s: %w", org, err))
		}
	}
	return sealed, errors.Join(failed...)
}

// SealOrg seals what waits in the context's organization. Nothing happens while
// another node does it.
func (s *Sealer) SealOrg(ctx context.Context) (sealed int, err error) {
	for {
		var n int
		err := s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = s.step(ctx, tx)
			return err
		})
		sealed += n
		if err != nil || n < sealPage {
			return sealed, err
		}
	}
}

func (s *Sealer) step(ctx context.Context, tx *db.Tx) (int, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return 0, err
	}
	var mine bool
	// The lock is let go after the commit, so that whoever gets it next sees the
	// seals.
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('audit chain ' || $1, 0))`, org.String()).Scan(&mine); err != nil || !mine {
		return 0, err
	}
	head, err := headOf(ctx, tx)
	if err != nil {
		return 0, err
	}
	events, err := readEvents(ctx, tx, `JOIN audit_pending p ON p.org_id = e.org_id AND p.event_id = e.id WHERE e.org_id = `+db.Ours+` ORDER BY e.at, e.id LIMIT $1`, sealPage)
	if err != nil || len(events) == 0 {
		return 0, err
	}
	return len(events), s.write(ctx, tx, org, head, events)
}

func (s *Sealer) write(ctx context.Context, tx *db.Tx, org uuid.UUID, head Head, events []Sealed) error {
	at := s.now().UTC().Truncate(time.Microsecond)
	b := &pgx.Batch{}
	for _, e := range events {
		e.Seq, e.SealedAt = head.Seq+1, at
		prev := head.Hash // of its own: the batch reads it when head is further
		hash, err := e.hashAfter(head.Hash)
		if err != nil {
			return err
		}
		b.Queue(`INSERT INTO audit_seals (id, org_id, seq, event_id, prev, hash, sealed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			uuid.Must(uuid.NewV7()), org, e.Seq, e.ID, prev[:], hash[:], at)
		b.Queue(`DELETE FROM audit_pending WHERE org_id = $1 AND event_id = $2`, org, e.ID)
		head = Head{e.Seq, hash}
	}
	return tx.SendBatch(ctx, b).Close()
}

// Head is the last seal of a chain; its zero value is that of an empty one.
type Head struct {
	Seq  int64 `json:"seq"`
	Hash Hash  `json:"hash"`
}

// String returns the head as `sluice audit verify --head` takes it.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// ParseHead reads what String wrote.
func ParseHead(text string) (h Head, err error) {
	var hash string
	if _, err := fmt.Sscanf(text, "%d:%s", &h.Seq, &hash); err != nil || h.Seq < 1 {
		return Head{}, fmt.Errorf("%.100q is no head of an audit chain; want a number, a colon and 64 hexadecimal digits", text)
	}
	return h, h.Hash.UnmarshalText([]byte(hash))
}

// Head returns the head of the context's organization's chain.
func (s *Sealer) Head(ctx context.Context) (h Head, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		h, err = headOf(ctx, tx)
		return err
	})
	return h, err
}

func headOf(ctx context.Context, tx *db.Tx) (h Head, err error) {
	var hash []byte
	err = tx.QueryRow(ctx, `SELECT seq, hash FROM audit_seals WHERE org_id = `+db.Ours+` ORDER BY seq DESC LIMIT 1`).Scan(&h.Seq, &hash)
	if errors.Is(err, pgx.ErrNoRows) {
		return Head{}, nil
	}
	h.Hash = hashOf(hash)
	return h, err
}

// readEvents reads events with what the clause behind the table says.
func readEvents(ctx context.Context, tx *db.Tx, clause string, args ...any) (out []Sealed, err error) {
	rows, err := tx.Query(ctx, `SELECT `+eventColumns+` FROM audit_events e `+clause, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Sealed
		if err := rows.Scan(e.columns()...); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

const eventColumns = `e.id, e.org_id, e.at, e.actor_kind, e.actor_id, e.token_id, e.actor_name, e.ip, e.action, e.object_type, e.object_id, e.registry_id,
	e.reason, e.before, e.after`

// columns are where eventColumns go.
func (s *Sealed) columns() []any {
	return []any{&s.ID, &s.Org, &s.At, &s.ActorKind, &s.ActorID, &s.TokenID, &s.ActorName, &s.IP, &s.Action, &s.ObjectType, &s.ObjectID, &s.Registry,
		&s.Reason, &s.Before, &s.After}
}
