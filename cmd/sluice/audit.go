package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sluice.dev/sluice/tenants/audit"
)

type auditCmd struct {
	Verify verifyAuditCmd `cmd:"" help:"Look whether an organization's audit trail is as it was written."`
	Export exportAuditCmd `cmd:"" help:"Write an organization's audit trail as NDJSON."`
	Tail   tailAuditCmd   `cmd:"" help:"Print the last audit events of an organization, over a server's API."`
}

type verifyAuditCmd struct {
	operatorFlags
	Slug string `arg:"" optional:"" help:"The organization."`
	Head string `help:"A head of the chain that was kept elsewhere, such as in the log (audit chain … head=); the chain must contain it." placeholder:"N:HASH"`
	File string `help:"Verify an export instead of a database." type:"existingfile"`
}

// Run verifies and names every place that does not hold; it fails when there
// is one.
func (c *verifyAuditCmd) Run(ctx context.Context) error {
	if c.File != "" {
		return c.file(&operator{out: os.Stdout})
	}
	if c.Slug == "" {
		return errors.New("name the organization, or an export with --file")
	}
	return c.operate(ctx, "audit verify", c.run)
}

func (c *verifyAuditCmd) run(ctx context.Context, o *operator) error {
	var kept *audit.Head
	if c.Head != "" {
		h, err := audit.ParseHead(c.Head)
		if err != nil {
			return fmt.Errorf("--head: %w", err)
		}
		kept = &h
	}
	ctx, _, err := o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	r, err := audit.Verify(ctx, o.db, kept, o.now())
	if err != nil {
		return err
	}
	return o.report("the audit trail of "+c.Slug, r)
}

func (c *verifyAuditCmd) file(o *operator) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := audit.VerifyExport(f)
	if err != nil {
		return err
	}
	return o.report(c.File, r)
}

func (o *operator) report(what string, r audit.Report) error {
	for _, f := range r.Faults {
		o.say("%s", f)
	}
	if n := len(r.Faults); n > 0 {
		return fmt.Errorf("%s is not as it was written: %d places", what, n)
	}
	o.say("%s holds: %d events sealed, %d waiting\nhead %s", what, r.Sealed, r.Waiting, r.Head)
	return nil
}

type exportAuditCmd struct {
	operatorFlags
	Slug   string    `arg:"" help:"The organization."`
	From   time.Time `help:"First time, as 2026-03-01T00:00:00Z." format:"2006-01-02T15:04:05Z07:00"`
	To     time.Time `help:"First time that is not exported any more." format:"2006-01-02T15:04:05Z07:00"`
	Output string    `short:"o" help:"File; default: the standard output." type:"path"`
}

// Run exports. The file is there when all of it is.
func (c *exportAuditCmd) Run(ctx context.Context) error {
	return c.operate(ctx, "audit export", c.run)
}

func (c *exportAuditCmd) run(ctx context.Context, o *operator) (err error) {
	ctx, _, err = o.in(ctx, c.Slug)
	if err != nil {
		return err
	}
	reach, err := o.access.AuditReach(ctx)
	if err != nil {
		return err
	}
	q := audit.ExportQuery{Reach: reach, From: c.From, To: c.To}
	if c.Output == "" {
		_, err = audit.Export(ctx, o.db, q, o.out)
		return err
	}
	f, err := os.OpenFile(c.Output+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // renamed when all is well
	n, err := audit.Export(ctx, o.db, q, f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), c.Output); err != nil {
		return err
	}
	o.say("%s: %d events", c.Output, n)
	return nil
}
