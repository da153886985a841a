package login

import (
	"context"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identity"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Bind keeps that an account is a member's from now on, in the transaction in
// which it becomes one ([access.Bind]). An account that is theirs already stays
// so. It is a Conflict when the member has another account at the issuer, or the
// account is another member's.
func (s *Service) Bind(ctx context.Context, tx *db.Tx, who access.Person, m access.Member) error {
	row, err := tx.Ent.Identity.Query().Where(identity.Issuer(who.Issuer), identity.Subject(who.Subject)).Only(ctx)
	switch {
	case err == nil && row.MemberID == m.ID:
		return nil
	case err == nil:
		return errs.New(errs.Conflict, "login.Bind", "the account of %s is another member's here", who.Email)
	case !ent.IsNotFound(err):
		return err
	}
	other, err := tx.Ent.Identity.Query().Where(identity.MemberID(m.ID), identity.Issuer(who.Issuer)).Exist(ctx)
	if err != nil {
		return err
	}
	if other {
		return errs.New(errs.Conflict, "login.Bind", "the member %s has another account of %s; unlink that one first", m.Email, who.Issuer)
	}
	return s.link(ctx, tx, m.ID, Claims{Issuer: who.Issuer, Subject: who.Subject, Email: who.Email}, s.Now())
}
