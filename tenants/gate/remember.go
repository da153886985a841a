package gate

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
)

// remembered returns what memory and the database know of a remote's answer:
// the database is right where they differ, since another node may have asked
// meanwhile. Nil when nothing is known.
func (g *Gate) remembered(ctx context.Context, key docKey) (*document, error) {
	var row *catalog.Document
	err := g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		row, err = catalog.DocumentOf(ctx, tx, key.remote, key.pkg.Name)
		return err
	})
	if err != nil {
		return nil, err
	}
	have, ok := g.documents.GetIfPresent(key)
	if row == nil {
		if ok && have.sha256 == "" {
			return have, nil
		}
		return nil, nil
	}
	if !ok || have.sha256 != row.SHA256 {
		have = &document{key: key, sha256: row.SHA256, fetched: row.Fetched, firstSeen: row.FirstSeen}
	}
	have.validator = Validators{ETag: row.ETag, LastModified: row.LastModified}
	have.confirmed(row.Checked)
	return have, nil
}

// confirm notes that the remote said that nothing changed.
func (g *Gate) confirm(ctx context.Context, d *document, now time.Time) error {
	err := g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return catalog.TouchDocument(ctx, tx, d.key.remote, d.key.pkg.Name, now)
	})
	if err == nil {
		d.confirmed(now)
	}
	return err
}

// evict forgets a name that the remote says is gone. That is an answer, which
// an outage is not.
func (g *Gate) evict(ctx context.Context, key docKey, now time.Time) (*document, error) {
	d := &document{key: key, fetched: now}
	d.confirmed(now)
	return d, g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := catalog.DocumentOf(ctx, tx, key.remote, key.pkg.Name)
		if err != nil || row == nil {
			return err
		}
		if err := catalog.ForgetDocument(ctx, tx, key.remote, key.pkg.Name); err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, key.pkg)
	})
}

// remember keeps a document that could be read. Other nodes hear of one that
// replaces another; identical bytes change nothing that a view shows.
func (g *Gate) remember(ctx context.Context, key docKey, have *document, got Fetched, now time.Time) (*document, error) {
	digest, listing := digestOf(got.Body), &Listing{}
	if !isBeside(key.pkg.Name) {
		var err error
		if listing, err = g.decode(key.pkg, digest, func() ([]byte, error) { return got.Body, nil }); err != nil {
			return nil, err
		}
	}
	info, err := g.Blobs.Put(ctx, bytes.NewReader(got.Body), int64(len(got.Body)))
	if err != nil {
		return nil, err
	}
	d := have
	if have == nil || have.sha256 != digest {
		d = &document{key: key, sha256: digest, fetched: now, firstSeen: firstSeen(have, listing, now)}
	}
	err = g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row := catalog.Document{Remote: key.remote, Name: key.pkg.Name, ETag: got.Validators.ETag, LastModified: got.Validators.LastModified,
			Fetched: d.fetched, Checked: now, FirstSeen: d.firstSeen}
		if err := catalog.PutDocument(ctx, tx, row, blobRow(info)); err != nil || have == nil || d == have {
			return err
		}
		return catalog.Changed(ctx, tx, key.pkg)
	})
	if err != nil {
		return nil, err
	}
	d.validator = got.Validators
	d.confirmed(now)
	return d, nil
}

// firstSeen says since when a version without a date of the source is known.
func firstSeen(have *document, l *Listing, now time.Time) map[string]time.Time {
	out := map[string]time.Time{}
	if have != nil {
		maps.Copy(out, have.firstSeen)
	}
	for _, v := range l.Versions {
		if _, known := out[v.Version]; v.Published.IsZero() && !known {
			out[v.Version] = now
		}
	}
	return out
}

func blobRow(i blob.Info) catalog.Blob {
	return catalog.Blob{SHA256: i.Digest.String(), SHA512: fmt.Sprintf("%x", i.SHA512), SHA1: fmt.Sprintf("%x", i.SHA1), MD5: fmt.Sprintf("%x", i.MD5), Size: i.Size}
}
