package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

// sinceFlag bounds records by time.
type sinceFlag struct {
	Since time.Duration `help:"Not older than this, such as 24h." placeholder:"DURATION"`
}

func (f sinceFlag) from(now time.Time) (*time.Time, error) {
	if f.Since < 0 {
		return nil, misused("--since %s must not be negative", f.Since)
	}
	if f.Since == 0 {
		return nil, nil
	}
	at := now.Add(-f.Since)
	return &at, nil
}

type decisionsCmd struct {
	remoteFlags
	limitFlag
	sinceFlag
	Registry string `help:"Of this registry only."`
	Package  string `help:"Of this package only."`
	Version  string `help:"Of this version only."`
	Effect   string `help:"With this answer only: allow, warn, deny or quarantine." enum:",allow,warn,deny,quarantine" default:""`
}

// Run lists what the gate answered to clients, the newest first.
func (c *decisionsCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *decisionsCmd) run(ctx context.Context, r *remote) error {
	registry, err := r.maybeRegistry(ctx, c.Registry)
	if err != nil {
		return err
	}
	from, err := c.from(r.now())
	if err != nil {
		return err
	}
	filter := &apiclient.DecisionFilter{Registry: registry, Package: given(c.Package), Version: given(c.Version), Effect: given(apiclient.Effect(strings.ToUpper(c.Effect))), From: from}
	type row = apiclient.DecisionsDecisionsDecisionConnectionEdgesDecisionEdgeNodeDecision
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[row], err error) {
		got, err := apiclient.Decisions(ctx, r, first, after, filter)
		if err != nil || got.Decisions == nil {
			return p, err
		}
		for _, e := range got.Decisions.Edges {
			p.rows = append(p.rows, e.Node)
		}
		p.more, p.end = got.Decisions.PageInfo.HasNextPage, got.Decisions.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, d := range rows {
			version, token, reason := d.Package, "", ""
			if d.Version != nil {
				version += "@" + *d.Version
			}
			if d.Token != nil {
				token = d.Token.Name
			}
			if d.Decisive != nil {
				reason = d.Decisive.Reason
			}
			out = append(out, []string{moment(d.LastAt), fmt.Sprint(d.Count), d.Registry.Name, version, strings.ToLower(string(d.Effect)), token, reason, d.Reference})
		}
		r.table("AT, TIMES, REGISTRY, VERSION, ANSWER, TOKEN, REASON, REFERENCE", out)
	})
}

type tailAuditCmd struct {
	remoteFlags
	limitFlag
	sinceFlag
	Registry string `help:"Of this registry only."`
	Action   string `help:"Of this action only, such as version:quarantine."`
	Actor    string `help:"Of this member, token or job only."`
}

// Run prints the last audit events of an organization, the newest last.
func (c *tailAuditCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *tailAuditCmd) run(ctx context.Context, r *remote) error {
	registry, err := r.maybeRegistry(ctx, c.Registry)
	if err != nil {
		return err
	}
	from, err := c.from(r.now())
	if err != nil {
		return err
	}
	filter := &apiclient.AuditEventFilter{Registry: registry, Action: given(c.Action), Actor: given(c.Actor), From: from}
	type row = apiclient.AuditEventsAuditEventsAuditEventConnectionEdgesAuditEventEdgeNodeAuditEvent
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[row], err error) {
		got, err := apiclient.AuditEvents(ctx, r, first, after, filter)
		if err != nil || got.AuditEvents == nil {
			return p, err
		}
		for _, e := range got.AuditEvents.Edges {
			p.rows = append(p.rows, e.Node)
		}
		p.more, p.end = got.AuditEvents.PageInfo.HasNextPage, got.AuditEvents.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(rows)
	return r.show(rows, func() {
		var out [][]string
		for _, e := range rows {
			registry := ""
			if e.Registry != nil {
				registry = e.Registry.Name
			}
			out = append(out, []string{moment(e.At), e.Actor, valueOr(e.Ip, ""), e.Action, registry, e.ObjectType + " " + e.ObjectId, valueOr(e.Reason, "")})
		}
		r.table("AT, WHO, FROM, ACTION, REGISTRY, OBJECT, REASON", out)
	})
}
