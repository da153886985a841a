package intake

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/pull"
	"sluice.dev/sluice/ent/pullitem"
)

// PullProgress counts what became of a pull's versions.
type PullProgress struct {
	Total   int `json:"total"`
	Held    int `json:"held"`
	Refused int `json:"refused"`
	Failed  int `json:"failed"`
}

// Waiting returns how many versions nothing became of yet.
func (p PullProgress) Waiting() int { return p.Total - p.Held - p.Refused - p.Failed }

// PullCounts returns how far pulls are. Those without versions are not in the
// answer.
func PullCounts(ctx context.Context, tx *db.Tx, pulls []uuid.UUID) (map[uuid.UUID]PullProgress, error) {
	rows, err := tx.Query(ctx, `SELECT pull_id, count(*), count(*) FILTER (WHERE state = 'HELD'), count(*) FILTER (WHERE state = 'REFUSED'), count(*) FILTER (WHERE state = 'FAILED')
		FROM pull_items WHERE org_id = `+db.Ours+` AND pull_id = ANY ($1) GROUP BY pull_id`, pulls)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[uuid.UUID]PullProgress{}
	for rows.Next() {
		var id uuid.UUID
		var p PullProgress
		if err := rows.Scan(&id, &p.Total, &p.Held, &p.Refused, &p.Failed); err != nil {
			return nil, err
		}
		out[id] = p
	}
	return out, rows.Err()
}

// PullByID returns a pull, or nil.
func PullByID(ctx context.Context, tx *db.Tx, id uuid.UUID) (*ent.Pull, error) {
	p, err := tx.Ent.Pull.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	return p, err
}

// PullItemQuery selects versions of a pull.
type PullItemQuery struct {
	Pull  uuid.UUID
	State string      // "" = all
	After PullVersion // the version behind which a page begins; zero = from the start
	Limit int
}

// PullItems returns a page of a pull's versions, by name and version as texts.
func PullItems(ctx context.Context, tx *db.Tx, q PullItemQuery) ([]*ent.PullItem, error) {
	rows := tx.Ent.PullItem.Query().Where(pullitem.PullID(q.Pull)).Order(ent.Asc(pullitem.FieldName, pullitem.FieldVersion)).Limit(q.Limit)
	if q.State != "" {
		rows.Where(pullitem.StateEQ(pullitem.State(q.State)))
	}
	if q.After != (PullVersion{}) {
		rows.Where(func(s *sql.Selector) {
			s.Where(sql.CompositeGT([]string{s.C(pullitem.FieldName), s.C(pullitem.FieldVersion)}, q.After.Name, q.After.Version))
		})
	}
	return rows.All(ctx)
}

// UnfinishedPulls returns the ids of pulls that have not ended.
func (s *Service) UnfinishedPulls(ctx context.Context) (ids []uuid.UUID, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err = tx.Ent.Pull.Query().Where(pull.EndedAtIsNil()).IDs(ctx)
		return err
	})
	return ids, err
}
