package access

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/serviceaccount"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/ent/trustrule"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of trust rules.
const (
	MaxTrustRules      = 500 // of an organization
	MaxTrustRegistries = 50  // of one rule
	MaxTrustClaims     = 20
	// MaxTrustReuse bounds how long one identity token may be exchanged again.
	MaxTrustReuse = 24 * time.Hour
	// DefaultTrustReuse covers a job whose service gives it one identity token
	// for its whole run, as GitLab does, and that asks again before it publishes.
	DefaultTrustReuse = time.Hour

	maxClaimName  = 100 // bytes
	maxClaimValue = 500 // bytes
)

// TrustRule says which identities of an outside issuer, such as the jobs of a CI
// service, get a token for fifteen minutes, and what it may do. With a service
// account that is what the account may, else what the role publisher (with
// Write) or reader allows on the registries.
type TrustRule struct {
	ID          uuid.UUID
	Name        string // unique in the organization
	Description string
	Provider    TrustProvider
	Issuer      string            // as tokens name it
	Claims      map[string]string // every one must match
	ServiceID   uuid.UUID         // uuid.Nil for a rule of registries
	ServiceName string            // of the service account
	Registries  []uuid.UUID       // sorted; of a service account: what its tokens are limited to, empty for no limit
	Write       bool              // false: only actions that read
	Packages    []string          // patterns of names that may be written; empty: every package
	// Reuse is how long after its first exchange one identity token may be
	// exchanged again; zero is never.
	Reuse      time.Duration
	CreatedAt  time.Time
	LastUsedAt *time.Time // nil before the first exchange
}

// TrustRuleInput is what a rule needs.
type TrustRuleInput struct {
	Name        string // unique in the organization
	Description string
	Provider    TrustProvider // "" is OtherIssuer
	Issuer      string        // an https URL; "" for the provider's hosted service
	// Claims are what the identity token must say besides its issuer and
	// audience: the claim's exact value, in which a "*" at the end stands for any
	// run of characters, and one before that for a run without "/", ":" and "@".
	// In claims that say who it is, a "*" must come right after one of those.
	// Truth values and numbers are compared as JSON writes them; a list matches
	// by one element, where the provider is not known to have none. At least one
	// claim that says who it is must be without "*".
	Claims     map[string]string
	ServiceID  uuid.UUID
	Registries []uuid.UUID
	Write      bool
	Packages   []string
	Reuse      time.Duration // 0 to [MaxTrustReuse], in whole seconds
}

func (in *TrustRuleInput) normalize(op string) (err error) {
	in.Name, in.Description = strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)
	if err := checkName(op, in.Name); err != nil {
		return err
	}
	if !utf8.ValidString(in.Description) || utf8.RuneCountInString(in.Description) > MaxDescription {
		return errs.New(errs.Invalid, op, "the description has more than %d characters", MaxDescription).On("description")
	}
	if err := in.checkIssuer(op); err != nil {
		return err
	}
	if err := checkClaims(op, in.Provider, in.Issuer, in.Claims); err != nil {
		return err
	}
	in.Registries = slices.Clone(in.Registries)
	slices.SortFunc(in.Registries, compareIDs)
	in.Registries = slices.Compact(in.Registries)
	switch {
	case in.ServiceID == uuid.Nil && len(in.Registries) == 0:
		return errs.New(errs.Invalid, op, "the rule reaches nothing; name a service account, or at least one registry").On("registries")
	case len(in.Registries) > MaxTrustRegistries:
		return errs.New(errs.Invalid, op, "the rule names %d registries; at most %d are allowed", len(in.Registries), MaxTrustRegistries).On("registries")
	case slices.Contains(in.Registries, uuid.Nil):
		return noRegistry()
	case in.Reuse < 0 || in.Reuse > MaxTrustReuse || in.Reuse%time.Second != 0:
		return errs.New(errs.Invalid, op, "an identity token cannot be used again for %s; want whole seconds, 0 for once only, and %s at most", in.Reuse, MaxTrustReuse).On("reuse")
	case len(in.Packages) > 0 && !in.Write:
		return errs.New(errs.Invalid, op, "the rule only reads, so that a limit on the packages that it writes means nothing; let it write or leave the packages out").On("packages")
	}
	in.Packages, err = checkPackages(op, in.Packages)
	return err
}

