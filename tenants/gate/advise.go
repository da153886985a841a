package gate

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
)

// AdviseRequest asks what is known against what a client has installed.
type AdviseRequest struct {
	Registry  uuid.UUID
	Ecosystem coord.Ecosystem
	Installed map[string][]string // versions by package; what is no name or no version is passed over
	// Fixes asks for the versions to go to as well, which costs reading the
	// documents of all packages that are affected.
	Fixes bool
}

// Advice is the answer.
type Advice struct {
	Concerns []Concern // by package, then by advisory id
	Snapshot time.Time // of the advisory data; zero = no feed was ever imported, and no clean bill of health (P3)
}

// Concern is an advisory that affects an installed version.
//
// It goes by numbers, whether the registry has such a version or not, so that
// it tells nothing about versions that are withheld (P2). Not meant are the
// versions that the registry lists and that the advisory is not about: the
// organization's own, which only share a name or a number with public ones
// (O1), unless a rule on their way counts it against them; and those for which
// people have acknowledged it and no rule counts it any more (Q4).
type Concern struct {
	Package  coord.Package
	Advisory advisory.Affected
	About    advisory.Reference
	Versions []string        // installed ones that it affects, ascending
	Spans    []advisory.Span // what it affects, without the versions that it is not about
	// Clear are the versions that the registry lists and delivers and that the
	// advisory does not affect, ascending; nil unless asked for.
	Clear []string
}

// maxAdvised is how many questions a node answers at a time: each may hold
// thousands of advisories in memory.
const maxAdvised = 4

// Advise says which advisories affect installed versions, after the registry's
// policy. No remote is asked, and a package that no source of the registry can
// have is passed over. It reads the database in one transaction.
func (g *Gate) Advise(ctx context.Context, req AdviseRequest) (Advice, error) {
	at, err := g.place(ctx, "advise", req.Registry, req.Ecosystem)
	if err != nil {
		return Advice{}, err
	}
	if err := g.advising.Acquire(ctx, 1); err != nil {
		return Advice{}, err
	}
	defer g.advising.Release(1)
	a := advising{g: g, at: at, fixes: req.Fixes, installed: installed(req)}
	if err := g.DB.InSnapshot(ctx, a.read); err != nil {
		return Advice{}, errs.Wrap(err, errs.Unavailable, "advise", "the advisories cannot be read at the moment")
	}
	if err := g.settleAll(ctx, a.recalled); err != nil {
		return Advice{}, err
	}
	return Advice{Concerns: a.concerns(), Snapshot: a.snapshot}, nil
}

// installed keeps what can be looked up, normalized.
func installed(req AdviseRequest) map[string][]string {
	out := make(map[string][]string, len(req.Installed))
	for raw, versions := range req.Installed {
		name, err := coord.NormalizeName(req.Ecosystem, raw)
		if err != nil {
			continue
		}
		for _, v := range versions {
			if norm, err := coord.NormalizeVersion(req.Ecosystem, v); err == nil {
				out[name] = append(out[name], norm)
			}
		}
	}
	for name := range out {
		coord.Sort(req.Ecosystem, out[name])
		out[name] = slices.Compact(out[name])
	}
	return out
}

// advising is one call of Advise.
type advising struct {
	g         *Gate
	at        place
	fixes     bool
	installed map[string][]string

	snapshot time.Time
	affected map[string]advisory.Advisories // those that affect an installed version
	about    map[string]advisory.Reference
	recalled map[string]*recalled // packages whose versions must be known
}

func (a *advising) read(ctx context.Context, tx *db.Tx) (err error) {
	e := a.at.root.Ecosystem
	if a.snapshot, err = a.g.Advisories.Snapshot(ctx, tx, e); err != nil {
		return err
	}
	all, err := a.g.Advisories.ForPackages(ctx, tx, e, slices.Sorted(maps.Keys(a.installed)))
	if err != nil {
		return err
	}
	a.affected = map[string]advisory.Advisories{}
	var ids []string
	for name, list := range all {
		for _, one := range list {
			if slices.ContainsFunc(a.installed[name], one.Affects) {
				a.affected[name] = append(a.affected[name], one)
				ids = append(ids, one.ID)
			}
		}
	}
	if a.about, err = a.g.Advisories.References(ctx, tx, ids); err != nil {
		return err
	}
	names, err := a.closer(ctx, tx)
	if err != nil {
		return err
	}
	a.recalled, err = a.g.recall(ctx, tx, a.at, names)
	return err
}

