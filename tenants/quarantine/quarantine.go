// Package quarantine opens and releases holds, carries them and deletions to
// the registries below, and keeps tombstones (laws Q, C, D). A hold is in force
// when its transaction commits, before any job has run: the gate reads the open
// holds of every firewall upward.
package quarantine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/hold"
	entregistry "sluice.dev/sluice/ent/registry"
	"sluice.dev/sluice/jobs/spec"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// Service is the use cases.
type Service struct {
	DB    *db.DB
	Audit *audit.Log
	Now   func() time.Time
}

// HoldInput describes a hold. Version and Range are both empty for the whole
// package, tomorrow's versions included.
type HoldInput struct {
	Registry uuid.UUID
	Name     string // as typed; normalized here
	Version  string
	Range    string
	Reason   string
}

// Hold puts a manual hold on a version, a range or a whole package. The same
// hold twice changes nothing and returns the first (Q7).
func (s *Service) Hold(ctx context.Context, in HoldInput) (*ent.Hold, error) {
	const op = "quarantine"
	if strings.TrimSpace(in.Reason) == "" {
		return nil, errs.New(errs.Invalid, op, "a hold needs a reason, which everybody who is refused will read").On("reason")
	}
	if n := utf8.RuneCountInString(in.Reason); n > 2000 {
		return nil, errs.New(errs.Invalid, op, "the reason has %d characters; the limit is 2000", n).On("reason")
	}
	var out *ent.Hold
	err := s.inPackage(ctx, op, in.Registry, in.Name, func(ctx context.Context, tx *db.Tx, r *ent.Registry, pkg coord.Package) error {
		o := opening{registry: r, pkg: pkg, cause: hold.CauseMANUAL, reason: in.Reason}
		if err := o.narrow(op, in.Version, in.Range); err != nil {
			return err
		}
		var err error
		out, _, err = s.open(ctx, tx, o)
		return err
	})
	return out, err
}

// PolicyHold is what a QUARANTINE decision opens (Q6).
type PolicyHold struct {
	Registry uuid.UUID
	Version  coord.Version
	Rule     uuid.UUID
	Reason   string
	Evidence []string
}

// HoldByPolicy opens a POLICY hold and asks for the bytes to be brought in for
// review. One that is open already stays as it is, and nothing is written (Q7).
func (s *Service) HoldByPolicy(ctx context.Context, in PolicyHold) error {
	return s.inPackage(ctx, "quarantine", in.Registry, in.Version.Name, func(ctx context.Context, tx *db.Tx, r *ent.Registry, pkg coord.Package) error {
		o := opening{registry: r, pkg: pkg, version: &in.Version.Version, cause: hold.CausePOLICY, reason: in.Reason, evidence: in.Evidence, rule: &in.Rule}
		h, fresh, err := s.open(ctx, tx, o)
		if err != nil || !fresh {
			return err
		}
		org, err := scope.Org(ctx)
		if err != nil {
			return err
		}
		return tx.Enqueue(ctx, spec.Review{Org: org, Hold: h.ID, Registry: r.ID, Ecosystem: string(pkg.Ecosystem), Name: pkg.Name, Version: in.Version.Version}, nil)
	})
}

// inPackage runs fn under the package's exclusive lock. The graph is shared
// meanwhile: an edge that is being removed takes the holds that came through it
// along (R9), so it goes either before a hold is opened or after.
func (s *Service) inPackage(ctx context.Context, op string, id uuid.UUID, name string,
	fn func(context.Context, *db.Tx, *ent.Registry, coord.Package) error) error {
	return db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			r, err := shared(ctx, tx, op, id)
			if err != nil {
				return err
			}
			normal, err := coord.NormalizeName(r.Ecosystem, name)
			if err != nil {
				return errs.Wrap(err, errs.Invalid, op, "%q is no package name: %v", name, err).On("package")
			}
			pkg := coord.Package{Ecosystem: r.Ecosystem, Name: normal}
			if err := catalog.LockPackage(ctx, tx, pkg, false); err != nil {
				return err
			}
			return fn(ctx, tx, r, pkg)
		})
	})
}

