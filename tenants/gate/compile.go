package gate

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// compiler works out one view. It reads the database once, in one snapshot,
// then asks the remotes, then only computes.
type compiler struct {
	naming
	g        *Gate
	org      uuid.UUID
	proto    Protocol
	now      time.Time
	root     *registry.Node
	upward   []*registry.Node // of the root, the root first
	tags     map[uuid.UUID]map[string]string
	against  map[uuid.UUID]map[string]string // deprecations by registry and version
	state    *quarantine.State
	affected advisory.Advisories
	snapshot time.Time
	opened   map[string]time.Time // findings (P5)
	own      *catalog.OwnState    // what the root says of the package; nil for nothing

	warnings []string
	matches  map[string][]policy.Match
	stored   map[uuid.UUID]*Listed // by release
	results  map[*registry.Node]*result
	above    map[*registry.Node][]*registry.Node // [compiler.firewallsAbove]
	rank     map[uuid.UUID]int                   // [compiler.ranks]
	exempt   map[string]bool                     // versions that minimum age lets through (P9)
	differ   []mismatch
	current  map[*Listing]map[string]string // what remotes say against versions now
}

// asked is a remote that carries the package, and what it said.
type asked struct {
	*registry.Remote
	doc     *document // nil when it was not asked, or failed
	listing *Listing  // nil when it has no such name, too
	failing bool      // the document is served because the remote fails
	err     error     // it does not answer, and nothing is remembered of it
	blocker *asked    // an internal remote that fails, for which this one must not answer (O3)
}

// compilerOf returns a compiler that has read the database, and asked nobody yet.
func (g *Gate) compilerOf(ctx context.Context, key viewKey) (*compiler, error) {
	at, err := g.place(ctx, "list", key.registry, key.pkg.Ecosystem)
	if err != nil {
		return nil, err
	}
	c := g.compiler(at, key.pkg)
	if err := g.DB.InSnapshot(ctx, c.readState); err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "list", "the state of %s cannot be read at the moment", key.pkg.Name)
	}
	return c, nil
}

func (g *Gate) compile(ctx context.Context, key viewKey) (*View, error) {
	c, err := g.compilerOf(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := c.askRemotes(ctx); err != nil {
		return nil, err
	}
	res := c.settle()
	if res.err != nil {
		return nil, res.err
	}
	g.findMismatches(ctx, c.differ)
	return c.view(ctx, key, res)
}

// compiler returns a compiler that has read nothing yet.
func (g *Gate) compiler(at place, pkg coord.Package) *compiler {
	return &compiler{naming: naming{shape: at.shape, pkg: pkg, remotes: map[uuid.UUID]*asked{}},
		g: g, org: at.shape.Org, proto: at.proto, now: g.Now(), root: at.root, upward: at.root.Upward(), matches: map[string][]policy.Match{}, stored: map[uuid.UUID]*Listed{},
		results: map[*registry.Node]*result{}, above: map[*registry.Node][]*registry.Node{}}
}

// settle works out what the root lists, with what minimum age must let through.
func (c *compiler) settle() *result {
	res := c.list(c.root)
	if c.needsExemption() {
		c.findExemption(res)
		if len(c.exempt) > 0 {
			clear(c.results)
			c.warnings, c.differ = nil, nil
			res = c.list(c.root)
		}
	}
	return res
}

// readState reads everything that the database knows, as of the transaction's
// moment.
func (c *compiler) readState(ctx context.Context, tx *db.Tx) error {
	ids := idsOf(c.upward)
	err := c.readNaming(ctx, tx, ids)
	if err != nil {
		return err
	}
	if c.tags, err = catalog.Tags(ctx, tx, c.pkg, ids); err != nil {
		return err
	}
	if c.against, err = catalog.Deprecations(ctx, tx, c.pkg, ids); err != nil {
		return err
	}
	if c.state, err = quarantine.Read(ctx, tx, c.pkg, ids); err != nil {
		return err
	}
	if c.affected, err = c.g.Advisories.ForPackage(ctx, tx, c.pkg.Ecosystem, c.pkg.Name); err != nil {
		return err
	}
	if c.opened, err = finding.OpenedIn(ctx, tx, c.pkg); err != nil {
		return err
	}
	if c.own, err = catalog.OwnOf(ctx, tx, c.root.ID, c.pkg); err != nil {
		return err
	}
	c.snapshot, err = c.g.Advisories.Snapshot(ctx, tx, c.pkg.Ecosystem)
	return err
}

func idsOf(nodes []*registry.Node) []uuid.UUID {
	ids := make([]uuid.UUID, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	return ids
}
