package access

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// ErrAddress is in the chain of the error for a token that was sent from an
// address outside of the networks that it is limited to.
var ErrAddress = errors.New("the token is not valid from this address")

// Authenticate returns the subject of a token's secret in the context's
// organization, sent from an IP address. A token of another organization, an
// expired, a revoked and an invented one are the same Unauthenticated error
// (T3); one that is limited to networks without the address is Unauthenticated
// with [ErrAddress]. An address that is not known ("") lies in no network. It
// notes the use.
func (s *Service) Authenticate(ctx context.Context, secret, ip string) (Subject, error) {
	c, err := s.authenticate(ctx, secret)
	if err != nil {
		return Subject{}, err
	}
	if err := c.comesFrom(ip); err != nil {
		return Subject{}, err
	}
	s.used.note(c, c.st.org, s.now())
	return c.asSubject(), nil
}

func (s *Service) authenticate(ctx context.Context, secret string) (*credential, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	if len(secret) != secretLength {
		return nil, noToken()
	}
	k := key{hash: hashOf(secret)}
	if c, ok := s.remembered(org, k); ok {
		return c, nil
	}
	if !LooksLikeToken(secret) {
		return nil, noToken()
	}
	id := unknownToken{org, k.hash}
	if _, ok := s.unknown.GetIfPresent(id); ok {
		return nil, invalidToken()
	}
	c, err := s.lookUp(ctx, org, k)
	if errors.Is(err, errClosed) {
		return nil, invalidToken() // and it is not remembered, since it may be valid again
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "access.Authenticate", "the token cannot be checked now; try again")
	}
	if c == nil {
		s.unknown.Set(id, struct{}{})
		return nil, invalidToken()
	}
	return c, nil
}

func noToken() error {
	return errs.New(errs.Unauthenticated, "access.Authenticate", "what was sent is not a whole Sluice token; one starts with %q and has %d characters", secretPrefix, secretLength)
}

func invalidToken() error {
	return errs.New(errs.Unauthenticated, "access.Authenticate", "the token is not valid here: there is no such token, or it has expired or was revoked")
}

// MemberSubject returns the subject of a member who is logged in. A member that
// does not exist or was deactivated is Unauthenticated.
func (s *Service) MemberSubject(ctx context.Context, id uuid.UUID) (Subject, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return Subject{}, err
	}
	var c *credential
	if id != uuid.Nil {
		if c, err = s.credential(ctx, org, key{member: id}); err != nil {
			return Subject{}, err
		}
	}
	if c == nil {
		return Subject{}, errs.New(errs.Unauthenticated, "access.MemberSubject", "the member does not exist or was deactivated; log in again")
	}
	return c.asSubject(), nil
}
