package access

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/audit"
)

// AuditReach returns which audit events the context's subject may read, for
// [audit.Events] and [audit.Export]: those with audit:read on the organization
// all of them, those with it on registries what concerns these. Without it
// anywhere it is Forbidden, or Unauthenticated for nobody.
func (s *Service) AuditReach(ctx context.Context) (audit.Reach, error) {
	who := Of(ctx)
	where, err := s.Where(ctx, who, AuditRead)
	if err != nil {
		return audit.Reach{}, err
	}
	if !where.All && len(where.Registries) == 0 {
		return audit.Reach{}, s.Require(ctx, who, AuditRead, uuid.Nil)
	}
	return audit.Reach{All: where.All, Registries: where.Registries}, nil
}
