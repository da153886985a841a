package intake

import (
	"context"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// admission is a version that asks to come in.
type admission struct {
	op      string
	version coord.Version
	origin  coord.Origin
	digest  string // of the primary file; "" while it is not known
}

// admit refuses what may not come into a registry, whatever way it comes. It
// writes nothing. To be sure of the answer the caller has the package's lock.
func (s *Service) admit(ctx context.Context, tx *db.Tx, n *registry.Node, a admission) error {
	v := a.version
	if a.origin == coord.Internal {
		if err := s.publishBlocked(ctx, tx, n, a); err != nil {
			return err
		}
	}
	held, err := catalog.Held(ctx, tx, v.Package, ids([]*registry.Node{n}))
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.Release.Version == v.Version {
			return errs.Wrap(ErrExists, errs.Conflict, a.op, "the registry %q holds %s@%s already; publish another version", n.Name, v.Name, v.Version).On("version")
		}
	}
	spent, err := catalog.Spent(ctx, tx, n.ID, v)
	if err != nil {
		return err
	}
	if !spent.IsZero() && a.origin == coord.Internal {
		return errs.Wrap(ErrSpent, errs.Conflict, a.op, "%s@%s was published in the registry %q before and deleted on %s; its number cannot be used again, publish another version",
			v.Name, v.Version, n.Name, spent.UTC().Format("2006-01-02")).On("version")
	}
	return s.notBarred(ctx, tx, n, a)
}

// notBarred refuses what is on hold here (Q3), and what was deleted for
// security here or in a firewall above, by coordinates or by bytes (D1).
func (s *Service) notBarred(ctx context.Context, tx *db.Tx, n *registry.Node, a admission) error {
	v, up := a.version, n.Upward()
	state, err := quarantine.Read(ctx, tx, v.Package, ids(up))
	if err != nil {
		return err
	}
	for _, r := range up {
		if r != n && !r.Firewall {
			continue
		}
		if t := state.Buried(r.ID, v.Version); t != nil {
			return errs.New(errs.Conflict, a.op, "%s@%s was deleted for security in the registry %q (%s) and cannot come back until that is lifted", v.Name, v.Version, r.Name, t.Reason).On("version")
		}
	}
	if h := state.Held(n.ID, v.Version); h != nil {
		return errs.Wrap(ErrOnHold, errs.Conflict, a.op, "%s@%s is in quarantine in the registry %q: %s", v.Name, v.Version, n.Name, h.Reason).On("version")
	}
	if a.digest == "" {
		return nil
	}
	buried, err := quarantine.BuriedDigest(ctx, tx, ids(up), a.digest)
	if err != nil {
		return err
	}
	if buried != "" {
		return errs.New(errs.Conflict, a.op, "the same bytes were deleted for security as %s and cannot come back until that is lifted", buried).On("files")
	}
	return nil
}