func (in *TrustRuleInput) checkIssuer(op string) error {
	preset := presetOf(in.Provider, "")
	switch {
	case in.Provider == "":
		in.Provider = OtherIssuer
	case preset == nil && in.Provider != OtherIssuer:
		return errs.New(errs.Invalid, op, "%.40q is none of the providers GITHUB, GITLAB and OTHER", in.Provider).On("provider")
	case preset != nil && in.Issuer == "":
		in.Issuer = preset.Issuer
	}
	u, err := url.Parse(in.Issuer)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(in.Issuer) > 500 {
		return errs.New(errs.Invalid, op, "the issuer %.200q must be an https URL without query, exactly as its tokens name it", in.Issuer).On("issuer")
	}
	return nil
}

// CreateTrustRule makes a rule. One of registries needs registry:update on each
// of them, and there every action of the role that it hands on; one of a service
// account needs token:manage and what the account may, as far as the rule
// reaches (A4). A name that is taken is a Conflict.
func (s *Service) CreateTrustRule(ctx context.Context, in TrustRuleInput) (out TrustRule, err error) {
	const op = "access.CreateTrustRule"
	if err := in.normalize(op); err != nil {
		return TrustRule{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		if err := t.mayHandOnTrust(ctx, in); err != nil {
			return err
		}
		n, err := t.Ent.TrustRule.Query().Count(ctx)
		if err != nil {
			return err
		}
		if n >= MaxTrustRules {
			return errs.New(errs.Conflict, op, "the organization has %d trust rules, which is the most allowed", n)
		}
		c := t.Ent.TrustRule.Create().SetName(in.Name).SetDescription(in.Description).SetProvider(trustrule.Provider(in.Provider)).SetIssuer(in.Issuer).
			SetClaims(in.Claims).SetRegistries(in.Registries).SetWrite(in.Write).SetPackages(in.Packages).SetReuseSeconds(int(in.Reuse / time.Second)).SetCreatedAt(s.now())
		if in.ServiceID != uuid.Nil {
			c.SetServiceID(in.ServiceID)
		}
		row, err := c.Save(ctx)
		if err != nil {
			return err
		}
		if out, err = t.readTrust(ctx, row); err != nil {
			return err
		}
		return t.done(ctx, trustEvent("trust:create", out.ID, out.Registries, nil, out))
	})
	return out, trustTaken(op, in.Name, err)
}

// UpdateTrustRule replaces all of a rule. It needs what taking the old one away
// and making the new one need. Tokens that were exchanged by it end at once;
// jobs that still match ask again. Changing nothing ends nothing.
func (s *Service) UpdateTrustRule(ctx context.Context, id uuid.UUID, in TrustRuleInput) (out TrustRule, err error) {
	const op = "access.UpdateTrustRule"
	if err := in.normalize(op); err != nil {
		return TrustRule{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.trustRule(ctx, op, id)
		if err != nil {
			return err
		}
		if err := t.mayHandOnTrust(ctx, in); err != nil {
			return err
		}
		before, err := t.readTrust(ctx, row)
		if out = before; err != nil || in.same(before) {
			return err
		}
		u := t.Ent.TrustRule.UpdateOne(row).SetName(in.Name).SetDescription(in.Description).SetProvider(trustrule.Provider(in.Provider)).SetIssuer(in.Issuer).
			SetClaims(in.Claims).SetRegistries(in.Registries).SetWrite(in.Write).SetPackages(in.Packages).SetReuseSeconds(int(in.Reuse / time.Second))
		if in.ServiceID == uuid.Nil {
			u.ClearServiceID()
		} else {
			u.SetServiceID(in.ServiceID)
		}
		if row, err = u.Save(ctx); err != nil {
			return err
		}
		if _, err := t.Ent.Token.Delete().Where(token.TrustRuleID(id)).Exec(ctx); err != nil {
			return err
		}
		if out, err = t.readTrust(ctx, row); err != nil {
			return err
		}
		return t.done(ctx, trustEvent("trust:update", id, slices.Concat(before.Registries, out.Registries), before, out))
	})
	return out, trustTaken(op, in.Name, err)
}

