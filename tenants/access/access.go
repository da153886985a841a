// Package access decides who may do what in an organization (laws A2 to A5):
// actions, built-in and custom roles, grants on the organization or on one
// registry, members, and tokens.
//
// Casbin decides, with one small enforcer per organization that is loaded on
// demand and dropped by the change feed. What a credential may do is compiled
// once into a set, so that a download asks no enforcer and no database.
package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org/recall"
	"sluice.dev/sluice/tenants/scope"
)

// Bounds of what a node remembers.
const (
	mostOrganizations = 2_000
	mostUnknown       = 20_000
	unknownFor        = 10 * time.Second
)

// Service answers for the context's organization; without one, every method
// fails with scope.ErrNoOrg. It is safe for concurrent use.
type Service struct {
	db    *db.DB
	audit *audit.Log
	now   func() time.Time
	// random is where secrets come from; a field only for tests of this package.
	random io.Reader

	states  *recall.Memory[uuid.UUID, *state]
	unknown *otter.Cache[unknownToken, struct{}]
	used    usage
}

// unknownToken is a hash that is no token of the organization. That stays true
// for good: a secret is random, so none that was asked for before can be made
// later, and what was revoked stays so.
type unknownToken struct {
	org  uuid.UUID
	hash [32]byte
}

// New returns the service. Make it before the change feed runs.
func New(d *db.DB, log *audit.Log, now func() time.Time) *Service {
	s := &Service{db: d, audit: log, now: now, random: rand.Reader,
		states: recall.New(d.Feed, recall.Options[uuid.UUID, *state]{Most: mostOrganizations}),
		unknown: otter.Must(&otter.Options[unknownToken, struct{}]{
			MaximumSize:      mostUnknown,
			ExpiryCalculator: otter.ExpiryCreating[unknownToken, struct{}](unknownFor),
		})}
	d.Feed.Subscribe(func(c db.Change) {
		if c.Kind == db.Access {
			s.states.Forget(c.Org)
		}
	}, s.states.ForgetAll)
	return s
}

// Can reports whether the subject may do the action on the registry, or on the
// organization when registry is uuid.Nil. It reads what was committed last, and
// notices that a token has ended since it was authenticated. Call it before
// opening a transaction; inside one use [Service.RequireIn].
func (s *Service) Can(ctx context.Context, who Subject, a Action, registry uuid.UUID) (bool, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return false, err
	}
	if !a.Valid() {
		return false, fmt.Errorf("access: %q is no action", a)
	}
	switch {
	case who.Kind == KindSystem:
		return true, nil
	case who.live == nil || who.org != org:
		return false, nil
	}
	c, err := s.alive(ctx, who)
	if err != nil || c == nil {
		return false, err
	}
	return c.can(a, registry)
}

// Require is Can with an error: Unauthenticated for nobody, NotFound when the
// subject may not know that the registry exists (T3), else Forbidden with the
// action that is missing.
func (s *Service) Require(ctx context.Context, who Subject, a Action, registry uuid.UUID) error {
	ok, err := s.Can(ctx, who, a, registry)
	if err != nil || ok {
		return err
	}
	if registry != uuid.Nil && !who.IsAnonymous() {
		sees, err := s.Can(ctx, who, RegistryRead, registry)
		if err != nil {
			return err
		}
		if !sees {
			return noRegistry()
		}
	}
	return missing(who, a, registry)
}

// Reads reports whether the subject may see the registry and install from it.
// It is Can of registry:read without asking the enforcer: while nothing
// changed it looks into a compiled set and allocates nothing.
func (s *Service) Reads(ctx context.Context, who Subject, registry uuid.UUID) (bool, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case who.Kind == KindSystem:
		return true, nil
	case who.live == nil || who.org != org:
		return false, nil
	}
	c, err := s.alive(ctx, who)
	if err != nil || c == nil {
		return false, err
	}
	return c.on(registry).has(RegistryRead), nil
}

// Reach tells where a subject may do something.
type Reach struct {
	All        bool        // on the organization, so on every registry
	Registries []uuid.UUID // else on these, in no order; nil is nowhere
}

// Where returns where the subject may do the action, for lists that show only
// what may be seen.
func (s *Service) Where(ctx context.Context, who Subject, a Action) (Reach, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return Reach{}, err
	}
	switch {
	case who.Kind == KindSystem:
		return Reach{All: true}, nil
	case who.live == nil || who.org != org:
		return Reach{}, nil
	}
	c, err := s.alive(ctx, who)
	if err != nil || c == nil {
		return Reach{}, err
	}
	return c.where(a), nil
}

// Allowed lists what the subject may do on the registry, or on the organization
// when registry is uuid.Nil.
func (s *Service) Allowed(ctx context.Context, who Subject, registry uuid.UUID) ([]Action, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case who.Kind == KindSystem:
		return all(nil), nil
	case who.live == nil || who.org != org:
		return nil, nil
	}
	c, err := s.alive(ctx, who)
	if err != nil || c == nil {
		return nil, err
	}
	return c.on(registry).list(), nil
}

// noLonger is what a credential says that ended while it was used.
func noLonger() error {
	return errs.New(errs.Unauthenticated, "access", "the login or token has ended; log in again")
}

func noRegistry() error {
	return errs.New(errs.NotFound, "access.Require", "the registry does not exist").On("registry")
}

// missing says which action the subject lacks, and what its credential has to
// do with it.
func missing(who Subject, a Action, registry uuid.UUID) error {
	if who.IsAnonymous() {
		return errs.New(errs.Unauthenticated, "access.Require", "this needs %s; log in or send a token", a)
	}
	if len(who.Packages) > 0 && who.Write && !a.Reading() {
		return errs.New(errs.Forbidden, "access.Require", "this needs %s beyond single packages; the token %q may only write to the packages %s", a, who.Name, strings.Join(who.Packages, ", "))
	}
	where := "on the organization"
	if registry != uuid.Nil && a.PerRegistry() {
		where = "on this registry"
	}
	switch {
	case !who.Write && !a.Reading():
		return errs.New(errs.Forbidden, "access.Require", "this needs %s %s; the token %q is read-only", a, where, who.Name)
	case len(who.Registries) > 0:
		return errs.New(errs.Forbidden, "access.Require", "this needs %s %s; the token %q is limited to %d registries and its owner's rights there", a, where, who.Name, len(who.Registries))
	}
	return errs.New(errs.Forbidden, "access.Require", "this needs %s %s; ask somebody who may grant it", a, where)
}
