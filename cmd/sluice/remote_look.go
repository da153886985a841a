package main

import (
	"context"
	"fmt"
	"strings"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

type whoamiCmd struct{ remoteFlags }

// Run prints who the token is, and what it may do on the organization.
func (c *whoamiCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *whoamiCmd) run(ctx context.Context, r *remote) error {
	got, err := apiclient.Whoami(ctx, r)
	if err != nil {
		return err
	}
	v := got.Viewer
	return r.show(v, func() {
		where := r.Server()
		if v.Organization != nil {
			where = v.Organization.Slug + " (" + where + ")"
		}
		r.line("%s, %s, in %s", v.Name, strings.ToLower(string(v.Kind)), where)
		if len(v.Actions) > 0 {
			r.line("on the organization: %s", strings.Join(v.Actions, " "))
		}
	})
}

type registriesCmd struct {
	List listRegistriesCmd `cmd:"" help:"List the registries that you may read."`
}

type listRegistriesCmd struct {
	remoteFlags
	limitFlag
	Kind      string `help:"Of this kind only: package or firewall." enum:",package,firewall" default:""`
	Ecosystem string `help:"Of this ecosystem only: npm, pypi, maven or nuget." enum:",npm,pypi,maven,nuget" default:""`
	Search    string `help:"With this text in the name."`
}

// Run lists registries.
func (c *listRegistriesCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *listRegistriesCmd) run(ctx context.Context, r *remote) error {
	filter := &apiclient.RegistryFilter{Kind: given(apiclient.RegistryKind(strings.ToUpper(c.Kind))),
		Ecosystem: given(apiclient.Ecosystem(strings.ToUpper(c.Ecosystem))), Search: given(c.Search)}
	type row = apiclient.RegistriesRegistriesRegistryConnectionEdgesRegistryEdgeNodeRegistry
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[row], err error) {
		got, err := apiclient.Registries(ctx, r, first, after, filter)
		if err != nil || got.Registries == nil {
			return p, err
		}
		for _, e := range got.Registries.Edges {
			p.rows = append(p.rows, e.Node)
		}
		p.more, p.end = got.Registries.PageInfo.HasNextPage, got.Registries.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, n := range rows {
			out = append(out, []string{n.Name, strings.ToLower(string(n.Kind)), strings.ToLower(string(n.Ecosystem)), n.Url, n.Description})
		}
		r.table("NAME, KIND, ECOSYSTEM, URL, DESCRIPTION", out)
	})
}

type packagesCmd struct {
	remoteFlags
	limitFlag
	Registry string `help:"The registry." required:""`
	Search   string `help:"What the names begin with."`
}

// Run lists the packages that a registry holds.
func (c *packagesCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *packagesCmd) run(ctx context.Context, r *remote) error {
	registry, err := r.registryID(ctx, c.Registry)
	if err != nil {
		return err
	}
	type row = apiclient.PackagesPackagesPackageConnectionEdgesPackageEdgeNodePackage
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[row], err error) {
		got, err := apiclient.Packages(ctx, r, registry, first, after, given(c.Search))
		if err != nil || got.Packages == nil {
			return p, err
		}
		for _, e := range got.Packages.Edges {
			p.rows = append(p.rows, e.Node)
		}
		p.more, p.end = got.Packages.PageInfo.HasNextPage, got.Packages.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, n := range rows {
			out = append(out, []string{n.Name, fmt.Sprint(n.VersionCount), maybeMoment(n.LastHeldAt), n.Purl})
		}
		r.table("NAME, VERSIONS, LAST HELD, PURL", out)
	})
}

type settingsCmd struct {
	remoteFlags
	Registry string `arg:"" help:"The registry."`
	Client   string `help:"Of the package client with this text in its name only, such as npm."`
}

// Run prints what package clients need in their configuration. The token stands
// there as the name of an environment variable.
func (c *settingsCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *settingsCmd) run(ctx context.Context, r *remote) error {
	got, err := apiclient.RegistrySettings(ctx, r, c.Registry)
	if err != nil {
		return err
	}
	out := []apiclient.RegistrySettingsRegistryClientSettingsClientSetting{}
	if got.Registry != nil {
		for _, s := range got.Registry.ClientSettings {
			if strings.Contains(strings.ToLower(s.Client), strings.ToLower(c.Client)) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return &apiclient.Error{Code: "NOT_FOUND", Message: fmt.Sprintf("no package client of the registry has %q in its name", c.Client)}
	}
	return r.show(out, func() {
		for _, s := range out {
			r.line("# %s: %s", s.Client, s.File)
			for line := range strings.Lines(s.Text) {
				r.line("%s", strings.TrimSuffix(line, "\n"))
			}
			r.line("")
		}
	})
}
