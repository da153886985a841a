package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/blob"
)

// collect removes bytes that no organization's rows name any more (D3).
type collect struct {
	river.WorkerDefaults[spec.Collect]
	d Deps
}

// Work collects until nothing is left.
func (w *collect) Work(ctx context.Context, _ *river.Job[spec.Collect]) error {
	r, err := Collect(ctx, w.d, false)
	slog.InfoContext(ctx, "collected bytes that nothing refers to", "blobs", r.Blobs, "bytes", r.Bytes)
	return err
}

// Collected tells what a collection removed, or would remove.
type Collected struct {
	Blobs int
	Bytes int64
	Known []string // digests, at most 1000, for a dry run
}

const collectPage = 500

// Collect removes blobs that nothing refers to and that are older than the
// grace time; dry says what would go and changes nothing. References are
// counted by a function that sees every organization: an unbound query under
// row-level security would see none, and take every blob for garbage.
func Collect(ctx context.Context, d Deps, dry bool) (Collected, error) {
	var out Collected
	for {
		page, err := unreferenced(ctx, d)
		if err != nil {
			return out, err
		}
		removed := 0
		for _, b := range page {
			if !dry {
				gone, err := forget(ctx, d, b.SHA256)
				if err != nil {
					return out, err
				}
				if !gone {
					continue
				}
			}
			removed++
			out.Blobs++
			out.Bytes += b.Size
			if len(out.Known) < 1000 {
				out.Known = append(out.Known, b.SHA256)
			}
		}
		if dry || len(page) < collectPage || removed == 0 {
			return out, nil
		}
	}
}

type garbage struct {
	SHA256 string
	Size   int64
}

func unreferenced(ctx context.Context, d Deps) (page []garbage, err error) {
	err = d.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT sha256, size FROM unreferenced_blobs($1, $2)`, d.Grace, collectPage)
		if err != nil {
			return fmt.Errorf("find garbage: %w", err)
		}
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[garbage])
		return err
	})
	return page, err
}

// forget removes the row, then the bytes, under the lock that Put takes: who
// stores the same bytes meanwhile waits, and writes them again.
func forget(ctx context.Context, d Deps, sha256 string) (bool, error) {
	digest, err := blob.ParseDigest(sha256)
	if err != nil {
		return false, err
	}
	return d.Blobs.Delete(ctx, digest, func(st blob.Stat) (bool, error) {
		if d.Now().Sub(st.ModTime) < d.Grace {
			return false, nil // put again since
		}
		var gone bool
		err := d.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
			return tx.QueryRow(ctx, `SELECT forget_blob($1)`, sha256).Scan(&gone)
		})
		return gone, err
	})
}
