package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/errs"
)

// collect removes bytes that no organization's rows name any more (D3).
type collect struct {
	river.WorkerDefaults[spec.Collect]
	d Deps
}

// Timeout is long: a collection looks at every blob there is.
func (w *collect) Timeout(*river.Job[spec.Collect]) time.Duration { return 6 * time.Hour }

// Work collects until nothing is left.
func (w *collect) Work(ctx context.Context, _ *river.Job[spec.Collect]) error {
	r, err := Collect(ctx, w.d, false)
	slog.InfoContext(ctx, "collected what nothing refers to", "versions", r.Versions, "blobs", r.Blobs, "bytes", r.Bytes)
	return err
}

// Collected tells what a collection removed, or would remove.
type Collected struct {
	Versions int // that no registry holds any more; their bytes follow after another grace time
	Blobs    int
	Bytes    int64
	Known    []string // digests, at most 1000, for a dry run
}

const (
	collectPage = 500
	minGrace    = time.Minute
	maxFailures = 20
)

// Collect removes versions that no registry holds, then blobs that nothing
// refers to, then bytes that never got a row, each older than the grace time;
// dry says what would go and changes nothing. References are counted by a
// function that sees every organization: an unbound query under row-level
// security would see none, and take every blob for garbage.
//
// What cannot be removed does not keep the rest from being; the errors come
// back joined. Bytes are durable before the row that names them (F4), so a
// grace time below a minute is Invalid.
func Collect(ctx context.Context, d Deps, dry bool) (Collected, error) {
	if d.Grace < minGrace {
		return Collected{}, errs.New(errs.Invalid, "collect", "the grace time is %s; want at least %s, since bytes are stored before the row that names them", d.Grace, minGrace).On("grace")
	}
	c := &collection{Deps: d, dry: dry, before: d.Now().Add(-d.Grace)}
	for _, step := range []func(context.Context) error{c.versions, c.unreferenced, c.strays} {
		if err := step(ctx); err != nil {
			return c.out, errors.Join(append(c.failed, err)...)
		}
	}
	return c.out, errors.Join(c.failed...)
}

// collection is one run.
type collection struct {
	Deps
	dry    bool
	before time.Time // what is younger stays
	out    Collected
	failed []error // about single blobs
}

type garbage struct {
	SHA256 string
	Size   int64
}

// unreferenced removes blobs whose row nothing names, page by page behind the
// last one, so that those that stay do not keep the others from being seen.
func (c *collection) unreferenced(ctx context.Context) error {
	for behind := ""; ; {
		var page []garbage
		err := c.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
			rows, err := tx.Query(ctx, `SELECT sha256, size FROM unreferenced_blobs($1, $2, $3)`, c.before, behind, collectPage)
			if err != nil {
				return fmt.Errorf("find garbage: %w", err)
			}
			page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[garbage])
			return err
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, g := range page {
			if err := c.remove(ctx, g, c.forgetRow); err != nil {
				return err
			}
		}
		behind = page[len(page)-1].SHA256
	}
}

// remove deletes one blob if last, asked under the lock that Put takes, says
// that nothing refers to it.
func (c *collection) remove(ctx context.Context, g garbage, last func(context.Context, string) (bool, error)) error {
	act := c.delete
	if c.dry {
		act = c.wouldDelete
	}
	gone, err := act(ctx, g.SHA256, last)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.failed = append(c.failed, fmt.Errorf("blob %s: %w", g.SHA256, err))
		if len(c.failed) >= maxFailures {
			return errors.New("too many failures; the collection ends here")
		}
		return nil
	case !gone:
		return nil
	}
	c.out.Blobs++
	c.out.Bytes += g.Size
	if len(c.out.Known) < 1000 {
		c.out.Known = append(c.out.Known, g.SHA256)
	}
	return nil
}

// delete removes the row, then the bytes, under the lock that Put takes: who
// stores the same bytes meanwhile waits, and writes them again.
func (c *collection) delete(ctx context.Context, sha256 string, last func(context.Context, string) (bool, error)) (bool, error) {
	digest, err := blob.ParseDigest(sha256)
	if err != nil {
		return false, err
	}
	gone, err := c.Blobs.Delete(ctx, digest, func(st blob.Stat) (bool, error) {
		if !st.ModTime.Before(c.before) {
			return false, nil // put again since
		}
		return last(ctx, sha256)
	})
	if errs.Is(err, errs.NotFound) {
		return last(ctx, sha256) // a crash took the bytes and left the row
	}
	return gone, err
}

// wouldDelete is delete, as far as can be told without the lock.
func (c *collection) wouldDelete(ctx context.Context, sha256 string, _ func(context.Context, string) (bool, error)) (bool, error) {
	digest, err := blob.ParseDigest(sha256)
	if err != nil {
		return false, err
	}
	st, err := c.Blobs.Stat(ctx, digest)
	if errs.Is(err, errs.NotFound) {
		return true, nil
	}
	return err == nil && st.ModTime.Before(c.before), err
}

func (c *collection) forgetRow(ctx context.Context, sha256 string) (gone bool, err error) {
	err = c.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT forget_blob($1)`, sha256).Scan(&gone)
	})
	return gone, err
}
