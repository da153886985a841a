package gate

import (
	"context"
	"encoding/hex"
	"log/slog"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// mismatch is the same coordinates with other bytes in two sources (O6).
type mismatch struct {
	org, registry    uuid.UUID // that sees both
	version          coord.Version
	served, other    string // the sources
	digest, otherSum string
}

// compare notes when a source offers other bytes of a version than the one
// before it.
func (c *compiler) compare(n *registry.Node, version string, have, offer *candidate) {
	ours, theirs := have.digests.Differ(offer.digests)
	if ours == "" {
		return
	}
	c.differ = append(c.differ, mismatch{c.org, n.ID, coord.Version{Package: c.pkg, Version: version}, have.name(), offer.name(), ours, theirs})
}

// name says in a finding where a candidate comes from.
func (c *candidate) name() string {
	if c.holder < 0 {
		return "remote " + c.remote.Name
	}
	return "registry " + c.path[c.holder].Name
}

func digestsOf(rel *catalog.Release) (d Digests) {
	if len(rel.Files) == 0 {
		return d
	}
	f := rel.Files[0]
	for into, text := range map[*[]byte]string{&d.SHA512: f.SHA512, &d.SHA256: f.SHA256, &d.SHA1: f.SHA1, &d.MD5: f.MD5} {
		*into, _ = hex.DecodeString(text) // nil, so not compared, when it is not hexadecimal
	}
	return d
}

// findMismatches opens the findings that are not open yet. That one cannot be
// written changes no answer.
func (g *Gate) findMismatches(ctx context.Context, all []mismatch) {
	for _, m := range all {
		if _, known := g.told.GetIfPresent(m); known {
			continue
		}
		err := g.openFinding(ctx, m.registry, m.version, "CONTENT_MISMATCH", m.digest+" "+m.otherSum,
			map[string]string{"served": m.served, "digest": m.digest, "other": m.other, "otherDigest": m.otherSum})
		if err == nil {
			g.told.Set(m, struct{}{})
		}
	}
}

// findUndeclared opens a finding on bytes that were not what their source had
// declared (R2).
func (g *Gate) findUndeclared(ctx context.Context, fl *flight, m *blob.Mismatch) {
	_ = g.openFinding(ctx, uuid.Nil, fl.id.version, "DIGEST_MISMATCH", fl.remote.Name,
		map[string]string{"file": fl.file.Name, "what": m.What, "declared": m.Declared, "received": m.Received})
}

// openFinding opens a finding; registry may be nil. The error has been logged.
func (g *Gate) openFinding(ctx context.Context, reg uuid.UUID, v coord.Version, kind, reference string, details map[string]string) error {
	var where *uuid.UUID
	if reg != uuid.Nil {
		where = &reg
	}
	err := g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO findings (id, org_id, registry_id, ecosystem, name, version, kind, reference, severity, details, opened_at)
			VALUES ($1, current_setting('app.org')::uuid, $2, $3, $4, $5, $6, $7, 'HIGH', $8, $9) ON CONFLICT DO NOTHING`,
			uuid.Must(uuid.NewV7()), where, v.Ecosystem, v.Name, v.Version, kind, reference, details, g.Now())
		return err
	})
	if err != nil {
		slog.ErrorContext(ctx, "a finding could not be opened", "kind", kind, "package", v.Name, "version", v.Version, "error", err)
	}
	return err
}
