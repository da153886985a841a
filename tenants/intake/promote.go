package intake

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// ErrWithheld is wrapped by the Conflict that refuses to promote, push or pull a
// version which the gate withholds, at its source or where it is to go (Q3).
var ErrWithheld = errors.New("intake: the gate withholds the version")

// CopyInput names a version of one registry, and another one that is to hold it
// too: the same coordinates, bytes, further files and origin (O1).
type CopyInput struct {
	From    uuid.UUID
	To      uuid.UUID // of the same ecosystem
	Name    string
	Version string
	Tag     string // points at it there from now on; "" = none
}

// Promote copies a version into another registry. When that holds the same bytes
// already, only the tag is set; other bytes are a Conflict ([ErrExists]). So is
// what the gate withholds in the first registry, would withhold in the second
// ([ErrWithheld]), or must not come in there (see [Service.Publish]). A version
// from a remote must pass every firewall above the second registry, and their
// rules go on deciding about it there (P1).
func (s *Service) Promote(ctx context.Context, in CopyInput) (coord.Version, error) {
	return s.carry(ctx, "promote", catalog.ByPromote, in)
}

// Push copies a version into a direct or indirect upstream, under the same
// conditions as [Service.Promote].
func (s *Service) Push(ctx context.Context, in CopyInput) (coord.Version, error) {
	return s.carry(ctx, "push", catalog.ByPush, in)
}

// carried is a version on its way from one registry into another.
type carried struct {
	op, how  string
	from, to *registry.Node
	version  coord.Version
	release  *catalog.Release
	tag      string
	enter    *gate.Admission // nil when the target held the same bytes before
}

func (s *Service) carry(ctx context.Context, op, how string, in CopyInput) (coord.Version, error) {
	x := &carried{op: op, how: how, tag: in.Tag}
	if err := s.plan(ctx, x, in); err != nil {
		return x.version, err
	}
	if err := s.take(ctx, x); err != nil {
		return x.version, err
	}
	there, err := s.release(ctx, x.to.ID, x.version)
	if err != nil {
		return x.version, err
	}
	if there == nil || there.Digest != x.release.Digest {
		if x.enter, err = s.enter(ctx, x); err != nil {
			return x.version, err
		}
	}
	err = s.write(ctx, op, x.to, x.version.Package, "", func(ctx context.Context, c *change) ([]audit.Event, error) { return c.receive(ctx, x) })
	return x.version, err
}

// plan reads what is asked for, and whether the way is one.
func (s *Service) plan(ctx context.Context, x *carried, in CopyInput) (err error) {
	if x.from, err = s.node(ctx, x.op, in.From); err != nil {
		return err
	}
	var pkg coord.Package
	if x.to, pkg, err = s.named(ctx, x.op, in.To, in.Name); err != nil {
		return err
	}
	x.version.Package = pkg
	if x.version.Version, err = number(x.op, x.to.Ecosystem, in.Version); err != nil {
		return err
	}
	if in.Tag != "" {
		if err := tagName(x.op, x.to.Ecosystem, in.Tag); err != nil {
			return err
		}
	}
	// By id: the two may be of different snapshots.
	switch below := slices.Contains(ids(x.from.Upward()[1:]), x.to.ID); {
	case x.from.ID == x.to.ID:
		return errs.New(errs.Invalid, x.op, "%q is the registry that the version comes from; choose another one", x.to.Name).On("to")
	case x.from.Ecosystem != x.to.Ecosystem:
		return errs.New(errs.Invalid, x.op, "the registry %q is of %s, and %q is of %s; both must be of one ecosystem", x.from.Name, x.from.Ecosystem, x.to.Name, x.to.Ecosystem).On("to")
	case x.how == catalog.ByPush && !below:
		return errs.New(errs.Invalid, x.op, "the registry %q is no upstream of %q; push into one that is, or promote the version", x.to.Name, x.from.Name).On("to")
	case below:
		// However it is called: what comes from below is refused.
		if r := BlocksDownstream(x.to); r != nil {
			return errs.New(errs.Forbidden, x.op, "the registry %q takes no versions from registries below it, by its rule %q", x.to.Name, r.Name).On("to")
		}
	}
	return nil
}

// take reads the release that the source has, as far as its gate lets it out.
// One that it only lists is brought in first.
func (s *Service) take(ctx context.Context, x *carried) error {
	refusal, err := s.Gate.Pull(ctx, x.from.ID, x.version)
	if err != nil {
		return err
	}
	if refusal != nil {
		return withheld(x.op, x.version, x.from, refusal.Decision)
	}
	if x.release, err = s.release(ctx, x.from.ID, x.version); err == nil && x.release == nil {
		err = gone(x)
	}
	return err
}

func gone(x *carried) error {
	return errs.New(errs.Conflict, x.op, "the registry %q does not hold %s@%s any more", x.from.Name, x.version.Name, x.version.Version).On("version")
}

func withheld(op string, v coord.Version, n *registry.Node, d policy.Decision) error {
	reason := "it is withheld"
	if d.Decisive != nil {
		reason = d.Decisive.Reason
		if d.Decisive.RegistryName != n.Name {
			reason += " (by the registry " + d.Decisive.RegistryName + ")"
		}
	}
	return errs.Wrap(ErrWithheld, errs.Conflict, op, "%s@%s is withheld in the registry %q: %s", v.Name, v.Version, n.Name, reason).On("version")
}

