package access

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/ent/serviceaccount"
)

// ServiceAccountQuery selects service accounts for a list. Zero values select
// all.
type ServiceAccountQuery struct {
	Search string // part of the name
	Active *bool  // true: active ones only; false: deactivated ones only
	Order  NameOrder
	Slice
}

func (q ServiceAccountQuery) where() (out []predicate.ServiceAccount) {
	if q.Search != "" {
		out = append(out, either(q.Search, serviceaccount.FieldName))
	}
	switch {
	case q.Active == nil:
	case *q.Active:
		out = append(out, serviceaccount.DeactivatedAtIsNil())
	default:
		out = append(out, serviceaccount.DeactivatedAtNotNil())
	}
	return out
}

// BrowseServiceAccounts returns a page of service accounts. It checks no right.
func BrowseServiceAccounts(ctx context.Context, tx *db.Tx, q ServiceAccountQuery) ([]ServiceAccount, error) {
	rows, err := tx.Ent.ServiceAccount.Query().Where(append(q.where(), func(s *sql.Selector) {
		q.sorted(s, q.Order.kind(), column(serviceaccount.FieldName))
	})...).All(ctx)
	return each(rows, readServiceAccount), err
}

// CountServiceAccounts returns how many the query selects over all pages.
func CountServiceAccounts(ctx context.Context, tx *db.Tx, q ServiceAccountQuery) (int, error) {
	return tx.Ent.ServiceAccount.Query().Where(q.where()...).Count(ctx)
}

// ServiceAccountsByIDs returns service accounts, deactivated ones included. It
// checks no right; those that do not exist are not in the answer.
func ServiceAccountsByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]ServiceAccount, error) {
	rows, err := tx.Ent.ServiceAccount.Query().Where(serviceaccount.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]ServiceAccount, len(rows))
	for _, r := range rows {
		out[r.ID] = readServiceAccount(r)
	}
	return out, err
}
