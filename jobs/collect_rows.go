package jobs

import (
	"context"
	"fmt"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// versions removes, in each organization, what no registry holds any more, each
// package in a transaction of its own under its lock.
func (c *collection) versions(ctx context.Context) error {
	orgs, err := organizations(ctx, c.DB)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		if err := c.versionsOf(inOrg(ctx, org, "collect")); err != nil {
			return fmt.Errorf("collect versions of the organization %s: %w", org, err)
		}
	}
	return nil
}

func (c *collection) versionsOf(ctx context.Context) error {
	if !c.dry {
		err := c.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			_, err := catalog.DropDeleted(ctx, tx, c.Now().Add(-registry.UndeleteWithin))
			return err
		})
		if err != nil {
			return err
		}
	}
	for behind := (coord.Package{}); ; {
		var page []coord.Package
		err := c.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			page, err = catalog.Unheld(ctx, tx, c.before, behind, collectPage)
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, pkg := range page {
			n, err := c.versionsOfPackage(ctx, pkg)
			if err != nil {
				return err
			}
			c.out.Versions += n
		}
		behind = page[len(page)-1]
	}
}

func (c *collection) versionsOfPackage(ctx context.Context, pkg coord.Package) (n int, err error) {
	err = db.Retry(ctx, func() error {
		return c.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if c.dry {
				n, err = catalog.CountUnheld(ctx, tx, pkg, c.before)
			} else {
				n, err = catalog.ForgetUnheld(ctx, tx, pkg, c.before, c.Now())
			}
			return err
		})
	})
	return n, err
}

// strays removes bytes without a row: a crash between storing them and naming
// them leaves such (F4).
func (c *collection) strays(ctx context.Context) error {
	var page []garbage
	look := func() error {
		defer func() { page = page[:0] }()
		known, err := c.recorded(ctx, page)
		if err != nil {
			return err
		}
		for _, g := range page {
			if known[g.SHA256] {
				continue
			}
			if err := c.remove(ctx, g, c.stillStray); err != nil {
				return err
			}
		}
		return nil
	}
	err := c.Blobs.Walk(ctx, func(st blob.Stat) error {
		if !st.ModTime.Before(c.before) {
			return nil
		}
		if page = append(page, garbage{st.Digest.String(), st.Size}); len(page) < collectPage {
			return nil
		}
		return look()
	})
	if err != nil {
		return err
	}
	return look()
}

func (c *collection) recorded(ctx context.Context, page []garbage) (known map[string]bool, err error) {
	digests := make([]string, len(page))
	for i, g := range page {
		digests[i] = g.SHA256
	}
	err = c.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		known, err = catalog.Recorded(ctx, tx, digests)
		return err
	})
	return known, err
}

func (c *collection) stillStray(ctx context.Context, sha256 string) (bool, error) {
	known, err := c.recorded(ctx, []garbage{{SHA256: sha256}})
	return err == nil && !known[sha256], err
}