// release returns what a registry holds of a version, nil for nothing.
func (s *Service) release(ctx context.Context, reg uuid.UUID, v coord.Version) (out *catalog.Release, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		out, err = releaseIn(ctx, tx, reg, v)
		return err
	})
	return out, err
}

func releaseIn(ctx context.Context, tx *db.Tx, reg uuid.UUID, v coord.Version) (*catalog.Release, error) {
	held, err := catalog.Held(ctx, tx, v.Package, []uuid.UUID{reg})
	for _, h := range held {
		if h.Release.Version == v.Version {
			return h.Release, err
		}
	}
	return nil, err
}

// enter asks who owns the name (O5), and every rule that will decide about the
// version in the target. Both may ask remotes, so no transaction is open.
func (s *Service) enter(ctx context.Context, x *carried) (*gate.Admission, error) {
	if x.release.Origin == coord.Internal {
		if err := s.mayPublish(ctx, x.op, x.to, x.version.Package); err != nil {
			return nil, err
		}
	}
	a, err := s.Gate.Admit(ctx, x.to.ID, x.version.Package, x.release)
	if err != nil {
		return nil, err
	}
	if a.Decision.Withheld() {
		return nil, withheld(x.op, x.version, x.to, a.Decision)
	}
	return &a, nil
}

// receive puts the version into the target, under the package's lock.
func (c *change) receive(ctx context.Context, x *carried) ([]audit.Event, error) {
	have := c.held[x.version.Version]
	switch {
	case have != nil && have.Release.Digest != x.release.Digest:
		return nil, errs.Wrap(ErrExists, errs.Conflict, x.op, "the registry %q holds other bytes of %s@%s already", x.to.Name, x.version.Name, x.version.Version).On("version")
	case have != nil:
		return c.retag(ctx, x)
	case x.enter == nil:
		return nil, errs.New(errs.Conflict, x.op, "%s@%s was deleted from the registry %q in this moment; try again", x.version.Name, x.version.Version, x.to.Name).On("version")
	}
	if err := c.stillThere(ctx, x); err != nil {
		return nil, err
	}
	r := x.release
	if err := c.admit(ctx, c.tx, x.to, admission{op: x.op, version: x.version, origin: r.Origin, digest: r.Digest}); err != nil {
		return nil, err
	}
	_, err := catalog.Record(ctx, c.tx, c.now, catalog.Arrival{Version: x.version, Origin: r.Origin, Remote: r.Remote, Published: r.Published, PublishedFrom: r.PublishedFrom,
		License: r.License, Metadata: r.Metadata, Files: stored(r), Holders: []catalog.Holder{{Registry: x.to.ID, Path: x.enter.Path}}, How: x.how})
	if err != nil {
		return nil, err
	}
	if x.tag != "" {
		if err := catalog.SetTag(ctx, c.tx, c.now, x.to.ID, x.version, x.tag); err != nil {
			return nil, err
		}
	}
	if err := c.Quarantine.Inherit(ctx, c.tx, c.pkg, []uuid.UUID{x.to.ID}); err != nil {
		return nil, err
	}
	e := c.event("version:"+x.op, x.version.Version)
	e.After = map[string]any{"from": x.from.ID, "sha256": r.Digest, "origin": r.Origin, "tag": x.tag}
	return []audit.Event{e}, c.forward(ctx, c.tx, x.to, x.version)
}

// stillThere checks under the lock what was decided before it: that the source
// holds these bytes, and that no hold on them was opened meanwhile (Q3).
func (c *change) stillThere(ctx context.Context, x *carried) error {
	now, err := releaseIn(ctx, c.tx, x.from.ID, x.version)
	if err != nil {
		return err
	}
	if now == nil || now.Digest != x.release.Digest {
		return gone(x)
	}
	source := change{Service: c.Service, tx: c.tx, op: c.op, node: x.from, pkg: c.pkg, now: c.now}
	return source.free(ctx, x.version.Version)
}

// retag points the tag at a version that is there already.
func (c *change) retag(ctx context.Context, x *carried) ([]audit.Event, error) {
	if x.tag == "" {
		return nil, nil
	}
	tags, err := catalog.Tags(ctx, c.tx, c.pkg, []uuid.UUID{x.to.ID})
	if err != nil || tags[x.to.ID][x.tag] == x.version.Version {
		return nil, err
	}
	if err := c.free(ctx, x.version.Version); err != nil {
		return nil, err
	}
	e := c.event("tag:set", x.version.Version)
	e.Before, e.After = map[string]string{x.tag: tags[x.to.ID][x.tag]}, map[string]string{x.tag: x.version.Version}
	return []audit.Event{e}, catalog.SetTag(ctx, c.tx, c.now, x.to.ID, x.version, x.tag)
}

// stored are the files of a release, whose bytes are durable: a registry holds
// them.
func stored(r *catalog.Release) []catalog.StoredFile {
	out := make([]catalog.StoredFile, len(r.Files))
	for i, f := range r.Files {
		out[i] = catalog.StoredFile{Name: f.Name, Blob: catalog.Blob{SHA256: f.SHA256, SHA512: f.SHA512, SHA1: f.SHA1, MD5: f.MD5, Size: f.Size}}
	}
	return out
}
