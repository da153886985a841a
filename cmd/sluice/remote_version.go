package main

import (
	"context"
	"fmt"
	"strings"

	"sluice.dev/sluice/cmd/internal/apiclient"
	"sluice.dev/sluice/tenants/coord"
)

// purlArg is a package or a version, with the registry where it is looked at.
type purlArg struct {
	PURL     string `arg:"" name:"purl" help:"Package URL, such as pkg:npm/lodash@4.17.21."`
	Registry string `help:"The registry." required:""`
}

func (a purlArg) parse() (coord.Version, error) {
	v, err := coord.ParsePURL(a.PURL)
	if err != nil {
		return v, usageError{err.Error()}
	}
	return v, nil
}

type explainCmd struct {
	remoteFlags
	purlArg
	Check bool `help:"Exit with status 1 when the version is withheld."`
}

// Run prints what the gate answers for a version, held or not, and why.
func (c *explainCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *explainCmd) run(ctx context.Context, r *remote) error {
	v, err := c.parse()
	if err != nil {
		return err
	}
	if v.Version == "" {
		return misused("%s has no version; want for example %s@1.2.3", c.PURL, c.PURL)
	}
	registry, err := r.registryID(ctx, c.Registry)
	if err != nil {
		return err
	}
	got, err := apiclient.Explain(ctx, r, registry, c.PURL)
	if err != nil {
		return err
	}
	if got.Explain == nil {
		return &apiclient.Error{Code: "NOT_FOUND", Message: "no source lists the version"}
	}
	e := got.Explain
	if err := r.show(e, func() { explainTo(r, e) }); err != nil {
		return err
	}
	if c.Check && e.Withheld {
		return &apiclient.Error{Code: string(e.Effect), Message: e.Purl + " is withheld"}
	}
	return nil
}

func explainTo(r *remote, e *apiclient.ExplainExplainExplanation) {
	answer := "is served"
	if e.Withheld {
		answer = "is withheld"
	}
	r.line("%s %s: %s", e.Purl, answer, strings.ToLower(string(e.Effect)))
	if d := e.Decisive; d != nil {
		r.line("  because    %s (rule %s of %s)", d.Reason, d.Rule, d.Registry)
		for _, line := range d.Evidence {
			r.line("             %s", line)
		}
		if len(d.FixedIn) > 0 {
			r.line("  fixed in   %s", strings.Join(d.FixedIn, ", "))
		}
	}
	if e.Instead != nil {
		r.line("  instead    %s", *e.Instead)
	}
	if e.AvailableAt != nil {
		r.line("  available  %s", moment(*e.AvailableAt))
	}
	if e.PublishedAt != nil {
		r.line("  published  %s", moment(*e.PublishedAt))
	}
	source := valueOr(e.Remote, "")
	r.line("  path       %s %s", strings.Join(e.Path, " > "), source)
	r.line("  held       %s, %s", yes(e.Held), strings.ToLower(string(e.Origin)))
}

type blastRadiusCmd struct {
	remoteFlags
	purlArg
}

// Run prints which registries hold a package or version, and who fetched it.
func (c *blastRadiusCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *blastRadiusCmd) run(ctx context.Context, r *remote) error {
	v, err := c.parse()
	if err != nil {
		return err
	}
	registry, err := r.registryID(ctx, c.Registry)
	if err != nil {
		return err
	}
	got, err := apiclient.BlastRadius(ctx, r, registry, v.Name, given(v.Version))
	if err != nil {
		return err
	}
	b := got.BlastRadius
	if b == nil {
		return &apiclient.Error{Code: "NOT_FOUND", Message: "nothing is known of it"}
	}
	return r.show(b, func() {
		names := make([]string, len(b.Registries))
		for i, reg := range b.Registries {
			names[i] = reg.Name
		}
		r.line("held by   %s", strings.Join(names, " "))
		if b.HiddenRegistries > 0 {
			r.line("          and %s registries that you may not see", fmt.Sprint(b.HiddenRegistries))
		}
		r.line("fetched   %s times by %s tokens", fmt.Sprint(b.Fetches), fmt.Sprint(b.Tokens))
		if b.FirstFetchedAt != nil {
			r.line("          from %s to %s", moment(*b.FirstFetchedAt), maybeMoment(b.LastFetchedAt))
		}
	})
}
