package access

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/casbin/casbin/v2"
	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entorg "sluice.dev/sluice/ent/organization"
	"sluice.dev/sluice/ent/teammember"
	"sluice.dev/sluice/tenants/scope"
)

// state is what an organization's roles and grants say at one moment. Nothing
// in it changes but the credentials, which are added as they are used; on any
// change of the organization's access the whole is dropped.
type state struct {
	org      uuid.UUID
	enforcer *casbin.Enforcer
	roles    map[string]set
	places   map[Principal][]uuid.UUID // where each has grants, also by a team; uuid.Nil is the organization
	closed   bool                      // suspended or deleted: nobody's credential works

	credentials sync.Map      // key → *credential; only of credentials that were alive
	added       atomic.Uint64 // how many there have been
}

// state returns the organization's state, from memory when that may be trusted.
func (s *Service) state(ctx context.Context, org uuid.UUID) (*state, error) {
	return s.states.Get(ctx, org, func(ctx context.Context) (st *state, err error) {
		// Bound to the key, so that nothing can be kept under another name.
		err = s.db.InSnapshot(scope.With(ctx, org), func(ctx context.Context, tx *db.Tx) (err error) {
			st, err = load(ctx, tx)
			return err
		})
		return st, err
	})
}

// load reads the organization's state in the transaction.
func load(ctx context.Context, tx *db.Tx) (*state, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	roles, err := loadRoles(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("load roles: %w", err)
	}
	bindings, err := loadBindings(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("load grants: %w", err)
	}
	teams, err := loadTeams(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("load teams: %w", err)
	}
	rules, err := tx.Ent.TrustRule.Query().All(ctx)
	if err != nil {
		return nil, fmt.Errorf("load trust rules: %w", err)
	}
	bindings = append(bindings, trustBindings(rules)...)
	st := &state{org: org, roles: make(map[string]set, len(roles)), places: make(map[Principal][]uuid.UUID)}
	if st.enforcer, err = newEnforcer(roles, bindings, teams); err != nil {
		return nil, err
	}
	if st.closed, err = isClosed(ctx, tx, org); err != nil {
		return nil, fmt.Errorf("load organization: %w", err)
	}
	for _, r := range roles {
		st.roles[r.name] = setOf(r.actions...)
	}
	for _, b := range bindings {
		st.at(b.who, b.registry)
		if b.who.Kind == KindTeam {
			for _, m := range teams[b.who.ID] {
				st.at(MemberPrincipal(m), b.registry)
			}
		}
	}
	return st, nil
}

// trustBindings are the roles of trust rules. One of a service account has none:
// its tokens are the account's.
func trustBindings(rules []*ent.TrustRule) (out []binding) {
	for _, r := range rules {
		role := Reader
		if r.Write {
			role = Publisher
		}
		for _, id := range r.Registries {
			if r.ServiceID == nil {
				out = append(out, binding{who: Principal{KindTrust, r.ID}, role: role, registry: id})
			}
		}
	}
	return out
}

// at remembers that somebody has a grant at a place.
func (st *state) at(who Principal, place uuid.UUID) {
	if !slices.Contains(st.places[who], place) {
		st.places[who] = append(st.places[who], place)
	}
}

// isClosed reports whether the organization is suspended, deleted or not there.
func isClosed(ctx context.Context, tx *db.Tx, org uuid.UUID) (bool, error) {
	open, err := tx.Ent.Organization.Query().Where(entorg.ID(org), entorg.SuspendedAtIsNil(), entorg.DeletedAtIsNil()).Exist(ctx)
	return !open, err
}

// loadTeams returns the members of every team, deactivated ones too.
func loadTeams(ctx context.Context, tx *db.Tx) (map[uuid.UUID][]uuid.UUID, error) {
	rows, err := tx.Ent.TeamMember.Query().Order(ent.Asc(teammember.FieldID)).All(ctx)
	out := make(map[uuid.UUID][]uuid.UUID)
	for _, r := range rows {
		out[r.TeamID] = append(out[r.TeamID], r.MemberID)
	}
	return out, err
}

func loadRoles(ctx context.Context, tx *db.Tx) (out []role, err error) {
	for _, b := range builtIn {
		out = append(out, role{b.Name, b.Actions})
	}
	rows, err := tx.Ent.Role.Query().All(ctx)
	for _, r := range rows {
		if _, taken := builtInRole(r.Name); !taken {
			out = append(out, role{r.Name, known(r.Actions)})
		}
	}
	return out, err
}

// known drops actions that this node has no meaning for: a newer node may have
// written them, an older one may have left them behind.
func known(names []string) (out []Action) {
	for _, n := range names {
		if a := Action(n); a.Valid() {
			out = append(out, a)
		}
	}
	return out
}

// loadBindings reads all grants, those of deactivated members too: whether a
// credential is alive is looked at where it is found.
func loadBindings(ctx context.Context, tx *db.Tx) ([]binding, error) {
	rows, err := tx.Ent.RoleGrant.Query().All(ctx)
	out := make([]binding, len(rows))
	for i, g := range rows {
		out[i] = bindingOf(g)
	}
	return out, err
}

func bindingOf(g *ent.RoleGrant) binding {
	b := binding{who: Principal{Kind(g.SubjectKind), g.SubjectID}, role: g.Role}
	if g.RegistryID != nil {
		b.registry = *g.RegistryID
	}
	return b
}

// enforce asks Casbin. An action that is organization-wide only is asked for
// there, wherever it is wanted (R9).
func (st *state) enforce(who Principal, a Action, registry uuid.UUID) (bool, error) {
	if !a.PerRegistry() {
		registry = uuid.Nil
	}
	return st.enforcer.Enforce(who.String(), domain(registry), string(a))
}

// rights are the actions of a principal, by place.
type rights struct {
	everywhere set
	registries map[uuid.UUID]set // in addition
}

// compile collects from Casbin's roles what a principal may do everywhere and
// on single registries. [state.enforce] agrees with it, which a test shows.
func (st *state) compile(who Principal) rights {
	var r rights
	for _, place := range st.places[who] {
		var may set
		// Besides roles there are teams among the names, which allow nothing by
		// themselves.
		names, err := st.enforcer.GetImplicitRolesForUser(who.String(), domain(place))
		if err != nil {
			continue // nobody has what cannot be read
		}
		for _, name := range names {
			may |= st.roles[name]
		}
		if place == uuid.Nil {
			r.everywhere = may
			continue
		}
		if r.registries == nil {
			r.registries = make(map[uuid.UUID]set)
		}
		r.registries[place] = may & delegable
	}
	return r
}
