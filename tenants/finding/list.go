package finding

import (
	"context"

	"entgo.io/ent/dialect/sql"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entfinding "sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// Query selects findings for a list, by the time of opening. Its zero value
// selects what holds in every registry only: what the asking subject reaches
// must be said.
type Query struct {
	Reach        access.Reach
	Only         bool // those of the reach's registries alone, not what holds in every one
	Ecosystem    coord.Ecosystem
	Package      string // exact, normalized; "" = all
	Version      string // exact; "" = all
	Kind         entfinding.Kind
	Severity     string
	Reference    string // exact, such as an advisory's id; "" = all
	Open         *bool  // nil = both
	Acknowledged *bool  // nil = both
	After        *After // nil = from the start
	Asc          bool   // the oldest first
	Limit        int
}

// Browse returns a page of findings.
func Browse(ctx context.Context, tx *db.Tx, q Query) ([]*ent.Finding, error) {
	rows := tx.Ent.Finding.Query().Where(q.where()...).Limit(q.Limit)
	if q.After != nil {
		rows.Where(func(s *sql.Selector) {
			key := []string{s.C(entfinding.FieldOpenedAt), s.C(entfinding.FieldID)}
			if q.Asc {
				s.Where(sql.CompositeGT(key, q.After.At, q.After.ID))
			} else {
				s.Where(sql.CompositeLT(key, q.After.At, q.After.ID))
			}
		})
	}
	order := ent.Desc(entfinding.FieldOpenedAt, entfinding.FieldID)
	if q.Asc {
		order = ent.Asc(entfinding.FieldOpenedAt, entfinding.FieldID)
	}
	return rows.Order(order).All(ctx)
}

// Count returns how many findings the query selects over all pages.
func Count(ctx context.Context, tx *db.Tx, q Query) (int, error) {
	return tx.Ent.Finding.Query().Where(q.where()...).Count(ctx)
}

func (q Query) where() (out []predicate.Finding) {
	switch {
	case q.Reach.All:
	case q.Only:
		out = append(out, entfinding.RegistryIDIn(q.Reach.Registries...))
	default:
		out = append(out, entfinding.Or(entfinding.RegistryIDIsNil(), entfinding.RegistryIDIn(q.Reach.Registries...)))
	}
	if q.Ecosystem != "" {
		out = append(out, entfinding.Ecosystem(q.Ecosystem))
	}
	if q.Package != "" {
		out = append(out, entfinding.Name(q.Package))
	}
	if q.Version != "" {
		out = append(out, entfinding.Version(q.Version))
	}
	if q.Kind != "" {
		out = append(out, entfinding.KindEQ(q.Kind))
	}
	if q.Severity != "" {
		out = append(out, entfinding.Severity(q.Severity))
	}
	if q.Reference != "" {
		out = append(out, entfinding.Reference(q.Reference))
	}
	if q.Open != nil {
		out = append(out, either(*q.Open, entfinding.ClosedAtIsNil(), entfinding.ClosedAtNotNil()))
	}
	if q.Acknowledged != nil {
		out = append(out, either(*q.Acknowledged, entfinding.AcknowledgedAtNotNil(), entfinding.AcknowledgedAtIsNil()))
	}
	return out
}

func either(which bool, yes, no predicate.Finding) predicate.Finding {
	if which {
		return yes
	}
	return no
}
