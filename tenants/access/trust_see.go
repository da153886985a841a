package access

import (
	"context"
	"maps"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/serviceaccount"
	"sluice.dev/sluice/ent/trustrule"
	"sluice.dev/sluice/tenants/errs"
)

// TrustQuery asks for some trust rules. The zero value asks for all.
type TrustQuery struct {
	Registry uuid.UUID     // that reach this registry; uuid.Nil for any
	Service  uuid.UUID     // of this service account
	Issuer   string        // of exactly this issuer
	Provider TrustProvider // of this provider
	Search   string        // with this text in the name, in any case
	Desc     bool          // the newest first
}

// TrustRules lists the rules that reach a registry in the order in which they
// were made. It needs registry:update there.
func (s *Service) TrustRules(ctx context.Context, registry uuid.UUID) (out []TrustRule, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, RegistryUpdate, registry); err != nil {
			return err
		}
		rows, err := tx.Ent.TrustRule.Query().Order(ent.Asc(trustrule.FieldID)).All(ctx)
		for _, r := range rows {
			if r.ServiceID == nil && slices.Contains(r.Registries, registry) {
				out = append(out, readTrustRule(r))
			}
		}
		return err
	})
	return out, err
}

// BrowseTrustRules lists the rules that the context's subject may see, in the
// order in which they were made: those of a service account with token:manage,
// the others with registry:update on one of their registries. It is
// Unauthenticated for nobody.
func (s *Service) BrowseTrustRules(ctx context.Context, q TrustQuery, p Page) (out []TrustRule, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := q.rows(ctx, tx, p.After)
		if err != nil {
			return err
		}
		// There are at most MaxTrustRules of them, so that whoever may see few
		// costs no more.
		for _, r := range rows {
			sees, err := t.seesTrust(r)
			if err != nil {
				return err
			}
			if sees && (q.Registry == uuid.Nil || slices.Contains(r.Registries, q.Registry)) && len(out) < p.limit() {
				out = append(out, readTrustRule(r))
			}
		}
		return nameAccounts(ctx, tx, out)
	})
	return out, err
}

// nameAccounts fills in the names of the rules' service accounts.
func nameAccounts(ctx context.Context, tx *db.Tx, rules []TrustRule) error {
	var ids []uuid.UUID
	for _, r := range rules {
		if r.ServiceID != uuid.Nil {
			ids = append(ids, r.ServiceID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	accounts, err := tx.Ent.ServiceAccount.Query().Where(serviceaccount.IDIn(ids...)).All(ctx)
	for i := range rules {
		for _, a := range accounts {
			if a.ID == rules[i].ServiceID {
				rules[i].ServiceName = a.Name
			}
		}
	}
	return err
}

func (q TrustQuery) rows(ctx context.Context, tx *db.Tx, after uuid.UUID) ([]*ent.TrustRule, error) {
	rows := tx.Ent.TrustRule.Query().Order(trustrule.ByID(order(q.Desc)))
	if after != uuid.Nil && q.Desc {
		rows.Where(trustrule.IDLT(after))
	} else if after != uuid.Nil {
		rows.Where(trustrule.IDGT(after))
	}
	if q.Service != uuid.Nil {
		rows.Where(trustrule.ServiceID(q.Service))
	}
	if q.Issuer != "" {
		rows.Where(trustrule.Issuer(q.Issuer))
	}
	if q.Provider != "" {
		rows.Where(trustrule.ProviderEQ(trustrule.Provider(q.Provider)))
	}
	if q.Search != "" {
		rows.Where(trustrule.NameContainsFold(q.Search))
	}
	return rows.All(ctx)
}

func order(desc bool) sql.OrderTermOption {
	if desc {
		return sql.OrderDesc()
	}
	return sql.OrderAsc()
}

// VisibleTrustRules returns those of the rules that the context's subject may
// see, as [Service.BrowseTrustRules] says. It is Unauthenticated for nobody.
func (s *Service) VisibleTrustRules(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]TrustRule, error) {
	t, err := s.turn(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.Ent.TrustRule.Query().Where(trustrule.IDIn(ids...)).All(ctx)
	if err != nil {
		return nil, err
	}
	var list []TrustRule
	for _, r := range rows {
		sees, err := t.seesTrust(r)
		if err != nil {
			return nil, err
		}
		if sees {
			list = append(list, readTrustRule(r))
		}
	}
	out := make(map[uuid.UUID]TrustRule, len(list))
	err = nameAccounts(ctx, tx, list)
	for _, r := range list {
		out[r.ID] = r
	}
	return out, err
}

// seesTrust reports whether the turn may see a rule: whoever administers what
// it lets somebody into.
func (t *turn) seesTrust(r *ent.TrustRule) (bool, error) {
	if r.ServiceID != nil {
		return t.can(TokenManage, uuid.Nil)
	}
	for _, id := range r.Registries {
		if ok, err := t.can(RegistryUpdate, id); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// TestClaims compares the claims of an identity with a rule's, by name. Nothing
// comes of it.
func (r TrustRule) TestClaims(given map[string]any) []ClaimTest {
	return testClaims(r.Provider, r.Issuer, r.Claims, given)
}

// TrustedAccount returns the id of the service account with a name. It needs
// token:manage; without it, and for a name that no account has, it is NotFound.
func (s *Service) TrustedAccount(ctx context.Context, name string) (id uuid.UUID, err error) {
	nobody := errs.New(errs.NotFound, "access.ServiceAccount", "the service account does not exist or is not active").On("serviceAccount")
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		t, err := s.turn(ctx, tx)
		if err != nil {
			return err
		}
		may, err := t.can(TokenManage, uuid.Nil)
		if err != nil || !may {
			return errorOr(err, nobody)
		}
		id, err = tx.Ent.ServiceAccount.Query().Where(serviceaccount.Name(name)).OnlyID(ctx)
		if ent.IsNotFound(err) {
			return nobody
		}
		return err
	})
	return id, err
}

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// same reports whether the rule is as the input says already.
func (in TrustRuleInput) same(r TrustRule) bool {
	return in.Name == r.Name && in.Description == r.Description && in.Provider == r.Provider && in.Issuer == r.Issuer && maps.Equal(in.Claims, r.Claims) &&
		in.ServiceID == r.ServiceID && slices.Equal(in.Registries, r.Registries) && in.Write == r.Write && slices.Equal(in.Packages, r.Packages) && in.Reuse == r.Reuse
}

func readTrustRule(r *ent.TrustRule) TrustRule {
	out := TrustRule{ID: r.ID, Name: r.Name, Description: r.Description, Provider: TrustProvider(r.Provider), Issuer: r.Issuer, Claims: r.Claims,
		Registries: r.Registries, Write: r.Write, Packages: r.Packages, Reuse: time.Duration(r.ReuseSeconds) * time.Second, CreatedAt: r.CreatedAt, LastUsedAt: r.LastUsedAt}
	if r.ServiceID != nil {
		out.ServiceID = *r.ServiceID
	}
	return out
}
