package main

import (
	"context"
	"strings"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

type holdsCmd struct {
	List listHoldsCmd `cmd:"" help:"List holds, the newest first."`
}

type listHoldsCmd struct {
	remoteFlags
	limitFlag
	Registry string `help:"Of this registry only."`
	Package  string `help:"Of this package only."`
	Cause    string `help:"With this cause only: manual, policy or inherited." enum:",manual,policy,inherited" default:""`
	All      bool   `help:"Released ones too."`
}

// Run lists holds.
func (c *listHoldsCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *listHoldsCmd) run(ctx context.Context, r *remote) error {
	registry, err := r.maybeRegistry(ctx, c.Registry)
	if err != nil {
		return err
	}
	filter := &apiclient.HoldFilter{Open: given(!c.All), Cause: given(apiclient.HoldCause(strings.ToUpper(c.Cause))), Package: given(c.Package)}
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[apiclient.HoldShown], err error) {
		got, err := apiclient.Holds(ctx, r, first, after, registry, filter)
		if err != nil || got.Holds == nil {
			return p, err
		}
		for _, e := range got.Holds.Edges {
			p.rows = append(p.rows, e.Node.HoldShown)
		}
		p.more, p.end = got.Holds.PageInfo.HasNextPage, got.Holds.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, h := range rows {
			state := "open"
			if !h.Open {
				state = "released"
			}
			out = append(out, []string{h.Registry.Name, what(h), strings.ToLower(string(h.Cause)), state, moment(h.OpenedAt), h.OpenedBy, h.Reason, h.Id})
		}
		r.table("REGISTRY, PACKAGE, CAUSE, STATE, OPENED, BY, REASON, HOLD", out)
	})
}

// what is the package, version or range that a hold is on.
func what(h apiclient.HoldShown) string {
	switch {
	case h.Version != nil:
		return h.Package + "@" + *h.Version
	case h.Range != nil:
		return h.Package + " " + *h.Range
	}
	return h.Package
}

type quarantineCmd struct {
	remoteFlags
	purlArg
	Range  string `help:"Hold this range of versions, tomorrow's included, as the ecosystem writes it; for a purl without version."`
	Reason string `help:"Why; it is shown to whoever wants to install it." required:""`
}

// Run holds a version, a range, or with neither the whole package.
func (c *quarantineCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *quarantineCmd) run(ctx context.Context, r *remote) error {
	v, err := c.parse()
	if err != nil {
		return err
	}
	if v.Version != "" && c.Range != "" {
		return misused("give a version or --range, not both")
	}
	registry, err := r.registryID(ctx, c.Registry)
	if err != nil {
		return err
	}
	var held *apiclient.HoldShown
	var errors []apiclient.Wrong
	switch {
	case v.Version != "":
		got, err := apiclient.QuarantineVersion(ctx, r, registry, v.Name, v.Version, c.Reason)
		if err != nil {
			return err
		}
		if p := got.QuarantineVersion; p != nil {
			for _, e := range p.UserErrors {
				errors = append(errors, e.Wrong)
			}
			if p.Hold != nil {
				held = &p.Hold.HoldShown
			}
		}
	case c.Range != "":
		got, err := apiclient.QuarantineRange(ctx, r, registry, v.Name, c.Range, c.Reason)
		if err != nil {
			return err
		}
		if p := got.QuarantineRange; p != nil {
			for _, e := range p.UserErrors {
				errors = append(errors, e.Wrong)
			}
			if p.Hold != nil {
				held = &p.Hold.HoldShown
			}
		}
	default:
		got, err := apiclient.QuarantinePackage(ctx, r, registry, v.Name, c.Reason)
		if err != nil {
			return err
		}
		if p := got.QuarantinePackage; p != nil {
			for _, e := range p.UserErrors {
				errors = append(errors, e.Wrong)
			}
			if p.Hold != nil {
				held = &p.Hold.HoldShown
			}
		}
	}
	return r.hold("is held", held, errors)
}

// hold prints what became of a hold.
func (r *remote) hold(became string, h *apiclient.HoldShown, errors []apiclient.Wrong) error {
	if err := wrong(errors); err != nil {
		return err
	}
	if h == nil {
		return &apiclient.Error{Code: apiclient.BadAnswer, Message: "the server did not say what became of the hold"}
	}
	return r.show(h, func() { r.line("%s %s in %s: %s", what(*h), became, h.Registry.Name, h.Id) })
}

type releaseCmd struct {
	remoteFlags
	Hold   string `arg:"" help:"The hold, as 'sluice holds list' shows it."`
	Reason string `help:"Why." required:""`
}

// Run releases a hold, and with it what it caused below.
func (c *releaseCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *releaseCmd) run(ctx context.Context, r *remote) error {
	got, err := apiclient.ReleaseHold(ctx, r, c.Hold, c.Reason)
	if err != nil {
		return err
	}
	var errors []apiclient.Wrong
	var h *apiclient.HoldShown
	if p := got.ReleaseHold; p != nil {
		for _, e := range p.UserErrors {
			errors = append(errors, e.Wrong)
		}
		if p.Hold != nil {
			h = &p.Hold.HoldShown
		}
	}
	return r.hold("is released", h, errors)
}
