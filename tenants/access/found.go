package access

import (
	"context"

	"sluice.dev/sluice/ent/db"
	entmember "sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/rolegrant"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

// MaxFounded is how many organizations one person may sign up.
const MaxFounded = 5

// Found makes an organization with its first owner, both or neither. It checks
// no right: it is for the operator. bind may be nil.
func (s *Service) Found(ctx context.Context, orgs *org.Service, in org.Input, owner Person, bind Bind) (made org.Organization, first Member, err error) {
	m := MemberInput{Email: owner.Email, Name: owner.Name}
	if err := m.normalize(); err != nil {
		return org.Organization{}, Member{}, err
	}
	owner.Email, owner.Name = m.Email, m.Name
	made, err = orgs.CreateWith(ctx, in, func(ctx context.Context, tx *db.Tx) error {
		actor := scope.ActorOf(ctx)
		ctx = scope.WithActor(As(ctx, System("found organization"), ""), actor)
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		first, err = t.admit(ctx, owner, Admission{Roles: []Place{{Role: Owner}}}, bind)
		return err
	})
	return made, first, err
}

// SignUp is Found for a person who does it themselves, where the operator lets
// them ([org.Service.OpenSignUp]); elsewhere it is Forbidden. Nobody signs up
// more than [MaxFounded].
func (s *Service) SignUp(ctx context.Context, orgs *org.Service, in org.Input, who Person, bind Bind) (org.Organization, Member, error) {
	const op = "access.SignUp"
	none := func(err error) (org.Organization, Member, error) { return org.Organization{}, Member{}, err }
	if !orgs.OpenSignUp {
		return none(errs.New(errs.Forbidden, op, "organizations are made by the operator here; ask them for one"))
	}
	if err := who.normalize(op); err != nil {
		return none(err)
	}
	if n, err := orgs.Founded(ctx, who.Email); err != nil || n >= MaxFounded {
		return none(tooMany(err, op, "%s has signed up %d organizations, which is the most allowed", who.Email, n))
	}
	in.Founder = who.Email
	return s.Found(asNewcomer(ctx, who), orgs, in, who, bind)
}

// DeleteOrganization ends all access to the organization at once, and its
// subject's own with it; see [org.Service.Delete]. Only an owner in person may,
// who repeats the slug.
func (s *Service) DeleteOrganization(ctx context.Context, orgs *org.Service, slug string) error {
	const op = "access.DeleteOrganization"
	if err := s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		return t.requireOwner(op)
	}); err != nil {
		return err
	}
	o, err := orgs.Get(ctx)
	if err != nil {
		return err
	}
	if o.Slug != slug {
		return errs.New(errs.Invalid, op, "%q is not this organization's slug; repeat it to delete the organization", slug).On("slug")
	}
	_, err = orgs.Delete(ctx)
	return err
}

// RestoreOrganization brings a deleted organization back for a person whose
// verified address is one of its owners', by role of their own. Anything else
// is the same NotFound, since nobody may learn what was there (T3).
func (s *Service) RestoreOrganization(ctx context.Context, orgs *org.Service, slug string, who Person) error {
	const op = "access.RestoreOrganization"
	if err := who.normalize(op); err != nil {
		return err
	}
	nothing := errs.New(errs.NotFound, op, "there is no deleted organization %q that you own", slug)
	found, err := orgs.BySlug(ctx, slug)
	if errs.Is(err, errs.NotFound) || err == nil && found.DeletedAt == nil {
		return nothing
	}
	if err != nil {
		return err
	}
	ctx = scope.With(asNewcomer(ctx, who), found.ID)
	owns, err := s.ownedBy(ctx, who.Email)
	if err != nil {
		return err
	}
	if !owns {
		return nothing
	}
	_, err = orgs.Undelete(ctx)
	return err
}

func (s *Service) ownedBy(ctx context.Context, email string) (owns bool, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		ids, err := tx.Ent.Member.Query().Where(entmember.Email(email), entmember.DeactivatedAtIsNil()).IDs(ctx)
		if err != nil || len(ids) == 0 {
			return err
		}
		owns, err = tx.Ent.RoleGrant.Query().Where(rolegrant.SubjectKindEQ(rolegrant.SubjectKindMEMBER), rolegrant.SubjectIDIn(ids...),
			rolegrant.Role(Owner), rolegrant.RegistryIDIsNil()).Exist(ctx)
		return err
	})
	return owns, err
}
