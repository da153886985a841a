// Package finding applies advisories to what an organization holds: it opens
// and closes findings, and lets the quarantine act on what has become known
// about versions that were allowed in (law P5) or hold no more (law Q5).
package finding

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	enthold "sluice.dev/sluice/ent/hold"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// Service is the use cases.
type Service struct {
	DB         *db.DB
	Shapes     *registry.Snapshots
	Advisories *advisory.Service
	Quarantine *quarantine.Service
	Now        func() time.Time
}

// Reassess looks again at everything that the organization holds of the
// packages. It is idempotent. One package that fails does not keep the others
// from being looked at; the errors come back joined, and the job is tried again.
func (s *Service) Reassess(ctx context.Context, e coord.Ecosystem, names []string) error {
	shape, err := s.Shapes.Of(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		pkg := coord.Package{Ecosystem: e, Name: name}
		if _, err := s.reassess(ctx, shape, pkg); err != nil {
			failed = append(failed, fmt.Errorf("reassess %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// facts are what is known of one package's held versions.
type facts struct {
	holdings []catalog.Holding
	matches  map[string][]policy.Match
	state    *quarantine.State
	open     []*ent.Hold // POLICY holds
	snapshot time.Time
}

// reassess reports whether the package has other findings than before.
func (s *Service) reassess(ctx context.Context, shape *registry.Snapshot, pkg coord.Package) (changed bool, err error) {
	var f facts
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.read(ctx, tx, shape, pkg, &f); err != nil {
			return err
		}
		if changed, err = s.record(ctx, tx, pkg, f.matches); err != nil || !changed {
			return err
		}
		return catalog.Changed(ctx, tx, pkg)
	})
	if err != nil {
		return false, err
	}
	// First what ends, then what begins: a version whose hold ends because its
	// advisory was withdrawn may have another one that was not the hold's cause.
	lifted, err := s.lift(ctx, shape, pkg, &f)
	if err != nil {
		return changed, err
	}
	if lifted {
		err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return s.read(ctx, tx, shape, pkg, &f) })
		if err != nil {
			return changed, err
		}
	}
	return changed, s.act(ctx, shape, pkg, &f)
}

func (s *Service) read(ctx context.Context, tx *db.Tx, shape *registry.Snapshot, pkg coord.Package, f *facts) error {
	registries := shape.WithRules(pkg.Ecosystem)
	var err error
	if f.holdings, err = catalog.Held(ctx, tx, pkg, registries); err != nil {
		return err
	}
	if f.state, err = quarantine.Read(ctx, tx, pkg, registries); err != nil {
		return err
	}
	all, err := s.Advisories.ForPackage(ctx, tx, pkg.Ecosystem, pkg.Name)
	if err != nil {
		return err
	}
	if f.snapshot, err = s.Advisories.Snapshot(ctx, tx, pkg.Ecosystem); err != nil {
		return err
	}
	versions, err := catalog.HeldVersions(ctx, tx, pkg)
	if err != nil {
		return err
	}
	f.matches = map[string][]policy.Match{}
	for _, v := range versions {
		if m := all.Match(v); len(m) > 0 {
			f.matches[v] = m
		}
	}
	f.open, err = tx.Ent.Hold.Query().Where(enthold.Ecosystem(pkg.Ecosystem), enthold.Name(pkg.Name), enthold.CauseEQ(enthold.CausePOLICY),
		enthold.ReleasedAtIsNil(), enthold.VersionNotNil()).All(ctx)
	if err != nil {
		return err
	}
	for _, h := range f.open {
		if m := all.Match(*h.Version); len(m) > 0 {
			f.matches[*h.Version] = m
		}
	}
	return nil
}

// record opens a finding per match, brings open ones up to date, and closes
// those that match no more.
func (s *Service) record(ctx context.Context, tx *db.Tx, pkg coord.Package, matches map[string][]policy.Match) (changed bool, err error) {
	keep := []string{} // "version kind advisory" of what is still true
	for version, ms := range matches {
		for _, m := range ms {
			kind := "VULNERABILITY"
			if m.Malware {
				kind = "MALWARE"
			}
			keep = append(keep, version+" "+kind+" "+m.ID)
			details, err := json.Marshal(map[string]any{"summary": m.Summary, "aliases": m.Aliases, "fixedIn": m.FixedIn, "cvss": m.CVSS})
			if err != nil {
				return false, err
			}
			tag, err := tx.Exec(ctx, `INSERT INTO findings (id, org_id, ecosystem, name, version, kind, reference, severity, details, opened_at)
				VALUES ($1, `+db.Ours+`, $2,$3,$4,$5,$6,$7,$8,$9)
				ON CONFLICT (org_id, ecosystem, name, version, kind, reference, (coalesce(registry_id, '00000000-0000-0000-0000-000000000000'))) WHERE closed_at IS NULL
				DO UPDATE SET severity = excluded.severity, details = excluded.details
				WHERE (findings.severity, findings.details) IS DISTINCT FROM (excluded.severity, excluded.details)`,
				uuid.Must(uuid.NewV7()), pkg.Ecosystem, pkg.Name, version, kind, m.ID, m.Effective().String(), details, s.Now())
			if err != nil {
				return false, fmt.Errorf("open finding: %w", err)
			}
			changed = changed || tag.RowsAffected() > 0
		}
	}
	tag, err := tx.Exec(ctx, `UPDATE findings SET closed_at = $4 WHERE org_id = `+db.Ours+` AND ecosystem = $1 AND name = $2 AND closed_at IS NULL
		AND kind IN ('VULNERABILITY', 'MALWARE') AND NOT (version || ' ' || kind || ' ' || reference) = ANY ($3)`, pkg.Ecosystem, pkg.Name, keep, s.Now())
	if err != nil {
		return false, fmt.Errorf("close findings: %w", err)
	}
	return changed || tag.RowsAffected() > 0, nil
}

// act opens the holds that the rules of the registries that hold a version ask
// for now.
func (s *Service) act(ctx context.Context, shape *registry.Snapshot, pkg coord.Package, f *facts) error {
	opened, err := Opened(ctx, s.DB, pkg)
	if err != nil {
		return err
	}
	for _, h := range f.holdings {
		n, v := shape.Node(h.Registry), h.Release.Version
		if n == nil || f.state.Held(n.ID, v) != nil {
			continue
		}
		d := s.evaluate(n, coord.Version{Package: pkg, Version: v}, h, f, opened)
		w := d.Decisive
		if d.Effect != policy.Quarantine || w == nil {
			continue
		}
		err := s.Quarantine.HoldByPolicy(ctx, quarantine.PolicyHold{Registry: n.ID, Rule: w.Rule, Reason: w.Reason, Evidence: w.Evidence,
			Version: coord.Version{Package: pkg, Version: v}})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) evaluate(n *registry.Node, v coord.Version, h catalog.Holding, f *facts, opened map[string]time.Time) policy.Decision {
	hop := policy.Hop{Registry: n.ID, RegistryName: n.Name, Rules: n.Rules, Holds: h.Release != nil, Acknowledged: f.state.Acknowledged(n.ID, v.Version)}
	fx := policy.Facts{Version: v, Advisories: policy.AdvisoryFacts{Snapshot: f.snapshot, Matches: Since(f.matches[v.Version], v.Version, opened)}}
	if h.Release != nil {
		fx.Origin, fx.Published, fx.License, fx.FromRemote = h.Release.Origin, h.Release.Published, h.Release.License, h.Release.Remote != uuid.Nil
	}
	return policy.Evaluate([]policy.Hop{hop}, fx, s.Now())
}

// lift releases POLICY holds whose cause has gone (Q5): none of the findings
// that opened one is there any more. Only rules about advisories are looked at;
// the other rules' causes do not go away by themselves. It reports whether it
// released any.
func (s *Service) lift(ctx context.Context, shape *registry.Snapshot, pkg coord.Package, f *facts) (lifted bool, err error) {
	for _, h := range f.open {
		n := shape.Node(h.RegistryID)
		if n == nil || h.RuleID == nil || !autoRelease(n, *h.RuleID) || len(h.Evidence) == 0 {
			continue
		}
		still := slices.ContainsFunc(f.matches[*h.Version], func(m policy.Match) bool { return slices.Contains(h.Evidence, m.ID) })
		if still {
			continue
		}
		why := fmt.Sprintf("%s no longer affects %s@%s", strings.Join(h.Evidence, ", "), pkg.Name, *h.Version)
		if err := s.Quarantine.LiftPolicy(ctx, h.ID, why); err != nil {
			return lifted, err
		}
		lifted = true
	}
	return lifted, nil
}

func autoRelease(n *registry.Node, rule uuid.UUID) bool {
	for _, r := range n.Rules {
		if r.ID == rule {
			return r.AutoRelease && (r.Kind == policy.KindVulnerability || r.Kind == policy.KindMalware)
		}
	}
	return false // the rule is gone; a person decides
}
