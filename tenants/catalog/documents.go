package catalog

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
)

// DocumentKey names a remote's document of a package.
type DocumentKey struct {
	Remote uuid.UUID
	Name   string
}

// Documents is [DocumentOf] for several remotes and names in one statement.
// What is not remembered is not in the answer.
func Documents(ctx context.Context, tx *db.Tx, remotes []uuid.UUID, names []string) (map[DocumentKey]*Document, error) {
	rows, err := tx.Query(ctx, `SELECT remote_id, name, sha256, etag, last_modified, fetched_at, checked_at, first_seen FROM remote_documents
		WHERE org_id = `+db.Ours+` AND remote_id = ANY ($1) AND name = ANY ($2)`, remotes, names)
	if err != nil {
		return nil, fmt.Errorf("catalog: documents: %w", err)
	}
	defer rows.Close()
	out := map[DocumentKey]*Document{}
	for rows.Next() {
		var d Document
		var seen []byte
		if err := rows.Scan(&d.Remote, &d.Name, &d.SHA256, &d.ETag, &d.LastModified, &d.Fetched, &d.Checked, &seen); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(seen, &d.FirstSeen); err != nil {
			return nil, fmt.Errorf("catalog: first-seen times: %w", err)
		}
		out[DocumentKey{d.Remote, d.Name}] = &d
	}
	return out, rows.Err()
}
