package gate

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// Whose is to whom a name belongs, as seen from a registry (O3 to O5).
type Whose struct {
	Owner    string       // what makes it the organization's own; "" when nothing does
	Closed   string       // why public versions are not served, as a refusal says it; "" when they are
	Ledger   []OwnedSince // of the registry and those upward, the nearest first
	Switches []Switched   // likewise
}

// OwnedSince is a registry that owns a name by the ledger.
type OwnedSince struct {
	Registry uuid.UUID
	Since    time.Time
}

// Switched is a registry that overrides what ownership says.
type Switched struct {
	Registry uuid.UUID
	catalog.Switch
}

// Whose tells to whom a name belongs as seen from a registry, known there or
// not. Public remotes are not asked; internal ones only when nothing nearer owns
// the name, and one that cannot answer is Unavailable (F1).
func (g *Gate) Whose(ctx context.Context, reg uuid.UUID, pkg coord.Package) (Whose, error) {
	const op = "ownership"
	shape, err := g.Shapes.Of(ctx)
	if err != nil {
		return Whose{}, err
	}
	n := shape.Node(reg)
	if n == nil {
		return Whose{}, errs.New(errs.NotFound, op, "there is no registry %s", reg)
	}
	o := &naming{shape: shape, pkg: pkg, remotes: map[uuid.UUID]*asked{}}
	err = g.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		return o.readNaming(ctx, tx, upwardOf([]*registry.Node{n}))
	})
	if err != nil {
		return Whose{}, errs.Wrap(err, errs.Unavailable, op, "who owns %s cannot be read at the moment", pkg.Name)
	}
	if o.owner(n) == "" {
		if err := g.askFor(ctx, o, []*registry.Node{n}, true); err != nil {
			return Whose{}, err
		}
	}
	out := Whose{Owner: o.owner(n), Closed: o.closed(n)}
	for _, up := range n.Upward() {
		if since := o.owned[up.ID]; !since.IsZero() {
			out.Ledger = append(out.Ledger, OwnedSince{up.ID, since})
		}
		if s, ok := o.switches[up.ID]; ok {
			out.Switches = append(out.Switches, Switched{up.ID, s})
		}
	}
	return out, nil
}
