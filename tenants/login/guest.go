package login

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identity"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// A guest is somebody whom a provider vouched for at an organization's own host
// and who has no session there: whoever accepts an invitation or asks to join.
// What they may do is that alone. Guests are kept for five minutes, beside the
// visits of the platform's host.

// Guest is such a person.
type Guest struct {
	Org      uuid.UUID
	Provider Provider // without its secret; its ID is uuid.Nil for the platform's
	Claims   Claims
	// Person is who they are for package access. The e-mail address is "" when
	// the provider does not vouch for one.
	Person access.Person
}

// Receive remembers a guest of the context's organization and returns the
// secret that the browser keeps, which is stored nowhere.
func (s *Service) Receive(ctx context.Context, p Provider, c Claims) (secret string, err error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return "", err
	}
	if c.Issuer == "" || c.Subject == "" || len(c.Subject) > 255 {
		return "", refused("the provider named nobody: its id token has no usable subject")
	}
	p.ClientSecret = ""
	g := Guest{Org: org, Provider: p, Claims: c, Person: personOf(c, p.Domains)}
	secret, hash, err := s.newSecret()
	if err != nil {
		return "", err
	}
	content, err := s.sealJSON("guest", hash, g)
	if err != nil {
		return "", err
	}
	return secret, s.keepVisit(ctx, "GUEST", hash, content, p.ID, c)
}

// personOf is who somebody is, as far as the provider may be believed.
func personOf(c Claims, domains []string) access.Person {
	name := c.Name
	if !printable(name, access.MaxName) {
		name = ""
	}
	return access.Person{Issuer: c.Issuer, Subject: c.Subject, Email: believed(c, domains), Name: name}
}

// Person returns who a visitor of the platform's host is, for package access:
// with the e-mail address "" when the platform's provider does not vouch for
// one.
func (c Claims) Person() access.Person { return personOf(c, nil) }

// Guest returns a guest of the context's organization; Forbidden when there is
// none of that secret, when it is over, and when it is another organization's.
func (s *Service) Guest(ctx context.Context, secret string) (g Guest, err error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return Guest{}, err
	}
	if !isSecret(secret) {
		return Guest{}, noFlow()
	}
	if err := s.kept(ctx, "platform_login", "GUEST", hashOf(secret), "guest", &g); err != nil {
		return Guest{}, err
	}
	if g.Org != org {
		return Guest{}, noFlow()
	}
	return g, nil
}

// Dismiss ends a guest's stay. None is no error, and another organization's
// stays.
func (s *Service) Dismiss(ctx context.Context, secret string) error {
	_, err := s.Guest(ctx, secret)
	if err == nil {
		var g Guest
		err = s.kept(ctx, "take_platform_login", "GUEST", hashOf(secret), "guest", &g)
	}
	if errs.Is(err, errs.Forbidden) {
		return nil
	}
	return err
}

// AcceptInvitation makes a guest a member as an invitation says, remembers their
// account, and opens their session; see [access.Service.AcceptInvitation] and
// [Service.Enter]. The guest's stay ends. The arrival says from where they come
// and which session the browser had.
func (s *Service) AcceptInvitation(ctx context.Context, guest, invitation string, a Arrival) (secret string, out Session, err error) {
	g, err := s.Guest(ctx, guest)
	if err != nil {
		return "", Session{}, err
	}
	bind := func(ctx context.Context, tx *db.Tx, who access.Person, m access.Member) error {
		if err := s.lets(ctx, tx, &g.Provider); err != nil {
			return err
		}
		return s.Bind(ctx, tx, who, m)
	}
	if _, err := s.Access.AcceptInvitation(ctx, invitation, g.Person, bind); err != nil {
		return "", Session{}, err
	}
	if err := s.Dismiss(ctx, guest); err != nil {
		return "", Session{}, err
	}
	a.Provider, a.Claims = g.Provider, g.Claims
	return s.Enter(ctx, a)
}

// RequestToJoin asks for a guest's membership; see
// [access.Service.RequestToJoin].
func (s *Service) RequestToJoin(ctx context.Context, guest, message string) (access.JoinRequest, error) {
	g, err := s.Guest(ctx, guest)
	if err != nil {
		return access.JoinRequest{}, err
	}
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error { return s.lets(ctx, tx, &g.Provider) })
	if err != nil {
		return access.JoinRequest{}, err
	}
	return s.Access.RequestToJoin(ctx, g.Person, message)
}

// Bind remembers that a person's account is the member; it is an [access.Bind].
// An account that is another member already, and a member who is another
// account of the same provider, are a Conflict: whoever has an address now does
// not inherit the membership of who had it before.
func (s *Service) Bind(ctx context.Context, tx *db.Tx, who access.Person, m access.Member) error {
	row, err := tx.Ent.Identity.Query().Where(identity.Issuer(who.Issuer), identity.Subject(who.Subject)).Only(ctx)
	switch {
	case err == nil && row.MemberID == m.ID:
		return nil
	case err == nil:
		return errs.New(errs.Conflict, "login.Bind", "this account is another member here already; log in, and ask an administrator")
	case !ent.IsNotFound(err):
		return err
	}
	other, err := tx.Ent.Identity.Query().Where(identity.MemberID(m.ID), identity.Issuer(who.Issuer)).Exist(ctx)
	if err != nil {
		return err
	}
	if other {
		return errs.New(errs.Conflict, "login.Bind", "the member %s is another account of this provider; an administrator can unlink the old account", m.Email)
	}
	return s.link(ctx, tx, m.ID, Claims{Issuer: who.Issuer, Subject: who.Subject, Email: who.Email}, s.Now())
}
