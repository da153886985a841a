package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

// operatorFlags name the database that an operator's command works on.
type operatorFlags struct {
	databaseFlags
	Data string `help:"Data folder of a running 'sluice dev'; an alternative to --database-url." type:"path" env:"SLUICE_DATA"`
}

// operator is what the commands on organizations use. Its acts are audited as
// the system's, under the command's name.
type operator struct {
	db     *db.DB
	orgs   *org.Service
	access *access.Service
	chain  *audit.Sealer
	out    io.Writer
	now    func() time.Time
}

// operate runs an operator's command, and seals the audit events that it wrote
// where no node may be running.
func (f operatorFlags) operate(ctx context.Context, command string, fn func(context.Context, *operator) error) error {
	url := string(f.DatabaseURL)
	if url == "" {
		state, err := devInstead(f.Data)
		if err != nil {
			return err
		}
		url = state.DatabaseURL
	}
	d, err := db.Open(ctx, url, 4)
	if err != nil {
		return err
	}
	defer d.Close()
	o := newOperator(d, os.Stdout, time.Now)
	if err := fn(access.As(ctx, access.System(command), ""), o); err != nil {
		return err
	}
	_, err = o.chain.Seal(ctx)
	return err
}

func newOperator(d *db.DB, out io.Writer, now func() time.Time) *operator {
	log := audit.New(now)
	return &operator{db: d, orgs: org.New(d, log, now), access: access.New(d, log, now), chain: audit.NewSealer(d, now), out: out, now: now}
}

// in finds an organization, deleted ones too, and returns a context of it.
func (o *operator) in(ctx context.Context, slug string) (context.Context, org.Listed, error) {
	found, err := o.orgs.BySlug(ctx, slug)
	if err != nil {
		return nil, org.Listed{}, err
	}
	return scope.With(ctx, found.ID), found, nil
}

func (o *operator) say(format string, args ...any) { fmt.Fprintf(o.out, format+"\n", args...) }
