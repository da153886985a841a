package access

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/ent/trustrule"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// ExchangedFor is how long a token lives that was exchanged for an identity.
const ExchangedFor = 15 * time.Minute

// mostExchanged bounds the live tokens of one trust rule.
const mostExchanged = 1_000

// Identity is what a verified token of an outside issuer says.
type Identity struct {
	Issuer  string
	Subject string         // the claim sub
	Claims  map[string]any // all claims, as encoding/json decodes them
}

// ExchangeInput asks for a token to publish one package.
type ExchangeInput struct {
	Identity Identity
	Package  coord.Package
	Registry uuid.UUID // uuid.Nil: whichever registry trusts the identity
}

// Trusts reports whether any rule names the issuer, or any rule that reaches the
// registry: nobody else is worth asking for their keys.
func (s *Service) Trusts(ctx context.Context, issuer string, reg uuid.UUID) (ok bool, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		rules, err := tx.Ent.TrustRule.Query().Where(trustrule.Issuer(issuer)).All(ctx)
		ok = slices.ContainsFunc(rules, func(r *ent.TrustRule) bool { return reg == uuid.Nil || slices.Contains(r.Registries, reg) })
		return err
	})
	return ok, err
}

// Exchange makes a token for an outside identity that a trust rule of
// registries lets publish: for fifteen minutes, with the role publisher on one
// registry, for the one package. Whoever calls it has verified the identity. It
// needs no subject. An identity that nothing trusts for the package is
// Unauthenticated, whether the registry, the package or the rule is what is
// missing (T3); one that is trusted in several registries, when none was named,
// is a Conflict that names them.
func (s *Service) Exchange(ctx context.Context, in ExchangeInput) (secret string, out Token, err error) {
	return s.inExchange(ctx, func(ctx context.Context, tx *db.Tx, secret string) (Token, error) {
		rule, reg, err := trusted(ctx, tx, in)
		if err != nil {
			return Token{}, err
		}
		return s.exchange(ctx, tx, rule, in.Identity, TokenInput{Write: true, Registries: []uuid.UUID{reg}, Packages: []string{in.Package.Name}}, secret, NotTrusted)
	})
}

