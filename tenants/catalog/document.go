package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/scope"
)

// Document is the last document that a remote gave for a name (R3). Its bytes
// are the blob.
type Document struct {
	Remote       uuid.UUID
	Name         string
	SHA256       string
	ETag         string
	LastModified string
	Fetched      time.Time            // when these bytes came
	Checked      time.Time            // when the remote last said that they are current
	FirstSeen    map[string]time.Time // for versions without a date of the source (R5)
}

// DocumentOf returns what is remembered, or nil.
func DocumentOf(ctx context.Context, tx *db.Tx, remote uuid.UUID, name string) (*Document, error) {
	d := Document{Remote: remote, Name: name}
	var seen []byte
	err := tx.QueryRow(ctx, `SELECT sha256, etag, last_modified, fetched_at, checked_at, first_seen FROM remote_documents
		WHERE org_id = `+db.Ours+` AND remote_id = $1 AND name = $2`, remote, name).Scan(&d.SHA256, &d.ETag, &d.LastModified, &d.Fetched, &d.Checked, &seen)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("catalog: document: %w", err)
	}
	if err := json.Unmarshal(seen, &d.FirstSeen); err != nil {
		return nil, fmt.Errorf("catalog: first-seen times: %w", err)
	}
	return &d, nil
}

// PutDocument remembers a document; its bytes must be durable.
func PutDocument(ctx context.Context, tx *db.Tx, d Document, b Blob) error {
	org, err := scope.Org(ctx)
	if err != nil {
		return err
	}
	if err := insertBlobs(ctx, tx, d.Fetched, []StoredFile{{Blob: b}}); err != nil {
		return err
	}
	if d.FirstSeen == nil {
		d.FirstSeen = map[string]time.Time{}
	}
	seen, err := json.Marshal(d.FirstSeen)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO remote_documents (id, org_id, remote_id, name, sha256, etag, last_modified, fetched_at, checked_at, first_seen)
		VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)
		ON CONFLICT (org_id, remote_id, name) DO UPDATE SET sha256 = excluded.sha256, etag = excluded.etag, last_modified = excluded.last_modified,
			fetched_at = excluded.fetched_at, checked_at = excluded.checked_at, first_seen = excluded.first_seen
		WHERE remote_documents.checked_at <= excluded.checked_at`,
		uuid.Must(uuid.NewV7()), org, d.Remote, d.Name, b.SHA256, d.ETag, d.LastModified, d.Fetched, d.Checked, seen)
	if err != nil {
		return fmt.Errorf("catalog: document: %w", err)
	}
	return nil
}

// TouchDocument records that the remote said the document is current.
func TouchDocument(ctx context.Context, tx *db.Tx, remote uuid.UUID, name string, at time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE remote_documents SET checked_at = greatest(checked_at, $3) WHERE org_id = `+db.Ours+` AND remote_id = $1 AND name = $2`, remote, name, at)
	return err
}

// ForgetDocument evicts a document after the remote said that the name is gone.
func ForgetDocument(ctx context.Context, tx *db.Tx, remote uuid.UUID, name string) error {
	_, err := tx.Exec(ctx, `DELETE FROM remote_documents WHERE org_id = `+db.Ours+` AND remote_id = $1 AND name = $2`, remote, name)
	return err
}