// shared returns a registry that is not deleted under its graph's shared lock.
func shared(ctx context.Context, tx *db.Tx, op string, id uuid.UUID) (*ent.Registry, error) {
	find := func() (*ent.Registry, error) {
		r, err := tx.Ent.Registry.Query().Where(entregistry.ID(id), entregistry.DeletedAtIsNil()).Only(ctx)
		if ent.IsNotFound(err) {
			return nil, errs.New(errs.NotFound, op, "there is no registry %s", id)
		}
		return r, err
	}
	r, err := find()
	if err != nil {
		return nil, err
	}
	if err := registry.LockGraph(ctx, tx, r.Ecosystem, true); err != nil {
		return nil, err
	}
	return find()
}

// opening is a hold about to be opened.
type opening struct {
	registry *ent.Registry
	pkg      coord.Package
	version  *string
	within   *string
	cause    hold.Cause
	reason   string
	evidence []string
	rule     *uuid.UUID
}

func (o *opening) narrow(op, version, within string) error {
	switch {
	case version != "" && within != "":
		return errs.New(errs.Invalid, op, "give a version or a range, not both").On("version")
	case version != "":
		v, err := coord.NormalizeVersion(o.pkg.Ecosystem, version)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, op, "%q is no version: %v", version, err).On("version")
		}
		o.version = &v
	case within != "":
		if _, err := coord.ParseRange(o.pkg.Ecosystem, within); err != nil {
			return errs.Wrap(err, errs.Invalid, op, "%q is no version range: %v", within, err).On("range")
		}
		o.within = &within
	}
	return nil
}

// open needs the package's exclusive lock. It reports whether the hold is new.
func (s *Service) open(ctx context.Context, tx *db.Tx, o opening) (h *ent.Hold, fresh bool, err error) {
	q := tx.Ent.Hold.Query().Where(hold.RegistryID(o.registry.ID), hold.Ecosystem(o.pkg.Ecosystem), hold.Name(o.pkg.Name),
		hold.CauseEQ(o.cause), hold.ReleasedAtIsNil())
	if o.version != nil {
		q.Where(hold.Version(*o.version))
	} else {
		q.Where(hold.VersionIsNil())
	}
	if o.within != nil {
		q.Where(hold.VersionRange(*o.within))
	} else {
		q.Where(hold.VersionRangeIsNil())
	}
	have, err := q.Only(ctx)
	if err == nil || !ent.IsNotFound(err) {
		return have, false, err
	}
	c := tx.Ent.Hold.Create().SetRegistryID(o.registry.ID).SetEcosystem(o.pkg.Ecosystem).SetName(o.pkg.Name).SetCause(o.cause).
		SetNillableVersion(o.version).SetNillableVersionRange(o.within).SetReason(o.reason).SetNillableRuleID(o.rule).
		SetOpenedBy(scope.ActorOf(ctx).Name).SetOpenedAt(s.Now())
	if len(o.evidence) > 0 {
		c.SetEvidence(o.evidence)
	}
	if h, err = c.Save(ctx); err != nil {
		return nil, false, fmt.Errorf("open hold: %w", err)
	}
	err = s.Audit.Record(ctx, tx, audit.Event{Action: "version:quarantine", ObjectType: "hold", ObjectID: h.ID.String(), Registry: o.registry.ID,
		Reason: o.reason, After: describe(h)})
	if err != nil {
		return nil, false, err
	}
	if err := errors.Join(catalog.Changed(ctx, tx, o.pkg), told(ctx, tx, h.ID.String())); err != nil {
		return nil, false, err
	}
	if o.registry.Kind == entregistry.KindFIREWALL { // a hold in a package registry does not cascade (C8)
		err = s.startCascade(ctx, tx, cascade.ActionHOLD, o.registry.ID, h, nil)
	}
	return h, true, err
}

func describe(h *ent.Hold) map[string]any {
	return map[string]any{"ecosystem": h.Ecosystem, "package": h.Name, "version": h.Version, "range": h.VersionRange, "cause": h.Cause, "evidence": h.Evidence}
}

