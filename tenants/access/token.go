package access

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// MaxTokenRegistries bounds the scope of a token.
const MaxTokenRegistries = 200

// Token is a credential without its secret.
type Token struct {
	ID         uuid.UUID
	MemberID   uuid.UUID // the owner of a personal token; uuid.Nil for a service token
	ServiceID  uuid.UUID // the service account that it is of; uuid.Nil for another token
	Name       string
	Hint       string // the secret's last characters
	Write      bool
	Registries []uuid.UUID // empty: wherever its owner may
	Packages   []string    // name patterns that it may write to; empty: no limit
	Networks   []string    // CIDR ranges that it may come from; empty: all
	Parent     uuid.UUID   // the token that it was made from, with which it ends; uuid.Nil for none
	TrustRule  uuid.UUID   // the rule by which it was exchanged; uuid.Nil for none
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil is never
	LastUsedAt *time.Time // to a few seconds; nil before the first use
	RevokedAt  *time.Time // nil while it is valid
}

// TokenInput is what a new token needs.
type TokenInput struct {
	Name string
	// MemberID is the owner of a personal token, which has the owner's rights
	// and only the owner makes. uuid.Nil makes a service token, whose rights are
	// the Roles given here and later.
	MemberID uuid.UUID
	// ServiceID is the service account whose rights the token has; uuid.Nil for
	// a token with roles of its own.
	ServiceID  uuid.UUID
	Roles      []Place     // first roles of a service token of no account
	Write      bool        // false: only actions that read
	Registries []uuid.UUID // limits the token to these; empty is no limit
	// Packages limits what the token may write to packages by these patterns of
	// names, as coord.ParsePattern reads them; it may then change nothing else.
	// Empty is no limit.
	Packages []string
	// Networks limits where the token may be used to these CIDR ranges or
	// addresses; empty is no limit. What a limited token makes is limited too.
	Networks  []string
	ExpiresAt time.Time // zero is never
}

func (in *TokenInput) normalize(now time.Time) error {
	const op = "access.CreateToken"
	in.Name = strings.TrimSpace(in.Name)
	if err := checkName(op, in.Name); err != nil {
		return err
	}
	in.Registries = slices.Clone(in.Registries)
	slices.SortFunc(in.Registries, compareIDs)
	in.Registries = slices.Compact(in.Registries)
	switch {
	case len(in.Registries) > MaxTokenRegistries:
		return errs.New(errs.Invalid, op, "the token names %d registries; at most %d are allowed", len(in.Registries), MaxTokenRegistries).On("registries")
	case slices.Contains(in.Registries, uuid.Nil):
		return errs.New(errs.Invalid, op, "a registry's id is all zeros; leave the list empty for no limit").On("registries")
	case !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(now):
		return errs.New(errs.Invalid, op, "the token would have expired at %s already; it must be later than %s", in.ExpiresAt.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339)).On("expiresAt")
	case in.MemberID != uuid.Nil && in.ServiceID != uuid.Nil:
		return errs.New(errs.Invalid, op, "the token has both a member and a service account; give one of them").On("serviceId")
	case in.ServiceID != uuid.Nil && len(in.Roles) > 0:
		return errs.New(errs.Invalid, op, "a service account's token has the account's rights and no roles of its own; grant them to the account").On("roles")
	case in.MemberID != uuid.Nil && len(in.Roles) > 0:
		return errs.New(errs.Invalid, op, "a personal token has its owner's rights and no roles of its own").On("roles")
	}
	var err error
	if in.Packages, err = checkPackages(op, in.Packages); err != nil {
		return err
	}
	in.Networks, err = checkNetworks(op, in.Networks)
	return err
}

