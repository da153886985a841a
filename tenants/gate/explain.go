package gate

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
)

// Explanation answers for one version in one registry, held or not (P8).
type Explanation struct {
	Version   coord.Version
	Registry  string
	Origin    coord.Origin
	Held      bool
	Decision  policy.Decision
	Path      []string  // names of the registries it passes, outermost first
	Remote    string    // the remote it comes from, "" when published or unknown by now
	Snapshot  time.Time // of the advisory data; zero = no feed was ever imported
	Available time.Time // when it heals by itself; zero = not by time
	Instead   string    // version to install instead, "" when none is allowed
	Published time.Time
	FirstSeen bool // Published is when we first saw it (R5)
}

// Explain says what the gate would answer for a version, and why. It opens no
// hold, and records nothing about the version.
func (g *Gate) Explain(ctx context.Context, reg uuid.UUID, version coord.Version) (*Explanation, error) {
	v, err := g.List(ctx, reg, version.Package)
	if err != nil {
		return nil, err
	}
	e := v.Entry(version.Version)
	if e == nil {
		return nil, errs.New(errs.NotFound, "explain", "%s@%s is not known in the registry %q or above it", version.Name, version.Version, v.Name)
	}
	out := &Explanation{Version: version, Registry: v.Name, Origin: e.Origin, Held: e.Held, Decision: e.Decision, Snapshot: v.Snapshot,
		Published: e.Published, FirstSeen: e.FirstSeen}
	for _, n := range e.source.path {
		out.Path = append(out.Path, n.Name)
	}
	if e.source.remote != nil {
		out.Remote = e.source.remote.Name
	}
	if e.Decision.Withheld() {
		out.Instead = v.Suggest(version.Version)
		out.Available = available(e.Decision)
	}
	return out, nil
}

// available returns when the last of what withholds heals by itself, zero when
// something does not.
func available(d policy.Decision) (at time.Time) {
	for _, v := range d.Verdicts {
		switch {
		case v.Mode == policy.DryRun || v.Effect < policy.Deny:
		case v.Until.IsZero():
			return time.Time{}
		case v.Until.After(at):
			at = v.Until
		}
	}
	return at
}