// Release closes a root hold with a reason, and with it, at once, what it
// caused below (C4). An inherited hold cannot be released.
func (s *Service) Release(ctx context.Context, id uuid.UUID, reason string) (*ent.Hold, error) {
	const op = "release"
	if strings.TrimSpace(reason) == "" {
		return nil, errs.New(errs.Invalid, op, "releasing a hold needs a reason").On("reason")
	}
	var out *ent.Hold
	err := s.onHold(ctx, op, id, func(ctx context.Context, tx *db.Tx, h *ent.Hold) error {
		if h.Cause == hold.CauseINHERITED {
			root, err := tx.Ent.Hold.Query().Where(hold.ID(*h.RootID)).WithRegistry().Only(ctx)
			if err != nil {
				return err
			}
			return errs.New(errs.Conflict, op, "this hold is inherited from the registry %q; it ends when the hold there is released", root.Edges.Registry.Name)
		}
		out = h
		if h.ReleasedAt != nil {
			return nil
		}
		var err error
		out, err = s.release(ctx, tx, h, reason)
		return err
	})
	return out, err
}

// onHold runs fn with a hold read again under its package's exclusive lock.
func (s *Service) onHold(ctx context.Context, op string, id uuid.UUID, fn func(context.Context, *db.Tx, *ent.Hold) error) error {
	return db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			h, err := tx.Ent.Hold.Get(ctx, id)
			if ent.IsNotFound(err) {
				return errs.New(errs.NotFound, op, "there is no hold %s", id)
			}
			if err != nil {
				return err
			}
			if err := catalog.LockPackage(ctx, tx, coord.Package{Ecosystem: h.Ecosystem, Name: h.Name}, false); err != nil {
				return err
			}
			if h, err = tx.Ent.Hold.Query().Where(hold.ID(id)).WithRegistry().Only(ctx); err != nil {
				return err
			}
			return fn(ctx, tx, h)
		})
	})
}

func (s *Service) release(ctx context.Context, tx *db.Tx, h *ent.Hold, reason string) (*ent.Hold, error) {
	out, err := tx.Ent.Hold.UpdateOneID(h.ID).SetReleasedAt(s.Now()).SetReleasedBy(scope.ActorOf(ctx).Name).SetReleaseReason(reason).Save(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Audit.Record(ctx, tx, audit.Event{Action: "version:release", ObjectType: "hold", ObjectID: h.ID.String(), Registry: h.RegistryID,
		Reason: reason, Before: describe(h)})
	if err != nil {
		return nil, err
	}
	if err := s.acknowledge(ctx, tx, h); err != nil {
		return nil, err
	}
	if err := errors.Join(catalog.Changed(ctx, tx, coord.Package{Ecosystem: h.Ecosystem, Name: h.Name}), told(ctx, tx, h.ID.String())); err != nil {
		return nil, err
	}
	if h.Edges.Registry != nil && h.Edges.Registry.Kind == entregistry.KindFIREWALL {
		err = s.startCascade(ctx, tx, cascade.ActionRELEASE, h.RegistryID, out, nil)
	}
	return out, err
}

// acknowledge says on the findings that caused a POLICY hold who accepted them
// (Q4). A release by the policy itself accepts nothing. What does not hold again
// because of it is told by the released hold, since it is so in its registry
// only.
func (s *Service) acknowledge(ctx context.Context, tx *db.Tx, h *ent.Hold) error {
	who := scope.ActorOf(ctx).Name
	if h.Cause != hold.CausePOLICY || who == LiftedBy || h.Version == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE findings SET acknowledged_at = $5, acknowledged_by = $6 WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND version = $3
		AND reference = ANY ($4) AND closed_at IS NULL AND acknowledged_at IS NULL`, h.Ecosystem, h.Name, *h.Version, h.Evidence, s.Now(), who)
	if err != nil {
		return fmt.Errorf("acknowledge findings: %w", err)
	}
	return nil
}

// LiftPolicy closes a POLICY hold whose cause has gone (Q5).
func (s *Service) LiftPolicy(ctx context.Context, id uuid.UUID, why string) error {
	return s.onHold(ctx, "lift", id, func(ctx context.Context, tx *db.Tx, h *ent.Hold) error {
		if h.Cause != hold.CausePOLICY || h.ReleasedAt != nil {
			return nil
		}
		_, err := s.release(scope.WithActor(ctx, scope.System(LiftedBy)), tx, h, why)
		return err
	})
}

// LiftedBy is the name under which holds are released when their cause has
// gone. Such a release acknowledges no finding (Q4).
const LiftedBy = "policy"
