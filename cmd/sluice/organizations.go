package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

type organizationsCmd struct {
	Create     createOrganizationCmd    `cmd:"" help:"Make an organization with its first owner, and print the owner's token."`
	List       listOrganizationsCmd     `cmd:"" help:"List the organizations."`
	Usage      usageOrganizationsCmd    `cmd:"" help:"Show what an organization uses of its quota."`
	Quota      quotaOrganizationCmd     `cmd:"" help:"Bound what an organization may use."`
	Suspend    suspendOrganizationCmd   `cmd:"" help:"Stop an organization: every node refuses it from now on, and nothing is lost."`
	Reinstate  reinstateOrganizationCmd `cmd:"" help:"End a suspension."`
	Delete     deleteOrganizationCmd    `cmd:"" help:"Delete an organization: all access ends now, and in 30 days it is erased."`
	Undelete   undeleteOrganizationCmd  `cmd:"" help:"Bring a deleted organization back."`
	BreakGlass breakGlassCmd            `cmd:"" name:"break-glass" help:"Print a link that lets an owner in without the identity provider, once, within 15 minutes."`
}

type createOrganizationCmd struct {
	operatorFlags
	Slug  string `arg:"" help:"Becomes its subdomain and its path, /o/SLUG/; it never changes."`
	Name  string `help:"As people read it; default: the slug."`
	Owner string `help:"E-mail address of the first owner." required:""`
}

// Run makes the organization with its owner, both or neither, and a token.
func (c *createOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations create", c.run)
}

func (c *createOrganizationCmd) run(ctx context.Context, o *operator) error {
	made, owner, err := o.access.Found(ctx, o.orgs, org.Input{Slug: c.Slug, Name: c.Name}, access.Person{Email: c.Owner}, nil)
	if err != nil {
		return err
	}
	ctx = scope.With(ctx, made.ID)
	who, err := o.access.MemberSubject(ctx, owner.ID)
	if err != nil {
		return err
	}
	token, _, err := o.access.CreateToken(access.As(ctx, who, ""), access.TokenInput{Name: "first token", MemberID: owner.ID, Write: true})
	if err != nil {
		return fmt.Errorf("the organization %s exists now, and its owner's token could not be made: %w", made.Slug, err)
	}
	o.say("organization  %s\nowner         %s\ntoken         %s\n\nThe token is shown once. It works at /o/%s/graphql.", made.Slug, owner.Email, token, made.Slug)
	return nil
}

type listOrganizationsCmd struct{ operatorFlags }

// Run lists them.
func (c *listOrganizationsCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations list", c.run)
}

func (c *listOrganizationsCmd) run(ctx context.Context, o *operator) error {
	all, err := o.orgs.List(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLUG\tNAME\tMADE\tSTATE")
	for _, x := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Slug, x.Name, x.CreatedAt.UTC().Format(time.DateOnly), stateOf(x))
	}
	return w.Flush()
}

func stateOf(o org.Listed) string {
	switch {
	case o.DeletedAt != nil:
		return "deleted, erased after " + o.DeletedAt.Add(org.EraseAfter).UTC().Format(time.DateOnly)
	case o.SuspendedAt != nil:
		return "suspended since " + o.SuspendedAt.UTC().Format(time.DateOnly)
	}
	return "active"
}

type suspendOrganizationCmd struct {
	operatorFlags
	Slug string `arg:"" help:"The organization."`
}

// Run suspends.
func (c *suspendOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations suspend", c.run)
}

func (c *suspendOrganizationCmd) run(ctx context.Context, o *operator) error {
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	if _, err := o.orgs.Suspend(ctx); err != nil {
		return err
	}
	o.say("%s is suspended; `sluice organizations reinstate %s` ends that", c.Slug, c.Slug)
	return nil
}

type reinstateOrganizationCmd struct {
	operatorFlags
	Slug string `arg:"" help:"The organization."`
}

// Run ends a suspension.
func (c *reinstateOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations reinstate", c.run)
}

func (c *reinstateOrganizationCmd) run(ctx context.Context, o *operator) error {
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	if _, err := o.orgs.Resume(ctx); err != nil {
		return err
	}
	o.say("%s is active", c.Slug)
	return nil
}

type deleteOrganizationCmd struct {
	operatorFlags
	Slug    string `arg:"" help:"The organization."`
	Confirm string `help:"The slug once more." required:""`
}

// Run deletes.
func (c *deleteOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations delete", c.run)
}

func (c *deleteOrganizationCmd) run(ctx context.Context, o *operator) error {
	if c.Confirm != c.Slug {
		return fmt.Errorf("--confirm is %q; repeat the slug %q to delete the organization", c.Confirm, c.Slug)
	}
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	got, err := o.orgs.Delete(ctx)
	if err != nil {
		return err
	}
	o.say("%s is deleted; until %s `sluice organizations undelete %s` brings it back", c.Slug, got.DeletedAt.Add(org.EraseAfter).UTC().Format(time.DateTime), c.Slug)
	return nil
}

type undeleteOrganizationCmd struct {
	operatorFlags
	Slug string `arg:"" help:"The organization."`
}

// Run brings a deleted organization back.
func (c *undeleteOrganizationCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "organizations undelete", c.run)
}

func (c *undeleteOrganizationCmd) run(ctx context.Context, o *operator) error {
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	if _, err := o.orgs.Undelete(ctx); err != nil {
		return err
	}
	o.say("%s is back as it was", c.Slug)
	return nil
}
