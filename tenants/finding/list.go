package finding

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entfinding "sluice.dev/sluice/ent/finding"
	"sluice.dev/sluice/ent/predicate"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
)

// Query selects findings for a list, by the time of opening. Its zero value
// selects none: what the asking subject reaches must be said. What holds in
// every registry is reached by those who reach a registry that holds the
// version.
type Query struct {
	Reach        access.Reach
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
	if !q.Reach.All {
		out = append(out, within(q.Reach.Registries))
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

// within are findings of the registries, and on versions that they hold.
func within(registries []uuid.UUID) predicate.Finding {
	if registries == nil {
		registries = []uuid.UUID{}
	}
	return func(s *sql.Selector) {
		s.Where(sql.P(func(b *sql.Builder) {
			b.WriteString("(").Ident(s.C(entfinding.FieldRegistryID)).WriteString(" = ANY (").Arg(registries).WriteString(") OR ").
				Ident(s.C(entfinding.FieldRegistryID)).WriteString(" IS NULL AND EXISTS (SELECT 1 FROM package_names n JOIN holdings h ON h.org_id = n.org_id AND h.package_id = n.id WHERE n.org_id = ").
				Ident(s.C(entfinding.FieldOrgID)).WriteString(" AND n.ecosystem = ").Ident(s.C(entfinding.FieldEcosystem)).WriteString(" AND n.name = ").Ident(s.C(entfinding.FieldName)).
				WriteString(" AND h.version = ").Ident(s.C(entfinding.FieldVersion)).WriteString(" AND h.registry_id = ANY (").Arg(registries).WriteString(")))")
		}))
	}
}

func either(which bool, yes, no predicate.Finding) predicate.Finding {
	if which {
		return yes
	}
	return no
}
