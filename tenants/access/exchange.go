package access

import (
	"context"
	"encoding/json"
	"fmt"
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

// Trusts reports whether any rule of the registry names the issuer, of any
// registry for uuid.Nil: nobody else is worth asking for their keys.
func (s *Service) Trusts(ctx context.Context, issuer string, reg uuid.UUID) (ok bool, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		q := tx.Ent.TrustRule.Query().Where(trustrule.Issuer(issuer))
		if reg != uuid.Nil {
			q.Where(trustrule.RegistryID(reg))
		}
		ok, err = q.Exist(ctx)
		return err
	})
	return ok, err
}

// Exchange makes a token for an outside identity that a trust rule trusts: for
// fifteen minutes, with the role publisher on the rule's registry, for the one
// package. Whoever calls it has verified the identity. It needs no subject. An
// identity that nothing trusts for the package is Unauthenticated, whether the
// registry, the package or the rule is what is missing (T3); one that several
// registries trust, when none was named, is a Conflict that names them.
func (s *Service) Exchange(ctx context.Context, in ExchangeInput) (secret string, out Token, err error) {
	if secret, err = newSecret(s.random); err != nil {
		return "", Token{}, fmt.Errorf("draw a secret: %w", err)
	}
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		rule, err := trusted(ctx, tx, in)
		if err != nil {
			return err
		}
		out, err = s.exchange(ctx, tx, rule, in, secret)
		return err
	})
	if err != nil {
		return "", Token{}, err
	}
	return secret, out, nil
}

func (s *Service) exchange(ctx context.Context, tx *db.Tx, rule *ent.TrustRule, in ExchangeInput, secret string) (Token, error) {
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
	// Written as the rule, which is what the audit names.
	ctx = scope.WithActor(ctx, scope.Actor{Kind: scope.ActorSystem, Name: "trust rule " + rule.Name, IP: scope.ActorOf(ctx).IP})
	t := &turn{Tx: tx, s: s}
	c := t.newToken(TokenInput{Name: exchangedName(rule.Name, in.Identity.Subject), Write: true, Registries: []uuid.UUID{rule.RegistryID},
		Packages: []string{in.Package.Name}, Networks: []string{}, ExpiresAt: now.Add(ExchangedFor)}, secret).SetTrustRuleID(rule.ID)
	row, err := c.Save(ctx)
	if err != nil {
		return Token{}, err
	}
	if err := tx.Ent.TrustRule.UpdateOne(rule).SetLastUsedAt(now).Exec(ctx); err != nil {
		return Token{}, err
	}
	made := readToken(row)
	return made, s.audit.Record(ctx, tx, audit.Event{Action: "token:exchange", ObjectType: "token", ObjectID: row.ID.String(), Registry: rule.RegistryID,
		After: map[string]any{"token": made, "rule": rule.Name, "issuer": in.Identity.Issuer, "subject": in.Identity.Subject, "package": in.Package.Name}})
}

func exchangedName(rule, subject string) string {
	name := []rune(strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, rule+": "+subject))
	return string(name[:min(len(name), MaxName)])
}

// trusted finds the rule by which the identity may publish the package.
func trusted(ctx context.Context, tx *db.Tx, in ExchangeInput) (*ent.TrustRule, error) {
	q := tx.Ent.TrustRule.Query().Where(trustrule.Issuer(in.Identity.Issuer)).Order(ent.Asc(trustrule.FieldID))
	if in.Registry != uuid.Nil {
		q.Where(trustrule.RegistryID(in.Registry))
	}
	rules, err := q.All(ctx)
	if err != nil {
		return nil, err
	}
	matching := map[uuid.UUID]*ent.TrustRule{} // the first of each registry
	for _, r := range rules {
		if matching[r.RegistryID] == nil && ruleMatches(r, in) {
			matching[r.RegistryID] = r
		}
	}
	var found *ent.TrustRule
	var names []string
	for id, rule := range matching {
		reg, err := tx.Ent.Registry.Query().Where(registry.ID(id), registry.DeletedAtIsNil(), registry.Ecosystem(in.Package.Ecosystem)).Only(ctx)
		if ent.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found, names = rule, append(names, reg.Name)
	}
	switch len(names) {
	case 0:
		return nil, NotTrusted()
	case 1:
		return found, nil
	}
	return nil, errs.New(errs.Conflict, "access.Exchange", "the registries %s all trust this identity for %s, and the request does not say which one is meant; give each its own host name, or trust it in one", strings.Join(names, ", "), in.Package.Name)
}

// NotTrusted is the one answer for every identity that gets no token.
func NotTrusted() error {
	return errs.New(errs.Unauthenticated, "access.Exchange", "this identity is not trusted to publish this package here; the issuer, every claim and the package must match a trust rule of the registry, and the audience must be npm: and the registry's host name")
}

func ruleMatches(r *ent.TrustRule, in ExchangeInput) bool {
	// Old npm names may have a "*", which a token's limit would take for any text.
	if len(r.Claims) == 0 || strings.Contains(in.Package.Name, "*") {
		return false
	}
	for name, want := range r.Claims {
		if !claimMatches(want, in.Identity.Claims[name]) {
			return false
		}
	}
	if len(r.Packages) == 0 {
		return true
	}
	limited := &credential{subject: Subject{Packages: r.Packages}}
	return limited.writes(in.Package) == nil
}

// claimMatches compares a claim's value with the one wanted. A list matches by
// one of its elements; an object and null never do.
func claimMatches(want string, value any) bool {
	switch v := value.(type) {
	case string:
		return wildcard(want, v)
	case bool:
		return wildcard(want, strconv.FormatBool(v))
	case float64, json.Number:
		b, err := json.Marshal(v)
		return err == nil && wildcard(want, string(b))
	case []any:
		for _, e := range v {
			if _, nested := e.([]any); !nested && claimMatches(want, e) {
				return true
			}
		}
	}
	return false
}

// wildcard reports whether text is the pattern, in which each "*" stands for any
// run of characters.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
