package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/ent/trustrule"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of the identity tokens that are exchanged.
const (
	// MaxIdentityAge is how long after it was issued an identity token counts,
	// whatever it says of its end.
	MaxIdentityAge = 24 * time.Hour
	clockSkew      = 5 * time.Minute // of issuers
)

// WorkloadInput asks for a token that may all that a trust rule lets an identity
// do.
type WorkloadInput struct {
	Identity Identity
	ReadOnly bool // a token that only reads, whatever the rule allows
}

// ExchangeWorkload makes a token for an outside identity that a trust rule
// trusts, for fifteen minutes. Whoever calls it has verified the identity,
// audience included. It needs no subject.
//
// Of several rules that match, the one with the most claims is taken, which is
// the narrowest, and of those the oldest. An identity that no rule trusts, or
// whose token was used up ([TrustRule.Reuse]), is too old, or says not when it
// was issued, gets the one error [UnknownWorkload] (T3). What the rule reaches
// but has been deleted since is left out; when nothing is left it is the same
// error.
func (s *Service) ExchangeWorkload(ctx context.Context, in WorkloadInput) (secret string, out Token, err error) {
	return s.inExchange(ctx, func(ctx context.Context, tx *db.Tx, secret string) (Token, error) {
		if !s.recent(in.Identity) {
			return Token{}, UnknownWorkload()
		}
		rule, reach, err := narrowest(ctx, tx, in.Identity)
		if err != nil {
			return Token{}, err
		}
		t := TokenInput{Write: rule.Write && !in.ReadOnly, Registries: reach, Packages: []string{}}
		if t.Write {
			t.Packages = rule.Packages
		}
		return s.exchange(ctx, tx, rule, in.Identity, t, secret, UnknownWorkload)
	})
}

// UnknownWorkload is the one answer for every identity that gets no token.
func UnknownWorkload() error {
	return errs.New(errs.Unauthenticated, "access.ExchangeWorkload", "this identity token gets no token here: its issuer and its claims must match a trust rule of the organization, it must be valid, at most %s old, and not used up", MaxIdentityAge)
}

// recent reports whether an identity was issued within the last day.
func (s *Service) recent(id Identity) bool {
	at, ok := seconds(id.Claims["iat"])
	now := s.now()
	return ok && at.After(now.Add(-MaxIdentityAge)) && !at.After(now.Add(clockSkew))
}

// seconds reads a NumericDate (RFC 7519, 2).
func seconds(claim any) (time.Time, bool) {
	n, ok := claim.(float64)
	if !ok || n < 0 || n > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// narrowest finds the rule for an identity, and what of its registries exists.
func narrowest(ctx context.Context, tx *db.Tx, id Identity) (*ent.TrustRule, []uuid.UUID, error) {
	rules, err := tx.Ent.TrustRule.Query().Where(trustrule.Issuer(id.Issuer)).Order(ent.Asc(trustrule.FieldID)).All(ctx)
	if err != nil {
		return nil, nil, err
	}
	var best *ent.TrustRule
	var reach []uuid.UUID
	for _, r := range rules {
		if best != nil && len(r.Claims) <= len(best.Claims) || !trustMatches(r, id) {
			continue
		}
		there, ok, err := reachable(ctx, tx, r)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			best, reach = r, there
		}
	}
	if best == nil {
		return nil, nil, UnknownWorkload()
	}
	return best, reach, nil
}

// reachable are the rule's registries that exist; false when the rule reaches
// nothing at all.
func reachable(ctx context.Context, tx *db.Tx, r *ent.TrustRule) ([]uuid.UUID, bool, error) {
	active, err := activeAccount(ctx, tx, r)
	if err != nil || !active {
		return nil, false, err
	}
	if len(r.Registries) == 0 { // a service account without a limit
		return []uuid.UUID{}, true, nil
	}
	ids, err := tx.Ent.Registry.Query().Where(registry.IDIn(r.Registries...), registry.DeletedAtIsNil()).Order(ent.Asc(registry.FieldID)).IDs(ctx)
	return ids, len(ids) > 0, err
}

// useIdentity notes that an identity token was exchanged by a rule. It is false
// when it has been before, and longer ago than the rule lets it be used again.
// Tokens of the same job that differ in nothing count as one.
func useIdentity(ctx context.Context, tx *db.Tx, rule *ent.TrustRule, id Identity, now time.Time) (bool, error) {
	var first time.Time
	var again bool
	end, ok := seconds(id.Claims["exp"])
	if !ok || end.After(now.Add(MaxIdentityAge)) {
		end = now.Add(MaxIdentityAge)
	}
	// One statement, so that of two exchanges at once one is the first.
	err := tx.QueryRow(ctx, `INSERT INTO used_identities (id, org_id, trust_rule_id, hash, first_used_at, expires_at)
		VALUES ($1, `+db.Ours+`, $2, $3, $4, $5)
		ON CONFLICT (org_id, trust_rule_id, hash) DO UPDATE SET expires_at = used_identities.expires_at
		RETURNING first_used_at, id <> $1`, uuid.Must(uuid.NewV7()), rule.ID, identityHash(id), now, end).Scan(&first, &again)
	if err != nil {
		return false, fmt.Errorf("note the identity token: %w", err)
	}
	return !again || now.Sub(first) < time.Duration(rule.ReuseSeconds)*time.Second, nil
}

// identityHash tells identity tokens apart: by the id that their issuer gives
// them (RFC 7519, 4.1.7), else by all that they say.
func identityHash(id Identity) []byte {
	name, _ := id.Claims["jti"].(string)
	var said []byte
	if name == "" {
		said, _ = json.Marshal(id.Claims) // was decoded from JSON; keys are sorted
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s", id.Issuer, name, said))
	return sum[:]
}
