package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entremote "sluice.dev/sluice/ent/remote"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Names in the demonstration organization.
const (
	demoOrg   = "acme"
	demoAdmin = "admin@acme.example"
)

// seed makes the organization acme with the three set-ups, unless it is there,
// and keeps its remotes pointing at the configured registry.
func (n *node) seed(ctx context.Context, s *devState, remote string) error {
	ctx = access.As(ctx, access.System("demonstration"), "")
	if _, err := n.importer.ImportDemo(ctx, n.now()); err != nil {
		return err
	}
	ref, err := n.resolver.BySlug(ctx, demoOrg)
	switch {
	case errs.Is(err, errs.NotFound):
		made, err := n.orgs.Create(ctx, org.Input{Slug: demoOrg, Name: "Acme"})
		if err != nil {
			return err
		}
		ref.ID = made.ID
		own := []coord.ReservedPattern{{Ecosystem: coord.NPM, Pattern: "@acme/*"}}
		if _, err := n.orgs.ReservePatterns(scope.With(ctx, ref.ID), own); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	ctx = scope.With(ctx, ref.ID)
	d := &demo{n: n, s: s, remote: remote}
	for _, step := range []func(context.Context) error{d.remotes, d.solo, d.teams, d.enterprise, d.packages, d.people, d.seedLogins} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.NPMRemote = remote
	return nil
}

// demo makes the set-ups. Each step finds what is there already, so that a
// start that was interrupted goes on where it stopped.
type demo struct {
	n      *node
	s      *devState
	remote string
	public uuid.UUID // the remote for everything
	types  uuid.UUID // the remote for type declarations only
}

func (d *demo) remotes(ctx context.Context) (err error) {
	if d.public, err = d.ensureRemote(ctx, "npm-public"); err != nil {
		return err
	}
	d.types, err = d.ensureRemote(ctx, "npm-types")
	return err
}

func (d *demo) ensureRemote(ctx context.Context, name string) (uuid.UUID, error) {
	var have *ent.Remote
	err := d.n.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		have, err = tx.Ent.Remote.Query().Where(entremote.Ecosystem(coord.NPM), entremote.Name(name)).Only(ctx)
		return err
	})
	switch {
	case err == nil && have.BaseURL == d.remote:
		return have.ID, nil
	case err == nil:
		return have.ID, d.n.registries.MoveRemote(ctx, have.ID, d.remote)
	case !ent.IsNotFound(err):
		return uuid.Nil, err
	}
	made, err := d.n.registries.CreateRemote(ctx, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: d.remote})
	if err != nil {
		return uuid.Nil, err
	}
	return made.ID, nil
}

// ensure makes a registry unless it is there; fresh tells which.
func (d *demo) ensure(ctx context.Context, in registry.CreateInput) (id uuid.UUID, fresh bool, err error) {
	shape, err := d.n.shapes.Of(ctx)
	if err != nil {
		return uuid.Nil, false, err
	}
	if have := shape.Named(coord.NPM, in.Name); have != nil {
		return have.ID, false, nil
	}
	in.Ecosystem = coord.NPM
	made, err := d.n.registries.Create(ctx, in)
	if err != nil {
		return uuid.Nil, false, err
	}
	return made.ID, true, nil
}

// solo is the first set-up: a firewall alone, used by two teams and CI.
func (d *demo) solo(ctx context.Context) error {
	_, _, err := d.ensure(ctx, registry.CreateInput{Kind: registry.Firewall, Name: "solo-firewall",
		Description: "Set-up 1: one firewall that teams and CI use directly.", Upstream: &registry.UpstreamInput{Remote: d.public}})
	return err
}

