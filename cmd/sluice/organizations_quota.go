package main

import (
	"context"
	"strconv"
	"time"
)

type usageOrganizationsCmd struct {
	operatorFlags
	Slug string `arg:"" help:"The organization."`
}

// Run measures and shows the usage.
func (c *usageOrganizationsCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations usage", c.run)
}

func (c *usageOrganizationsCmd) run(ctx context.Context, o *operator) error {
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	if _, err := o.orgs.Measure(ctx); err != nil {
		return err
	}
	u, err := o.orgs.Usage(ctx)
	if err != nil {
		return err
	}
	o.say("registries  %d of %s", u.Registries, bound(int64(u.Quota.Registries)))
	o.say("storage     %d of %s bytes, measured %s", u.Storage, bound(u.Quota.Storage), u.MeasuredAt.UTC().Format(time.DateTime))
	o.say("requests    %s per second", bound(int64(u.Quota.Requests)))
	for _, w := range u.Warnings() {
		o.say("warning: %s", w)
	}
	return nil
}

func bound(n int64) string {
	if n == 0 {
		return "unlimited"
	}
	return strconv.FormatInt(n, 10)
}

type quotaOrganizationCmd struct {
	operatorFlags
	Slug       string `arg:"" help:"The organization."`
	Registries *int   `help:"Most registries; 0 for no bound."`
	StorageMiB *int64 `name:"storage-mib" help:"Most MiB that its versions name; 0 for no bound."`
	Requests   *int   `help:"Most requests per second on each node; 0 for no bound."`
}

// Run changes the bounds that were given, and shows all.
func (c *quotaOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations quota", c.run)
}

func (c *quotaOrganizationCmd) run(ctx context.Context, o *operator) error {
	in, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	have, err := o.orgs.Get(in)
	if err != nil {
		return err
	}
	q := have.Quota
	if c.Registries != nil {
		q.Registries = *c.Registries
	}
	if c.StorageMiB != nil {
		q.Storage = *c.StorageMiB << 20
	}
	if c.Requests != nil {
		q.Requests = *c.Requests
	}
	if _, err := o.orgs.SetQuota(in, q); err != nil {
		return err
	}
	return (&usageOrganizationsCmd{Slug: c.Slug}).run(ctx, o)
}