// CreateToken makes a token and returns its secret, which is stored nowhere and
// shown this once (A2). A personal token needs token:create and is made by its
// owner; a service token needs token:manage, and for each role what
// [Service.Grant] needs, or what the service account may do (A4). What is made with an expiring token ends no later
// than that one.
func (s *Service) CreateToken(ctx context.Context, in TokenInput) (secret string, out Token, err error) {
	if err := in.normalize(s.now()); err != nil {
		return "", Token{}, err
	}
	if secret, err = newSecret(s.random); err != nil {
		return "", Token{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.mayMake(&in); err != nil {
			return err
		}
		out, err = t.createToken(ctx, in, secret, uuid.Nil)
		return err
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, out, nil
}

func (t *turn) mayMake(in *TokenInput) error {
	const op = "access.CreateToken"
	need := TokenManage
	if in.MemberID != uuid.Nil {
		need = TokenCreate
	}
	if err := t.require(need, uuid.Nil); err != nil {
		return err
	}
	if t.me == nil {
		return nil
	}
	if in.MemberID != uuid.Nil && in.MemberID != t.by.MemberID {
		return errs.New(errs.Forbidden, op, "a personal token is made by its owner; make a service token instead").On("memberId")
	}
	if end := t.me.expires; !end.IsZero() && (in.ExpiresAt.IsZero() || in.ExpiresAt.After(end)) {
		return errs.New(errs.Forbidden, op, "a token made with an expiring token ends no later than it, at %s", end.UTC().Format(time.RFC3339)).On("expiresAt")
	}
	return t.boundNetworks(in)
}

// createToken writes a token that the turn may make, from another one when
// parent is not uuid.Nil.
func (t *turn) createToken(ctx context.Context, in TokenInput, secret string, parent uuid.UUID) (Token, error) {
	for _, id := range in.Registries {
		if err := t.require(RegistryRead, id); err != nil {
			return Token{}, err
		}
	}
	if len(in.Registries) > 0 {
		if err := t.registryExists(ctx, in.Registries...); err != nil {
			return Token{}, err
		}
	}
	c := t.newToken(in, secret)
	if parent != uuid.Nil {
		c.SetParentID(parent)
	}
	if in.MemberID != uuid.Nil {
		if err := t.principalExists(ctx, MemberPrincipal(in.MemberID)); err != nil {
			return Token{}, err
		}
		c.SetMemberID(in.MemberID)
	}
	if in.ServiceID != uuid.Nil {
		// A child of one of the account's tokens may no more than that one.
		if parent == uuid.Nil {
			if err := t.boundAccountToken(ctx, in); err != nil {
				return Token{}, err
			}
		}
		c.SetServiceID(in.ServiceID)
	}
	made, err := t.saveToken(ctx, c)
	if err != nil {
		return Token{}, err
	}
	return made, t.grantAll(ctx, TokenPrincipal(made.ID), in.Roles)
}

func (t *turn) newToken(in TokenInput, secret string) *ent.TokenCreate {
	hash := hashOf(secret)
	c := t.Ent.Token.Create().SetName(in.Name).SetHash(hash[:]).SetHint(secret[len(secret)-hintChars:]).
		SetWrite(in.Write).SetRegistries(in.Registries).SetPackages(in.Packages).SetCidrs(in.Networks).SetCreatedAt(t.s.now())
	if in.Registries == nil {
		c.SetRegistries([]uuid.UUID{})
	}
	if !in.ExpiresAt.IsZero() {
		c.SetExpiresAt(in.ExpiresAt)
	}
	return c
}

func (t *turn) saveToken(ctx context.Context, c *ent.TokenCreate) (Token, error) {
	row, err := c.Save(ctx)
	if err != nil {
		return Token{}, err
	}
	// No node remembers anything of a token that is new, so that none needs to
	// forget; roles tell them by themselves.
	made := readToken(row)
	return made, t.s.audit.Record(ctx, t.Tx, audit.Event{Action: "token:create", ObjectType: "token", ObjectID: row.ID.String(), After: made})
}

// Tokens lists tokens in the order in which they were made, revoked ones
// included: all of them for those with token:manage, else one's own.
func (s *Service) Tokens(ctx context.Context, p Page) (out []Token, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		everybodys, err := t.can(TokenManage, uuid.Nil)
		if err != nil {
			return err
		}
		q := tx.Ent.Token.Query().Order(ent.Asc(token.FieldID)).Limit(p.limit())
		if !everybodys {
			q.Where(token.MemberID(t.by.MemberID))
		}
		if p.After != uuid.Nil {
			q.Where(token.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readToken(r))
		}
		return err
	})
	return out, err
}

func readToken(t *ent.Token) Token {
	out := Token{ID: t.ID, Name: t.Name, Hint: t.Hint, Write: t.Write, Registries: t.Registries, Packages: t.Packages, Networks: t.Cidrs,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt, RevokedAt: t.RevokedAt}
	if t.MemberID != nil {
		out.MemberID = *t.MemberID
	}
	if t.ServiceID != nil {
		out.ServiceID = *t.ServiceID
	}
	if t.ParentID != nil {
		out.Parent = *t.ParentID
	}
	if t.TrustRuleID != nil {
		out.TrustRule = *t.TrustRuleID
	}
	return out
}
