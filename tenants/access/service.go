package access

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/serviceaccount"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// ServiceAccount is a principal that is no person, such as a build system. It
// has roles ([ServicePrincipal]) and any number of tokens, which have the
// account's rights within their own scope (A2).
type ServiceAccount struct {
	ID            uuid.UUID
	Name          string // unique in the organization
	Description   string
	CreatedAt     time.Time
	DeactivatedAt *time.Time // nil while active
}

// ServiceAccountInput is what a new service account needs.
type ServiceAccountInput struct {
	Name        string
	Description string
	Roles       []Place // first roles
}

func (in *ServiceAccountInput) normalize() error {
	in.Name, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)
	if !utf8.ValidString(in.Description) || utf8.RuneCountInString(in.Description) > MaxDescription {
		return errs.New(errs.Invalid, "access.ServiceAccount", "the description has more than %d characters", MaxDescription).On("description")
	}
	return checkName("access.ServiceAccount", in.Name)
}

// CreateServiceAccount makes a service account without tokens. It needs
// token:manage, and for each role what [Service.Grant] needs (A4). A name that
// is taken, also by a deactivated account, is a Conflict.
func (s *Service) CreateServiceAccount(ctx context.Context, in ServiceAccountInput) (out ServiceAccount, err error) {
	if err := in.normalize(); err != nil {
		return ServiceAccount{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(TokenManage, uuid.Nil); err != nil {
			return err
		}
		row, err := t.Ent.ServiceAccount.Create().SetName(in.Name).SetDescription(in.Description).SetCreatedAt(s.now()).Save(ctx)
		if err != nil {
			return err
		}
		out = readServiceAccount(row)
		if err := t.done(ctx, serviceEvent("service:create", row.ID, map[string]string{"name": in.Name, "description": in.Description})); err != nil {
			return err
		}
		return t.grantAll(ctx, ServicePrincipal(row.ID), in.Roles)
	})
	return out, accountTaken(err, in.Name)
}

// UpdateServiceAccount renames and describes an account; roles are granted and
// revoked instead. It needs token:manage.
func (s *Service) UpdateServiceAccount(ctx context.Context, id uuid.UUID, in ServiceAccountInput) error {
	if err := in.normalize(); err != nil {
		return err
	}
	if len(in.Roles) > 0 {
		return errs.New(errs.Invalid, "access.UpdateServiceAccount", "roles are granted and revoked, not updated").On("roles")
	}
	_, err := s.EditServiceAccount(ctx, id, func(now *ServiceAccountInput) { *now = in })
	return err
}

// DeactivateServiceAccount ends an account: every token of it is revoked for
// good, on every node at once (A2, Q2). It needs token:manage and every action
// that the account has (A4). Deactivating again changes nothing.
func (s *Service) DeactivateServiceAccount(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.account(ctx, id)
		if err != nil || row.DeactivatedAt != nil {
			return err
		}
		if err := t.boundRights("what the service account has", t.st.compile(ServicePrincipal(id))); err != nil {
			return err
		}
		now := s.now()
		if err := t.Ent.ServiceAccount.UpdateOne(row).SetDeactivatedAt(now).Exec(ctx); err != nil {
			return err
		}
		n, err := t.Ent.Token.Update().Where(token.ServiceID(id), token.RevokedAtIsNil()).SetRevokedAt(now).Save(ctx)
		if err != nil {
			return err
		}
		return t.done(ctx, serviceEvent("service:deactivate", id, map[string]int{"tokensRevoked": n}))
	})
}

// ReactivateServiceAccount brings an account back, with its roles and none of
// its tokens. It needs token:manage and every action that comes back (A4).
func (s *Service) ReactivateServiceAccount(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.account(ctx, id)
		if err != nil || row.DeactivatedAt == nil {
			return err
		}
		if err := t.boundRights("what the service account has", t.st.compile(ServicePrincipal(id))); err != nil {
			return err
		}
		if err := t.Ent.ServiceAccount.UpdateOne(row).ClearDeactivatedAt().Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, serviceEvent("service:reactivate", id, nil))
	})
}

// ServiceAccounts lists service accounts in the order in which they were made,
// deactivated ones included. It needs member:read.
func (s *Service) ServiceAccounts(ctx context.Context, p Page) (out []ServiceAccount, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberRead, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.ServiceAccount.Query().Order(ent.Asc(serviceaccount.FieldID)).Limit(p.limit())
		if p.After != uuid.Nil {
			q.Where(serviceaccount.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readServiceAccount(r))
		}
		return err
	})
	return out, err
}

func (t *turn) account(ctx context.Context, id uuid.UUID) (*ent.ServiceAccount, error) {
	if err := t.require(TokenManage, uuid.Nil); err != nil {
		return nil, err
	}
	row, err := t.Ent.ServiceAccount.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, "access.ServiceAccount", "the service account does not exist")
	}
	return row, err
}

// boundAccountToken refuses a token that could do more than who makes it (A4):
// the account's rights, as far as the token's scope reaches.
func (t *turn) boundAccountToken(ctx context.Context, in TokenInput) error {
	if err := t.principalExists(ctx, ServicePrincipal(in.ServiceID)); err != nil {
		return err
	}
	if t.me == nil {
		return nil
	}
	made := credential{owner: t.st.compile(ServicePrincipal(in.ServiceID)), subject: Subject{Write: in.Write, Registries: in.Registries}}
	r := rights{everywhere: made.on(uuid.Nil), registries: make(map[uuid.UUID]set)}
	for id := range made.owner.registries {
		r.registries[id] = made.on(id)
	}
	for _, id := range in.Registries {
		r.registries[id] = made.on(id)
	}
	return t.boundRights("what a token of the service account could do", r)
}

// ofAccount makes the credential one of a service account; false when that is
// not active.
func (c *credential) ofAccount(ctx context.Context, tx *db.Tx, id uuid.UUID) (bool, error) {
	a, err := tx.Ent.ServiceAccount.Query().Where(serviceaccount.ID(id), serviceaccount.DeactivatedAtIsNil()).Only(ctx)
	if ent.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.who, c.subject.ServiceID, c.subject.Name = ServicePrincipal(id), id, a.Name+"/"+c.subject.Name
	return true, nil
}

func accountTaken(err error, name string) error {
	if _, taken := db.IsUnique(err); taken {
		return errs.New(errs.Conflict, "access.ServiceAccount", "there is a service account %q already; choose another name", name).On("name")
	}
	return err
}

func readServiceAccount(a *ent.ServiceAccount) ServiceAccount {
	return ServiceAccount{a.ID, a.Name, a.Description, a.CreatedAt, a.DeactivatedAt}
}

func serviceEvent(action string, id uuid.UUID, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "service", ObjectID: id.String(), After: after}
}
