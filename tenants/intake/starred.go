package intake

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
)

// Starred lists the names of the packages that a subject has starred in a
// registry, in alphabetical order, the first thousand.
func (s *Service) Starred(ctx context.Context, registry uuid.UUID, who string) (out []string, err error) {
	n, err := s.node(ctx, "read stars", registry)
	if err != nil {
		return nil, err
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		out, err = catalog.Starred(ctx, tx, n.ID, who)
		return err
	})
	return out, err
}
