package access

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/serviceaccount"
	"sluice.dev/sluice/ent/token"
)

// mostListed bounds the lists of this file.
const mostListed = 2_000

// RosterEntry is an active member with what they are in the organization.
type RosterEntry struct {
	Email string
	Role  string // the widest of their roles on the organization, "none" without one
}

// Roster lists the active members by the order in which they came, 2,000 at
// most. It needs member:read.
func (s *Service) Roster(ctx context.Context) (out []RosterEntry, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		if err := t.require(MemberRead, uuid.Nil); err != nil {
			return err
		}
		rows, err := tx.Ent.Member.Query().Where(member.DeactivatedAtIsNil()).Order(ent.Asc(member.FieldID)).Limit(mostListed).All(ctx)
		for _, m := range rows {
			out = append(out, RosterEntry{m.Email, t.st.widest(MemberPrincipal(m.ID))})
		}
		return err
	})
	return out, err
}

// widest names the principal's role on the organization: the first built-in one,
// else the first of its own by name.
func (st *state) widest(who Principal) string {
	names := st.enforcer.GetRolesForUserInDomain(who.String(), everywhere)
	for _, b := range builtIn {
		if slices.Contains(names, b.Name) {
			return b.Name
		}
	}
	if len(names) > 0 {
		return slices.Min(names)
	}
	return "none"
}

// Collaborator is somebody who may read a registry.
type Collaborator struct {
	Kind  Kind   // KindMember, KindService or KindToken
	Name  string // e-mail address, or name of the service account or token
	Write bool   // whether they may publish there too
}

// Collaborators lists who may read a registry: active members, then
// active service accounts, then valid service tokens of no account that are not
// made from others, 2,000 of each at most. It needs
// registry:read there, and shows those without member:read themselves only.
func (s *Service) Collaborators(ctx context.Context, registry uuid.UUID) (out []Collaborator, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		if err := t.require(RegistryRead, registry); err != nil {
			return err
		}
		all, err := t.can(MemberRead, uuid.Nil)
		if err != nil {
			return err
		}
		if !all {
			out = []Collaborator{{t.by.Kind, t.by.Name, t.me.on(registry).has(VersionPublish)}}
			return nil
		}
		out, err = t.collaborators(ctx, registry)
		return err
	})
	return out, err
}

func (t *turn) collaborators(ctx context.Context, registry uuid.UUID) (out []Collaborator, err error) {
	members, err := t.Ent.Member.Query().Where(member.DeactivatedAtIsNil()).Order(ent.Asc(member.FieldID)).Limit(mostListed).All(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if may := t.st.may(MemberPrincipal(m.ID), registry); may.has(RegistryRead) {
			out = append(out, Collaborator{KindMember, m.Email, may.has(VersionPublish)})
		}
	}
	accounts, err := t.Ent.ServiceAccount.Query().Where(serviceaccount.DeactivatedAtIsNil()).Order(ent.Asc(serviceaccount.FieldID)).Limit(mostListed).All(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		if may := t.st.may(ServicePrincipal(a.ID), registry); may.has(RegistryRead) {
			out = append(out, Collaborator{KindService, a.Name, may.has(VersionPublish)})
		}
	}
	tokens, err := t.Ent.Token.Query().Where(token.MemberIDIsNil(), token.ServiceIDIsNil(), token.ParentIDIsNil(), token.TrustRuleIDIsNil(), token.RevokedAtIsNil(),
		token.Or(token.ExpiresAtIsNil(), token.ExpiresAtGT(t.s.now()))).Order(ent.Asc(token.FieldID)).Limit(mostListed).All(ctx)
	for _, k := range tokens {
		inScope := len(k.Registries) == 0 || slices.Contains(k.Registries, registry)
		if may := t.st.may(TokenPrincipal(k.ID), registry); inScope && may.has(RegistryRead) {
			out = append(out, Collaborator{KindToken, k.Name, k.Write && may.has(VersionPublish)})
		}
	}
	return out, err
}

// may is what a principal's roles allow on a registry.
func (st *state) may(who Principal, registry uuid.UUID) set {
	r := st.compile(who)
	return r.everywhere | r.registries[registry]
}
