package login

import (
	"context"

	"sluice.dev/sluice/tenants/access"
)

// Standing is [Service.Subject] that is no use of the session, for what only
// waits: a page that is left open does not keep its session from running out.
func (s *Service) Standing(ctx context.Context, secret string) (access.Subject, error) {
	l, err := s.find(ctx, secret)
	if err != nil {
		return access.Subject{}, err
	}
	return s.Access.MemberSubject(ctx, l.MemberID)
}