// DeleteTrustRule removes a rule with the tokens that were exchanged by it,
// which end at once. It needs registry:update on each of the rule's registries,
// or token:manage for one of a service account; a rule that does not exist, or
// that one may not see, is NotFound.
func (s *Service) DeleteTrustRule(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.trustRule(ctx, "access.DeleteTrustRule", id)
		if err != nil {
			return err
		}
		if err := t.Ent.TrustRule.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		before, err := t.readTrust(ctx, row)
		if err != nil {
			return err
		}
		return t.done(ctx, trustEvent("trust:delete", id, before.Registries, before, nil))
	})
}

func (t *turn) readTrust(ctx context.Context, row *ent.TrustRule) (TrustRule, error) {
	one := []TrustRule{readTrustRule(row)}
	err := nameAccounts(ctx, t.Tx, one)
	return one[0], err
}

// trustRule returns a rule that the turn may change.
func (t *turn) trustRule(ctx context.Context, op string, id uuid.UUID) (*ent.TrustRule, error) {
	row, err := t.Ent.TrustRule.Get(ctx, id)
	if err != nil && !ent.IsNotFound(err) {
		return nil, err
	}
	sees := false
	if row != nil {
		if sees, err = t.seesTrust(row); err != nil {
			return nil, err
		}
	}
	if !sees {
		return nil, errs.New(errs.NotFound, op, "the trust rule does not exist")
	}
	if row.ServiceID != nil {
		return row, t.require(TokenManage, uuid.Nil)
	}
	for _, id := range row.Registries {
		ok, err := t.can(RegistryUpdate, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errs.New(errs.Forbidden, op, "the rule also reaches registries on which you do not have registry:update; ask somebody who does")
		}
	}
	return row, nil
}

// mayHandOnTrust refuses a rule that would let somebody in for more than the
// acting subject may (A4).
func (t *turn) mayHandOnTrust(ctx context.Context, in TrustRuleInput) error {
	if in.ServiceID != uuid.Nil {
		if err := t.require(TokenManage, uuid.Nil); err != nil {
			return err
		}
		if len(in.Registries) > 0 {
			if err := t.registryExists(ctx, in.Registries...); err != nil {
				return err
			}
		}
		if err := t.boundAccountToken(ctx, TokenInput{ServiceID: in.ServiceID, Write: in.Write, Registries: in.Registries}); err != nil {
			if errs.Is(err, errs.NotFound) {
				return errs.New(errs.NotFound, "access.TrustRule", "the service account does not exist or is not active").On("serviceAccount")
			}
			return err
		}
		return nil
	}
	hands := readerActions
	if in.Write {
		hands = publisherActions
	}
	for _, id := range in.Registries {
		if err := t.require(RegistryUpdate, id); err != nil {
			return err
		}
		if err := t.registryExists(ctx, id); err != nil {
			return err
		}
		if err := t.bound("a trust rule", hands, id); err != nil {
			return err
		}
	}
	return nil
}

func trustTaken(op, name string, err error) error {
	if _, taken := db.IsUnique(err); taken {
		return errs.New(errs.Conflict, op, "there is a trust rule %q already; choose another name", name).On("name")
	}
	return err
}

// trustEvent is of the registry that the rule is about, or of the organization
// when it is about several.
func trustEvent(action string, id uuid.UUID, registries []uuid.UUID, before, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "trust-rule", ObjectID: id.String(), Registry: onlyOne(registries), Before: before, After: after}
}

// onlyOne returns the one id that the list is of, uuid.Nil when there are
// several or none.
func onlyOne(ids []uuid.UUID) uuid.UUID {
	if len(ids) == 0 || slices.ContainsFunc(ids, func(id uuid.UUID) bool { return id != ids[0] }) {
		return uuid.Nil
	}
	return ids[0]
}

// activeAccount reports whether the rule's service account may act; true for a
// rule without one.
func activeAccount(ctx context.Context, tx *db.Tx, r *ent.TrustRule) (bool, error) {
	if r.ServiceID == nil {
		return true, nil
	}
	return tx.Ent.ServiceAccount.Query().Where(serviceaccount.ID(*r.ServiceID), serviceaccount.DeactivatedAtIsNil()).Exist(ctx)
}
