package access

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/trustrule"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of trust rules.
const (
	MaxTrustRules  = 200 // of one registry
	MaxTrustClaims = 20
	maxClaimName   = 100 // bytes
	maxClaimValue  = 500 // bytes
)

// TrustRule says which identities of an outside issuer, such as the jobs of a CI
// service, may publish in a registry.
type TrustRule struct {
	ID         uuid.UUID
	Registry   uuid.UUID
	Name       string
	Issuer     string            // as tokens name it
	Claims     map[string]string // every one must match
	Packages   []string          // patterns of names; empty: every package of the registry
	CreatedAt  time.Time
	LastUsedAt *time.Time // nil before the first exchange
}

// TrustRuleInput is what a new rule needs.
type TrustRuleInput struct {
	Registry uuid.UUID
	Name     string // unique in the registry
	Issuer   string // an https URL
	// Claims are what the identity token must say besides its issuer and
	// audience: the claim's exact value, in which each "*" stands for any run of
	// characters. Truth values and numbers are compared as JSON writes them; of
	// a list one element must match. At least one is needed, and at least one
	// without "*".
	Claims   map[string]string
	Packages []string
}

// registered are the claims that every token has checked already.
var registered = []string{"iss", "aud", "exp", "iat", "nbf", "jti"}

func (in *TrustRuleInput) normalize() (err error) {
	const op = "access.CreateTrustRule"
	in.Name = strings.TrimSpace(in.Name)
	if err := checkName(op, in.Name); err != nil {
		return err
	}
	u, err := url.Parse(in.Issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(in.Issuer) > 500 {
		return errs.New(errs.Invalid, op, "the issuer %.200q must be an https URL without query, exactly as its tokens name it", in.Issuer).On("issuer")
	}
	if len(in.Claims) == 0 || len(in.Claims) > MaxTrustClaims {
		return errs.New(errs.Invalid, op, "the rule names %d claims; want 1 to %d, such as repository: acme/widgets", len(in.Claims), MaxTrustClaims).On("claims")
	}
	exact := false
	for _, name := range slices.Sorted(maps.Keys(in.Claims)) {
		if err := checkClaim(op, name, in.Claims[name]); err != nil {
			return err
		}
		exact = exact || !strings.Contains(in.Claims[name], "*")
	}
	if !exact {
		return errs.New(errs.Invalid, op, "every claim has a * in its value; name at least one exactly, such as repository_owner: acme, so that strangers at the same issuer stay out").On("claims")
	}
	in.Packages, err = checkPackages(op, in.Packages)
	return err
}

func checkClaim(op, name, value string) error {
	printable := func(s string) bool {
		return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	switch {
	case name == "" || len(name) > maxClaimName || !printable(name):
		return errs.New(errs.Invalid, op, "%.120q is no name of a claim; want 1 to %d printable bytes", name, maxClaimName).On("claims")
	case slices.Contains(registered, name):
		return errs.New(errs.Invalid, op, "the claim %s is checked for every token; name what tells identities apart, such as sub or repository", name).On("claims")
	case strings.Trim(value, "*") == "" || len(value) > maxClaimValue || !printable(value):
		return errs.New(errs.Invalid, op, "the claim %s must be compared with 1 to %d printable bytes that are not only *", name, maxClaimValue).On("claims")
	}
	return nil
}

// CreateTrustRule makes a rule. It needs registry:update on the registry, and
// there every action of the role publisher, which the rule hands on (A4).
func (s *Service) CreateTrustRule(ctx context.Context, in TrustRuleInput) (out TrustRule, err error) {
	if err := in.normalize(); err != nil {
		return TrustRule{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.require(RegistryUpdate, in.Registry); err != nil {
			return err
		}
		if err := t.registryExists(ctx, in.Registry); err != nil {
			return err
		}
		if err := t.bound("a trust rule", publisherActions, in.Registry); err != nil {
			return err
		}
		n, err := t.Ent.TrustRule.Query().Where(trustrule.RegistryID(in.Registry)).Count(ctx)
		if err != nil {
			return err
		}
		if n >= MaxTrustRules {
			return errs.New(errs.Conflict, "access.CreateTrustRule", "the registry has %d trust rules, which is the most allowed", n)
		}
		row, err := t.Ent.TrustRule.Create().SetRegistryID(in.Registry).SetName(in.Name).SetIssuer(in.Issuer).
			SetClaims(in.Claims).SetPackages(in.Packages).SetCreatedAt(s.now()).Save(ctx)
		if err != nil {
			return err
		}
		out = readTrustRule(row)
		return t.done(ctx, audit.Event{Action: "trust:create", ObjectType: "trust-rule", ObjectID: row.ID.String(), Registry: in.Registry, After: out})
	})
	if _, taken := db.IsUnique(err); taken {
		return TrustRule{}, errs.New(errs.Conflict, "access.CreateTrustRule", "the registry has a trust rule %q already", in.Name).On("name")
	}
	return out, err
}

// TrustRules lists the rules of a registry in the order in which they were made.
// It needs registry:update there.
func (s *Service) TrustRules(ctx context.Context, registry uuid.UUID) (out []TrustRule, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, RegistryUpdate, registry); err != nil {
			return err
		}
		rows, err := tx.Ent.TrustRule.Query().Where(trustrule.RegistryID(registry)).Order(ent.Asc(trustrule.FieldID)).All(ctx)
		for _, r := range rows {
			out = append(out, readTrustRule(r))
		}
		return err
	})
	return out, err
}

// DeleteTrustRule removes a rule with the tokens that were exchanged by it,
// which end at once. It needs registry:update on the rule's registry; a rule
// that does not exist, or is of a registry that one may not know of, is
// NotFound.
func (s *Service) DeleteTrustRule(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.Ent.TrustRule.Get(ctx, id)
		if err != nil && !ent.IsNotFound(err) {
			return err
		}
		if err == nil {
			err = t.require(RegistryUpdate, row.RegistryID)
		}
		if err != nil && (row == nil || errs.Is(err, errs.NotFound)) {
			return errs.New(errs.NotFound, "access.DeleteTrustRule", "the trust rule does not exist")
		}
		if err != nil {
			return err
		}
		if err := t.Ent.TrustRule.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		return t.done(ctx, audit.Event{Action: "trust:delete", ObjectType: "trust-rule", ObjectID: id.String(), Registry: row.RegistryID, Before: readTrustRule(row)})
	})
}

func readTrustRule(r *ent.TrustRule) TrustRule {
	return TrustRule{ID: r.ID, Registry: r.RegistryID, Name: r.Name, Issuer: r.Issuer, Claims: r.Claims, Packages: r.Packages,
		CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt}
}