func (s *Service) inExchange(ctx context.Context, fn func(context.Context, *db.Tx, string) (Token, error)) (secret string, out Token, err error) {
	if secret, err = newSecret(s.random); err != nil {
		return "", Token{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		out, err = fn(ctx, tx, secret)
		return err
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, out, nil
}

// exchange makes the token of a rule that the identity matches.
func (s *Service) exchange(ctx context.Context, tx *db.Tx, rule *ent.TrustRule, id Identity, in TokenInput, secret string, refusal func() error) (Token, error) {
	now := s.now()
	// No rows of one rule pile up, whether the sweep runs or not.
	if _, err := tx.Ent.Token.Delete().Where(token.TrustRuleID(rule.ID), token.ExpiresAtLTE(now)).Exec(ctx); err != nil {
		return Token{}, err
	}
	n, err := tx.Ent.Token.Query().Where(token.TrustRuleID(rule.ID)).Count(ctx)
	if err != nil {
		return Token{}, err
	}
	if n >= mostExchanged {
		return Token{}, errs.New(errs.Unavailable, "access.Exchange", "the trust rule %q has made %d tokens in the last %s, which is the most allowed", rule.Name, n, ExchangedFor)
	}
	if ok, err := useIdentity(ctx, tx, rule, id, now); err != nil || !ok {
		return Token{}, errorOr(err, refusal())
	}
	// Written as the rule, which is what the audit names.
	ctx = scope.WithActor(ctx, scope.Actor{Kind: scope.ActorSystem, Name: "trust rule " + rule.Name, IP: scope.ActorOf(ctx).IP})
	t := &turn{Tx: tx, s: s}
	in.Name, in.Networks, in.ExpiresAt = exchangedName(rule.Name, id.Subject), []string{}, now.Add(ExchangedFor)
	c := t.newToken(in, secret).SetTrustRuleID(rule.ID)
	if rule.ServiceID != nil {
		c.SetServiceID(*rule.ServiceID)
	}
	row, err := c.Save(ctx)
	if err != nil {
		return Token{}, err
	}
	if err := tx.Ent.TrustRule.UpdateOne(rule).SetLastUsedAt(now).Exec(ctx); err != nil {
		return Token{}, err
	}
	made := readToken(row)
	return made, s.audit.Record(ctx, tx, audit.Event{Action: "token:exchange", ObjectType: "token", ObjectID: row.ID.String(), Registry: onlyOne(in.Registries),
		After: map[string]any{"token": made, "rule": rule.Name, "issuer": id.Issuer, "subject": shortened(id.Subject), "claims": matched(rule, id), "packages": in.Packages}})
}

// matched are the claims by which a rule took an identity, as JSON.
func matched(rule *ent.TrustRule, id Identity) map[string]string {
	out := make(map[string]string, len(rule.Claims))
	for name := range rule.Claims {
		text, _ := json.Marshal(id.Claims[name]) // was decoded from JSON
		out[name] = shortened(string(text))
	}
	return out
}

// shortened is a text of an outside issuer as the audit keeps it.
func shortened(text string) string { return printable(text[:min(len(text), maxMatched)]) }

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

func exchangedName(rule, subject string) string {
	name := []rune(printable(rule + ": " + subject))
	return string(name[:min(len(name), MaxName)])
}

// trusted finds the rule by which the identity may publish the package, and
// where.
func trusted(ctx context.Context, tx *db.Tx, in ExchangeInput) (*ent.TrustRule, uuid.UUID, error) {
	rules, err := tx.Ent.TrustRule.Query().Where(trustrule.Issuer(in.Identity.Issuer), trustrule.ServiceIDIsNil(), trustrule.Write(true)).
		Order(ent.Asc(trustrule.FieldID)).All(ctx)
	if err != nil {
		return nil, uuid.Nil, err
	}
	first := map[uuid.UUID]*ent.TrustRule{} // of each registry
	for _, r := range rules {
		if !ruleMatches(r, in) {
			continue
		}
		for _, id := range r.Registries {
			if first[id] == nil && (in.Registry == uuid.Nil || in.Registry == id) {
				first[id] = r
			}
		}
	}
	rows, err := tx.Ent.Registry.Query().Where(registry.IDIn(slices.Collect(maps.Keys(first))...), registry.DeletedAtIsNil(), registry.Ecosystem(in.Package.Ecosystem)).
		Order(ent.Asc(registry.FieldName)).All(ctx)
	if err != nil {
		return nil, uuid.Nil, err
	}
	switch len(rows) {
	case 0:
		return nil, uuid.Nil, NotTrusted()
	case 1:
		return first[rows[0].ID], rows[0].ID, nil
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
	}
	return nil, uuid.Nil, errs.New(errs.Conflict, "access.Exchange", "the registries %s all trust this identity for %s, and the request does not say which one is meant; give each its own host name, or trust it in one", strings.Join(names, ", "), in.Package.Name)
}

// NotTrusted is the one answer for every identity that gets no token.
func NotTrusted() error {
	return errs.New(errs.Unauthenticated, "access.Exchange", "this identity is not trusted to publish this package here; the issuer, every claim and the package must match a trust rule of the registry, and the audience must be npm: and the registry's host name")
}

func ruleMatches(r *ent.TrustRule, in ExchangeInput) bool {
	// Old npm names may have a "*", which a token's limit would take for any text.
	if strings.Contains(in.Package.Name, "*") || !trustMatches(r, in.Identity) {
		return false
	}
	if len(r.Packages) == 0 {
		return true
	}
	limited := &credential{subject: Subject{Packages: r.Packages}}
	return limited.writes(in.Package) == nil
}

func trustMatches(r *ent.TrustRule, id Identity) bool {
	return r.Issuer == id.Issuer && claimsMatch(TrustProvider(r.Provider), r.Issuer, r.Claims, id.Claims)
}
