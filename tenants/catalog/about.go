package catalog

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// maxAbout bounds what is kept for search of one package, in bytes.
const maxAbout = 2000

// Describe is [SetAbout] for a package of others: it changes nothing when
// something is known already.
func Describe(ctx context.Context, tx *db.Tx, pkg coord.Package, about string) error {
	if about = searchable(about); about == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE package_names SET about = $3 WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND about = ''`, pkg.Ecosystem, pkg.Name, about)
	if err != nil {
		return fmt.Errorf("catalog: about: %w", err)
	}
	return nil
}

// searchable makes a text one that PostgreSQL takes and that is not too long.
func searchable(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(s, " "), "\x00", " ")), " ")
	if len(s) <= maxAbout {
		return s
	}
	cut := maxAbout
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}
