package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

type organizationsCmd struct {
	Create createOrganizationCmd `cmd:"" help:"Make an organization with its first owner, and print the owner's token."`
}

type createOrganizationCmd struct {
	databaseFlags
	Slug  string `arg:"" help:"Becomes its subdomain and its path, /o/SLUG/; it never changes."`
	Name  string `help:"As people read it; default: the slug."`
	Owner string `help:"E-mail address of the first owner." required:""`
}

// Run makes the organization. A failure between its steps says how far it came.
func (c *createOrganizationCmd) Run(ctx context.Context) error {
	if c.DatabaseURL == "" {
		return errors.New("--database-url is missing")
	}
	d, err := db.Open(ctx, string(c.DatabaseURL), 4)
	if err != nil {
		return err
	}
	defer d.Close()
	log := audit.New(time.Now)
	orgs, rights := org.New(d, log, time.Now), access.New(d, log, time.Now)
	ctx = access.As(ctx, access.System("organizations create"), "")
	made, err := orgs.Create(ctx, org.Input{Slug: c.Slug, Name: c.Name})
	if err != nil {
		return err
	}
	ctx = scope.With(ctx, made.ID)
	owner, err := rights.CreateMember(ctx, access.MemberInput{Email: c.Owner, Roles: []access.Place{{Role: access.Owner}}})
	if err != nil {
		return fmt.Errorf("the organization %s exists now, and its owner could not be made: %w", made.Slug, err)
	}
	who, err := rights.MemberSubject(ctx, owner.ID)
	if err != nil {
		return err
	}
	token, _, err := rights.CreateToken(access.As(ctx, who, ""), access.TokenInput{Name: "first token", MemberID: owner.ID, Write: true})
	if err != nil {
		return err
	}
	fmt.Printf("organization  %s\nowner         %s\ntoken         %s\n\nThe token is shown once. It works at /o/%s/graphql.\n", made.Slug, owner.Email, token, made.Slug)
	return nil
}
