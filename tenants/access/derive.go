package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// maxGenerations bounds how often a token is made from one that was made from
// one.
const maxGenerations = 5

// DeriveToken makes a token that may at most what the context's subject may,
// and returns its secret, which is shown this once.
//
// From a token it makes a child: a personal token of the same member, or of the
// same service, with the parent's rights as they are at any time. It ends when
// the parent ends or is revoked. What the input leaves out (registries,
// packages, networks, end) the child has as the parent does; what is wider is
// Forbidden. For a member who is logged in it is [Service.CreateToken] of a
// personal token. Member, service account
// and roles of the input are not looked at.
//
// It needs no action, since who has a token may use it for all that its child
// could do. A token that was exchanged for an outside identity makes none.
func (s *Service) DeriveToken(ctx context.Context, in TokenInput) (secret string, out Token, err error) {
	if secret, err = newSecret(s.random); err != nil {
		return "", Token{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		out, err = t.derive(ctx, in, secret)
		return err
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, out, nil
}

func (t *turn) derive(ctx context.Context, in TokenInput, secret string) (Token, error) {
	in.MemberID, in.ServiceID, in.Roles = t.by.MemberID, t.by.ServiceID, nil
	if t.me == nil {
		return Token{}, errs.New(errs.Unauthenticated, "access.DeriveToken", "a token is made from a token or by a member; the system makes service tokens")
	}
	if t.by.TokenID == uuid.Nil {
		if err := in.normalize(t.s.now()); err != nil {
			return Token{}, err
		}
		if err := t.mayMake(&in); err != nil {
			return Token{}, err
		}
		return t.createToken(ctx, in, secret, uuid.Nil)
	}
	if err := t.narrow(&in); err != nil {
		return Token{}, err
	}
	if err := in.normalize(t.s.now()); err != nil {
		return Token{}, err
	}
	if err := t.boundNetworks(&in); err != nil {
		return Token{}, err
	}
	parent, err := t.Ent.Token.Get(ctx, t.by.TokenID)
	if err != nil {
		return Token{}, err
	}
	line, err := ancestors(ctx, t.Tx, parent)
	if err != nil {
		return Token{}, err
	}
	switch {
	case parent.TrustRuleID != nil:
		return Token{}, errs.New(errs.Forbidden, "access.DeriveToken", "a token that was exchanged for an outside identity makes no other tokens")
	case len(line) >= maxGenerations:
		return Token{}, errs.New(errs.Forbidden, "access.DeriveToken", "this token was made from one that was made from one, %d times; make the new one from an earlier token", len(line)-1)
	}
	return t.createToken(ctx, in, secret, parent.ID)
}

// narrow fills in what the parent is limited to, and refuses what is wider.
func (t *turn) narrow(in *TokenInput) error {
	const op = "access.DeriveToken"
	me := t.me.subject
	if in.Write && !me.Write {
		return errs.New(errs.Forbidden, op, "the token %q only reads, and so does every token made from it", me.Name).On("write")
	}
	if end := t.me.expires; !end.IsZero() {
		if in.ExpiresAt.IsZero() {
			in.ExpiresAt = end
		}
		if in.ExpiresAt.After(end) {
			return errs.New(errs.Forbidden, op, "a token made from an expiring token ends no later than it, at %s", end.UTC().Format(time.RFC3339)).On("expiresAt")
		}
	}
	if len(in.Registries) == 0 {
		in.Registries = me.Registries
	}
	for _, id := range in.Registries {
		if !t.me.inScope(id) {
			return noRegistry()
		}
	}
	if len(in.Packages) == 0 {
		in.Packages = me.Packages
	}
	for _, p := range in.Packages {
		if len(me.Packages) > 0 && !t.me.mayPattern(p) {
			return errs.New(errs.Forbidden, op, "%s is more than the packages that the token %q may write to", p, me.Name).On("packages")
		}
	}
	return nil
}

// mayPattern reports whether a pattern is one of the credential's own, or a
// name that one of them matches in every ecosystem that has such a name.
func (c *credential) mayPattern(text string) bool {
	if slices.Contains(c.subject.Packages, text) {
		return true
	}
	for _, e := range coord.Ecosystems() {
		p, err := coord.ParsePattern(e, text)
		if err != nil {
			continue
		}
		if !p.Literal() || c.writes(coord.Package{Ecosystem: e, Name: p.String()}) != nil {
			return false
		}
	}
	return true
}

// ancestors returns the token and those that it was made from, itself first.
func ancestors(ctx context.Context, tx *db.Tx, row *ent.Token) ([]*ent.Token, error) {
	line := []*ent.Token{row}
	for row.ParentID != nil {
		if len(line) > maxGenerations {
			return nil, fmt.Errorf("access: the token %s has more than %d ancestors", row.ID, maxGenerations)
		}
		up, err := tx.Ent.Token.Get(ctx, *row.ParentID)
		if err != nil {
			return nil, err
		}
		line, row = append(line, up), up
	}
	return line, nil
}

// rootOf returns the token whose grants a derived service token has, nil when
// one of those that it was made from has ended.
func rootOf(ctx context.Context, tx *db.Tx, row *ent.Token) (*ent.Token, error) {
	line, err := ancestors(ctx, tx, row)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(line, func(a *ent.Token) bool { return a.RevokedAt != nil }) {
		return nil, nil
	}
	return line[len(line)-1], nil
}
