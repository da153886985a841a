package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

type breakGlassCmd struct {
	databaseFlags
	Slug   string `arg:"" help:"The organization."`
	Owner  string `help:"E-mail address of an active owner, whose session the link opens." required:""`
	Reason string `help:"Why; the audit log shows it."`
	At     string `help:"The organization's own address, where people log in, for example https://acme.sluice.example; with --data, that of the running 'sluice dev'."`
	Data   string `help:"Data folder of a running 'sluice dev'; an alternative to --database-url." type:"path" env:"SLUICE_DATA"`
}

// Run prints a link that opens one session of an owner without the identity
// provider. The audit log has who may use it until when, and then that it was.
func (c *breakGlassCmd) Run(ctx context.Context) error {
	if err := c.complete(); err != nil {
		return err
	}
	d, err := db.Open(ctx, string(c.DatabaseURL), 4)
	if err != nil {
		return err
	}
	defer d.Close()
	log := audit.New(time.Now)
	ref, err := org.NewResolver(d).BySlug(ctx, c.Slug)
	if err != nil {
		return err
	}
	logins := login.New(login.Config{DB: d, Audit: log, Access: access.New(d, log, time.Now), Now: time.Now})
	ctx = scope.With(access.As(ctx, access.System("organizations break-glass"), ""), ref.ID)
	secret, until, err := logins.BreakGlass(ctx, c.Owner, c.Reason)
	if err != nil {
		return err
	}
	fmt.Printf("%s/login/break-glass?link=%s\n\nOpens one session of %s for %s, until %s. It works once; the audit log of %s says so.\n",
		strings.TrimRight(c.At, "/"), url.QueryEscape(secret), c.Owner, login.BreakGlassTime, until.UTC().Format("15:04 UTC"), ref.Slug)
	return nil
}

// complete takes what is missing from a running `sluice dev`.
func (c *breakGlassCmd) complete() error {
	if c.DatabaseURL == "" {
		state, err := devInstead(c.Data)
		if err != nil {
			return err
		}
		c.DatabaseURL = secret(state.DatabaseURL)
		if c.At == "" {
			c.At = strings.TrimSuffix(state.BaseURL, "/o/"+demoOrg) + "/o/" + c.Slug
		}
	}
	if u, err := url.Parse(c.At); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("--at must be the organization's own address, where people log in, for example https://acme.sluice.example")
	}
	return nil
}
