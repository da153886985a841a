package gate

import (
	"context"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
)

// Describer is a [Protocol] that can say what a package is about, for search.
type Describer interface {
	// About returns the description and the keywords that a version has of its
	// package, "" for none.
	About(l *Listed) string
}

// describe keeps what a package that a client fetched is about, unless that is
// known.
func (g *Gate) describe(ctx context.Context, tx *db.Tx, v *View, e *Entry, how string) error {
	d, ok := g.protocols[v.Package.Ecosystem].(Describer)
	if !ok || how != catalog.ByFetch {
		return nil
	}
	return catalog.Describe(ctx, tx, v.Package, d.About(e.Listed))
}
