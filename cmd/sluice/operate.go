package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/scope"
)

type migrateCmd struct {
	OwnerURL secret `name:"database-owner-url" help:"Database URL of the role that owns the tables." env:"SLUICE_DATABASE_OWNER_URL" placeholder:"postgres://…"`
	Roles    bool   `help:"Print the SQL that a superuser runs once per cluster, and stop."`
}

// Run migrates.
func (c *migrateCmd) Run(ctx context.Context) error {
	if c.Roles {
		fmt.Println(db.Roles)
		return nil
	}
	if c.OwnerURL == "" {
		return errors.New("--database-owner-url is missing: the database URL of the role that owns the tables")
	}
	if err := db.Migrate(ctx, string(c.OwnerURL)); err != nil {
		return err
	}
	fmt.Println("the database has this version's schema")
	return nil
}

type advisoriesCmd struct {
	Import importCmd `cmd:"" help:"Read OSV records from a folder, a zip, or a copy of OSV's bulk export."`
}

type importCmd struct {
	databaseFlags
	Data string `help:"Data folder of a running 'sluice dev'; an alternative to --database-url." type:"path" env:"SLUICE_DATA"`
	Path string `arg:"" help:"Folder or zip." type:"path"`
	Feed string `help:"Name of the feed." default:"osv"`
}

// Run imports and prints what was done. What organizations hold is looked at
// again by the jobs that the import leaves.
func (c *importCmd) Run(ctx context.Context) error {
	url := string(c.DatabaseURL)
	if url == "" {
		state, err := devInstead(c.Data)
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
	ctx = scope.WithActor(ctx, scope.System("advisories import"))
	started := time.Now()
	r, err := advisory.NewImporter(d).Import(ctx, c.Path, advisory.Options{Feed: c.Feed, Now: time.Now()})
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d records read, %d stored, %d unchanged, %d skipped, in %s\n", filepath.Base(c.Path), r.Read, r.Stored, r.Unchanged, r.SkippedCount,
		time.Since(started).Round(10*time.Millisecond))
	for i, p := range r.Skipped {
		if i == 10 {
			fmt.Printf("  and %d more\n", r.SkippedCount-10)
			break
		}
		fmt.Printf("  skipped: %v\n", p)
	}
	return nil
}

type gcCmd struct {
	databaseFlags
	BlobDir string        `help:"Folder of the package files." required:"" env:"SLUICE_BLOB_DIR" type:"path"`
	Grace   time.Duration `help:"Age below which nothing is removed." default:"24h"`
	DryRun  bool          `help:"Say what would go and change nothing."`
}

// Run collects.
func (c *gcCmd) Run(ctx context.Context) error {
	if c.DatabaseURL == "" {
		return errors.New("--database-url is missing")
	}
	d, err := db.Open(ctx, string(c.DatabaseURL), 2)
	if err != nil {
		return err
	}
	defer d.Close()
	blobs, err := blob.NewDisk(c.BlobDir)
	if err != nil {
		return err
	}
	got, err := jobs.Collect(ctx, jobs.Deps{DB: d, Blobs: blobs, Now: time.Now, Grace: c.Grace}, c.DryRun)
	if err != nil {
		return err
	}
	verb := "removed"
	if c.DryRun {
		verb = "would remove"
		for _, k := range got.Known {
			fmt.Println(k)
		}
	}
	fmt.Printf("%s %d blobs of %d bytes\n", verb, got.Blobs, got.Bytes)
	return nil
}