// closer returns the packages whose listed versions matter for the answer. Of
// the others everything is public.
func (a *advising) closer(ctx context.Context, tx *db.Tx) ([]string, error) {
	e, upward := a.at.root.Ecosystem, idsOf(a.at.root.Upward())
	names := slices.Sorted(maps.Keys(a.affected))
	if a.fixes || len(names) == 0 {
		return names, nil
	}
	present, err := catalog.Present(ctx, tx, e, names, upward)
	if err != nil {
		return nil, err
	}
	accepted, err := quarantine.Accepted(ctx, tx, e, names, upward)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		internal, public := a.sources(name)
		return public && !internal && !present[name].Internal && !slices.Contains(accepted, name)
	}), nil
}

// sources reports what kinds of remotes can have a package.
func (a *advising) sources(name string) (internal, public bool) {
	c := a.g.compiler(a.at, coord.Package{Ecosystem: a.at.root.Ecosystem, Name: name})
	own, others := c.reachable()
	return len(own) > 0, len(others) > 0
}

func (a *advising) concerns() (out []Concern) {
	e := a.at.root.Ecosystem
	for _, name := range slices.Sorted(maps.Keys(a.affected)) {
		r := a.recalled[name]
		if r != nil && !r.known() {
			continue
		}
		for _, one := range a.affected[name] {
			c := Concern{Package: coord.Package{Ecosystem: e, Name: name}, Advisory: one, About: a.about[one.ID]}
			exempt := r.exemptFrom(one.ID)
			for _, v := range a.installed[name] {
				if one.Affects(v) && !slices.Contains(exempt, v) {
					c.Versions = append(c.Versions, v)
				}
			}
			if len(c.Versions) == 0 {
				continue
			}
			c.Spans = advisory.Without(e, one.Spans(), exempt)
			if a.fixes {
				c.Clear = r.clear(&one, exempt)
			}
			out = append(out, c)
		}
	}
	return out
}

// known reports whether a source of the registry can have the package: it lists
// a version, or a remote carries it. A package of which everything is withheld
// is as unknown as any other (P2).
func (r *recalled) known() bool {
	if len(r.remotes) > 0 {
		return true
	}
	for _, c := range r.res.candidates {
		if c.decision.Listed {
			return true
		}
	}
	return false
}

// exemptFrom returns the listed versions that an advisory is not about here.
func (r *recalled) exemptFrom(id string) (out []string) {
	if r == nil {
		return nil
	}
	for v, c := range r.res.candidates {
		if c.decision.Listed && !counted(c.decision, id) && (c.origin == coord.Internal || r.accepted(c, v, id)) {
			out = append(out, v)
		}
	}
	coord.Sort(r.pkg.Ecosystem, out)
	return out
}

// counted reports whether a rule decides by the advisory.
func counted(d policy.Decision, id string) bool {
	return slices.ContainsFunc(d.Verdicts, func(v policy.Verdict) bool { return v.Mode == policy.Enforce && slices.Contains(v.Evidence, id) })
}

// accepted reports whether a registry on the way acknowledged the finding.
func (r *recalled) accepted(c *candidate, version, id string) bool {
	for _, hop := range c.path {
		if slices.Contains(r.state.Acknowledged(hop.ID, version), id) {
			return true
		}
	}
	return false
}

func (r *recalled) clear(one *advisory.Affected, exempt []string) (out []string) {
	for v, c := range r.res.candidates {
		if c.decision.Listed && !c.decision.Withheld() && (!one.Affects(v) || slices.Contains(exempt, v)) {
			out = append(out, v)
		}
	}
	coord.Sort(r.pkg.Ecosystem, out)
	return out
}