// teams is the second: a firewall, and below it two teams with rules of their
// own.
func (d *demo) teams(ctx context.Context) error {
	firewall, _, err := d.ensure(ctx, registry.CreateInput{Kind: registry.Firewall, Name: "npm-firewall",
		Description: "Set-up 2: the firewall above team-a and team-b.", Upstream: &registry.UpstreamInput{Remote: d.public}})
	if err != nil {
		return err
	}
	if _, _, err = d.ensure(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Name: "team-a",
		Description: "Set-up 2: team A has no rules of its own.", Upstream: &registry.UpstreamInput{Source: firewall}}); err != nil {
		return err
	}
	b, fresh, err := d.ensure(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Name: "team-b",
		Description: "Set-up 2: team B does not want left-pad, and waits three days for new versions.", Upstream: &registry.UpstreamInput{Source: firewall}})
	if err != nil || !fresh {
		return err
	}
	leftPad, err := coord.ParseDefinition(coord.NPM, "left-pad")
	if err != nil {
		return err
	}
	for _, r := range []policy.Rule{
		{Name: "no left-pad", Kind: policy.KindBlock, Params: policy.Params{Definitions: []coord.Definition{leftPad}}},
		{Name: "three days of age", Kind: policy.KindMinimumAge, Params: policy.Params{MinAge: 72 * time.Hour}},
	} {
		r.Mode, r.Effect, r.OnViolation, r.AutoRelease = policy.Enforce, policy.Deny, policy.Hide, true
		r.Applies, r.Unknown = policy.DefaultScope(r.Kind), policy.DefaultUnknown(r.Kind)
		if _, err := d.n.registries.AddRule(ctx, b, r); err != nil {
			return err
		}
	}
	return nil
}

// enterprise is the third: two remotes above a firewall, and below it two
// teams that also share an integration and a patches registry.
func (d *demo) enterprise(ctx context.Context) error {
	firewall, fresh, err := d.ensure(ctx, registry.CreateInput{Kind: registry.Firewall, Name: "corp-firewall",
		Description: "Set-up 3: the firewall between two remotes and the company.",
		Upstream:    &registry.UpstreamInput{Remote: d.public, Exclude: []string{"@types/*"}}})
	if err != nil {
		return err
	}
	if fresh {
		if _, err := d.n.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: firewall, Remote: d.types, Include: []string{"@types/*"}}); err != nil {
			return err
		}
	}
	integration, _, err := d.ensure(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Name: "integration",
		Description: "Set-up 3: packages that the teams share with each other."})
	if err != nil {
		return err
	}
	no := false
	patches, _, err := d.ensure(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Name: "patches", Internal: &no,
		Description: "Set-up 3: patched versions of public packages; not internal, so that they merge with the public ones."})
	if err != nil {
		return err
	}
	for _, name := range []string{"corp-a", "corp-b"} {
		id, fresh, err := d.ensure(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Name: name,
			Description: "Set-up 3: a team of the company.", Upstream: &registry.UpstreamInput{Source: patches}})
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		for _, source := range []uuid.UUID{integration, firewall} {
			if _, err := d.n.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: id, Source: source}); err != nil {
				return err
			}
		}
	}
	return nil
}

// people makes the administrator and the tokens. Secrets cannot be read again,
// so a state file that was lost gets new ones.
func (d *demo) people(ctx context.Context) error {
	admin, err := d.n.access.MemberByEmail(ctx, demoAdmin)
	if errs.Is(err, errs.NotFound) {
		admin, err = d.n.access.CreateMember(ctx, access.MemberInput{Email: demoAdmin, Name: "Acme Admin", Roles: []access.Place{{Role: "owner"}}})
	}
	if err != nil {
		return err
	}
	if d.s.AdminToken == "" {
		who, err := d.n.access.MemberSubject(ctx, admin.ID)
		if err != nil {
			return err
		}
		d.s.AdminToken, _, err = d.n.access.CreateToken(access.As(ctx, who, ""), access.TokenInput{Name: "administrator", MemberID: admin.ID, Write: true})
		if err != nil {
			return err
		}
	}
	for _, t := range []struct {
		into       *string
		name       string
		registries []string
	}{
		{&d.s.TeamA, "team-a developers", []string{"team-a", "solo-firewall", "corp-a"}},
		{&d.s.TeamB, "team-b developers", []string{"team-b", "solo-firewall", "corp-b"}},
		{&d.s.CI, "ci", []string{"solo-firewall", "team-a", "team-b", "corp-a", "corp-b"}},
	} {
		if *t.into != "" {
			continue
		}
		if *t.into, err = d.serviceToken(ctx, t.name, t.registries); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) serviceToken(ctx context.Context, name string, registries []string) (string, error) {
	shape, err := d.n.shapes.Of(ctx)
	if err != nil {
		return "", err
	}
	in := access.TokenInput{Name: name}
	for _, r := range registries {
		node := shape.Named(coord.NPM, r)
		if node == nil {
			return "", fmt.Errorf("the registry %s of the demonstration is missing", r)
		}
		in.Roles = append(in.Roles, access.Place{Role: "reader", Registry: node.ID})
		in.Registries = append(in.Registries, node.ID)
	}
	secret, _, err := d.n.access.CreateToken(ctx, in)
	return secret, err
}
