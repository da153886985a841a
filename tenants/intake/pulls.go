package intake

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Bounds of bringing many versions in.
const (
	MaxPullVersions = 50_000           // of one pull
	PullPage        = 32               // versions that one step tries
	pullAtOnce      = 4                // of a page
	pullWithin      = 60 * time.Second // for one version; then it has failed
	// PullPageWithin is how long one step may take.
	PullPageWithin = PullPage / pullAtOnce * pullWithin
)

// What became of a version of a pull.
const (
	PullWaiting = "WAITING"
	PullHeld    = "HELD"    // the registry holds it, from before or by the pull
	PullRefused = "REFUSED" // the gate withholds it
	PullFailed  = "FAILED"  // no source has it, or it could not be brought in
)

// PullInput is a list of versions to bring in.
type PullInput struct {
	Registry uuid.UUID
	Source   string // where the list comes from, for people: "package-lock.json, version 3"
	Versions []PullVersion
}

// PullVersion is one version of a list.
type PullVersion struct{ Name, Version string }

// StartPull has a job bring the versions in, each as [Service.Pull] does. The
// pull tells how far it is.
func (s *Service) StartPull(ctx context.Context, in PullInput) (*ent.Pull, error) {
	const op = "pull"
	n, err := s.node(ctx, op, in.Registry)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Archived:
		return nil, errs.New(errs.Conflict, op, "the registry %q is archived; nothing can be pulled into it", n.Name)
	case len(in.Versions) == 0:
		return nil, errs.New(errs.Invalid, op, "%s names no version that comes from a registry", in.Source).On("file")
	case len(in.Versions) > MaxPullVersions:
		return nil, errs.New(errs.Invalid, op, "%d versions are too many for one pull; at most %d are allowed", len(in.Versions), MaxPullVersions).On("file")
	}
	names, versions := make([]string, len(in.Versions)), make([]string, len(in.Versions))
	for i, v := range in.Versions {
		if names[i], err = coord.NormalizeName(n.Ecosystem, v.Name); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", v.Name, err).On("file")
		}
		if versions[i], err = coord.NormalizeVersion(n.Ecosystem, v.Version); err != nil {
			return nil, errs.Wrap(err, errs.Invalid, op, "%q is no version of %s: %v", v.Version, v.Name, err).On("file")
		}
	}
	var out *ent.Pull
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := org.RoomForStorage(ctx, tx, 1); err != nil {
			return err
		}
		out, err = s.startPull(ctx, tx, n, in.Source, names, versions)
		return err
	})
	return out, err
}

func (s *Service) startPull(ctx context.Context, tx *db.Tx, n *registry.Node, source string, names, versions []string) (*ent.Pull, error) {
	p, err := tx.Ent.Pull.Create().SetRegistryID(n.ID).SetSource(source).SetPulledBy(scope.ActorOf(ctx).Name).SetStartedAt(s.Now()).Save(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO pull_items (id, org_id, pull_id, name, version)
		SELECT gen_random_uuid(), $1, $2, v.name, v.version FROM unnest($3::text[], $4::text[]) v (name, version) ON CONFLICT DO NOTHING`, ours, p.ID, names, versions)
	if err != nil {
		return nil, err
	}
	err = s.Audit.Record(ctx, tx, audit.Event{Action: "pull:start", ObjectType: "pull", ObjectID: p.ID.String(), Registry: n.ID,
		After: map[string]any{"source": source, "versions": len(names)}})
	if err != nil {
		return nil, err
	}
	return p, tx.Enqueue(ctx, spec.Pull{Org: ours, Pull: p.ID}, nil)
}

// unpulled is a version of a pull that nothing became of yet.
type unpulled struct {
	ID            uuid.UUID
	Name, Version string
}

// PullStep tries the next page of a pull's versions, and reports whether none is
// left. It may run twice, also at the same time, and stop anywhere: what was
// brought in stays, what was not written down is tried again.
func (s *Service) PullStep(ctx context.Context, id uuid.UUID) (done bool, err error) {
	p, page, err := s.pullPage(ctx, id)
	if err != nil || p == nil || p.EndedAt != nil {
		return err == nil, err
	}
	if len(page) == 0 {
		return true, s.endPull(ctx, p)
	}
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return false, err
	}
	n := shape.Node(p.RegistryID)
	if n == nil || n.Archived {
		return false, s.failRest(ctx, p, "the registry was deleted or archived")
	}
	var all errgroup.Group
	all.SetLimit(pullAtOnce)
	for _, item := range page {
		all.Go(func() error { return s.pullItem(ctx, n, p.ID, item) })
	}
	return false, all.Wait()
}

func (s *Service) pullPage(ctx context.Context, id uuid.UUID) (p *ent.Pull, page []unpulled, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if p, err = PullByID(ctx, tx, id); err != nil || p == nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT id, name, version FROM pull_items WHERE org_id = `+db.Ours+` AND pull_id = $1 AND state = 'WAITING' ORDER BY id LIMIT $2`, id, PullPage)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, pgx.RowToStructByPos[unpulled])
		return err
	})
	return p, page, err
}

// pullItem brings one version in and writes down what became of it.
func (s *Service) pullItem(ctx context.Context, n *registry.Node, pull uuid.UUID, item unpulled) error {
	within, stop := context.WithTimeout(ctx, pullWithin)
	err := s.bring(within, n, coord.Version{Package: coord.Package{Ecosystem: n.Ecosystem, Name: item.Name}, Version: item.Version})
	stop()
	if ctx.Err() != nil {
		return ctx.Err() // the node stops, which says nothing about the version
	}
	state, reason := PullHeld, ""
	switch {
	case errors.Is(err, ErrWithheld):
		state, reason = PullRefused, errs.Public(err)
	case errors.Is(err, context.DeadlineExceeded):
		state, reason = PullFailed, "it did not arrive within "+pullWithin.String()
	case err != nil:
		state, reason = PullFailed, errs.Public(err)
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE pull_items SET state = $2, reason = $3 WHERE org_id = `+db.Ours+` AND id = $1 AND state = 'WAITING'`, item.ID, state, reason)
		return errors.Join(err, pulled(ctx, tx, pull))
	})
}

func (s *Service) failRest(ctx context.Context, p *ent.Pull, reason string) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE pull_items SET state = 'FAILED', reason = $2 WHERE org_id = `+db.Ours+` AND pull_id = $1 AND state = 'WAITING'`, p.ID, reason)
		return errors.Join(err, pulled(ctx, tx, p.ID))
	})
}

// endPull writes the end of a pull once.
func (s *Service) endPull(ctx context.Context, p *ent.Pull) error {
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		done, err := tx.Exec(ctx, `UPDATE pulls SET ended_at = $2 WHERE org_id = `+db.Ours+` AND id = $1 AND ended_at IS NULL`, p.ID, s.Now())
		if err != nil || done.RowsAffected() == 0 {
			return err
		}
		all, err := PullCounts(ctx, tx, []uuid.UUID{p.ID})
		if err := errors.Join(err, pulled(ctx, tx, p.ID)); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "pull:end", ObjectType: "pull", ObjectID: p.ID.String(), Registry: p.RegistryID, After: all[p.ID]})
	})
}

// pulled tells those who follow the pull that it has come further.
func pulled(ctx context.Context, tx *db.Tx, pull uuid.UUID) error {
	org, err := scope.Org(ctx)
	if err == nil {
		tx.Changed(db.Change{Kind: db.Pulled, Org: org, Name: pull.String()})
	}
	return err
}
