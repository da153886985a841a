package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// compiler works out one view. It reads the database once, in one snapshot,
// then asks the remotes, then only computes.
type compiler struct {
	g        *Gate
	proto    Protocol
	pkg      coord.Package
	now      time.Time
	root     *registry.Node
	upward   []*registry.Node // of the root, the root first
	held     map[uuid.UUID]map[string]*catalog.Holding
	tags     map[uuid.UUID]map[string]string
	state    *quarantine.State
	affected advisory.Advisories
	snapshot time.Time
	opened   map[string]time.Time // findings (P5)

	documents map[uuid.UUID]*document // by remote
	listings  map[uuid.UUID]*Listing
	failures  map[uuid.UUID]error // remotes that do not answer and of which nothing is remembered
	warnings  []string
	matches   map[string][]policy.Match
	stored    map[uuid.UUID]*Listed // by release
	results   map[*registry.Node]*result
	exempt    map[string]bool // versions that minimum age lets through (P9)
}

// result is what a registry lists: candidates with the registry's decision.
type result struct {
	candidates map[string]*candidate
	tags       map[string]string // after P7
	base       *Listing
	err        error // a source failed, and the registry holds nothing of the name (R1)
}

// candidate is one version as one registry gets it.
type candidate struct {
	listed   *Listed
	origin   coord.Origin
	path     []*registry.Node // registries it passes, outermost first, the listing one last
	remote   *registry.Remote // nil when published
	release  *catalog.Release // the bytes that some registry on the path holds; nil when none does
	source   string           // what the metadata was read from, for the print
	seen     bool             // the date is first-seen, not the source's (R5)
	decision policy.Decision
}

func (g *Gate) compile(ctx context.Context, key viewKey) (*View, error) {
	p, err := g.protocol(key.pkg.Ecosystem)
	if err != nil {
		return nil, err
	}
	shape, err := g.Shapes.Of(ctx)
	if err != nil {
		return nil, err
	}
	root := shape.Node(key.registry)
	if root == nil || root.Ecosystem != key.pkg.Ecosystem {
		return nil, errs.New(errs.NotFound, "list", "there is no such registry")
	}
	c := &compiler{g: g, proto: p, pkg: key.pkg, now: g.Now(), root: root, upward: root.Upward(), documents: map[uuid.UUID]*document{},
		listings: map[uuid.UUID]*Listing{}, failures: map[uuid.UUID]error{}, matches: map[string][]policy.Match{},
		stored: map[uuid.UUID]*Listed{}, results: map[*registry.Node]*result{}}
	if err := c.readState(ctx); err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "list", "the state of %s cannot be read at the moment", key.pkg.Name)
	}
	if err := c.askRemotes(ctx, shape); err != nil {
		return nil, err
	}
	res := c.list(root, shape)
	if c.needsExemption() {
		c.findExemption(res)
		if len(c.exempt) > 0 {
			clear(c.results)
			res = c.list(root, shape)
		}
	}
	if res.err != nil {
		return nil, res.err
	}
	return c.view(ctx, key, res)
}

// readState reads everything that the database knows, as of one moment.
func (c *compiler) readState(ctx context.Context) error {
	ids := make([]uuid.UUID, len(c.upward))
	for i, n := range c.upward {
		ids[i] = n.ID
	}
	return c.g.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		holdings, err := catalog.Held(ctx, tx, c.pkg, ids)
		if err != nil {
			return err
		}
		c.held = map[uuid.UUID]map[string]*catalog.Holding{}
		for i := range holdings {
			h := &holdings[i]
			if c.held[h.Registry] == nil {
				c.held[h.Registry] = map[string]*catalog.Holding{}
			}
			c.held[h.Registry][h.Release.Version] = h
		}
		if c.tags, err = catalog.Tags(ctx, tx, c.pkg, ids); err != nil {
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
		c.snapshot, err = c.g.Advisories.Snapshot(ctx, tx, c.pkg.Ecosystem)
		return err
	})
}

// askRemotes gets the documents of the remotes that may contribute. A name that
// the organization owns is never asked for at a public remote (O4), which would
// also give the name away.
func (c *compiler) askRemotes(ctx context.Context, shape *registry.Snapshot) error {
	internal, public := c.reachable()
	if err := c.fetchAll(ctx, internal); err != nil {
		return err
	}
	if c.owner(c.root, shape) != "" {
		return nil
	}
	for _, r := range internal {
		if err := c.failures[r.ID]; err != nil {
			// Whether the name is owned cannot be told, so public sources
			// contribute nothing (O3).
			for _, p := range public {
				c.failures[p.ID] = err
			}
			return nil
		}
	}
	return c.fetchAll(ctx, public)
}

// reachable returns the remotes upward whose edges carry the package.
func (c *compiler) reachable() (internal, public []*registry.Remote) {
	seen := map[uuid.UUID]bool{}
	visited := map[*registry.Node]bool{}
	var walk func(*registry.Node)
	walk = func(n *registry.Node) {
		if visited[n] {
			return
		}
		visited[n] = true
		for _, e := range n.Edges {
			switch {
			case !e.Carries(c.pkg):
			case e.Source != nil:
				walk(e.Source)
			case seen[e.Remote.ID]:
			case e.Remote.Internal:
				seen[e.Remote.ID] = true
				internal = append(internal, e.Remote)
			default:
				seen[e.Remote.ID] = true
				public = append(public, e.Remote)
			}
		}
	}
	walk(c.root)
	return internal, public
}

func (c *compiler) fetchAll(ctx context.Context, remotes []*registry.Remote) error {
	type answer struct {
		doc     *document
		listing *Listing
		err     error
	}
	answers := make([]answer, len(remotes))
	var all errgroup.Group
	for i, r := range remotes {
		all.Go(func() error {
			d, err := c.g.documentOf(ctx, r, c.pkg)
			if err == nil {
				answers[i].doc = d
				answers[i].listing, err = c.g.listing(ctx, d)
			}
			answers[i].err = err
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for i, r := range remotes {
		a := answers[i]
		if a.err != nil {
			if errors.Is(a.err, context.Canceled) && ctx.Err() != nil {
				return ctx.Err()
			}
			c.failures[r.ID] = a.err
			continue
		}
		c.documents[r.ID], c.listings[r.ID] = a.doc, a.listing
		if a.doc.failed.Load() != 0 && a.doc.sha256 != "" && c.now.Sub(time.Unix(0, a.doc.checked.Load())) >= c.g.Fresh+c.g.Background {
			c.warnings = append(c.warnings, fmt.Sprintf(`110 - "the remote %s does not answer; this is what it said %s ago"`,
				r.Name, c.now.Sub(time.Unix(0, a.doc.checked.Load())).Round(time.Minute)))
		}
	}
	return nil
}

// owner says by what the organization owns the name as seen from a registry
// (O3), "" when it does not.
func (c *compiler) owner(n *registry.Node, shape *registry.Snapshot) string {
	if p := shape.Reserved(c.pkg); p != "" {
		return fmt.Sprintf("the reserved pattern %s", p)
	}
	for _, up := range n.Upward() {
		if !up.Internal && up != n {
			continue
		}
		for _, h := range c.held[up.ID] {
			if h.Release.Origin == coord.Internal {
				return fmt.Sprintf("the registry %q, which holds %s of its own", up.Name, h.Release.Version)
			}
		}
	}
	for _, up := range n.Upward() {
		for _, e := range up.Edges {
			if e.Remote != nil && e.Remote.Internal && c.listings[e.Remote.ID] != nil {
				return fmt.Sprintf("the internal remote %q", e.Remote.Name)
			}
		}
	}
	return ""
}

// list works out what a registry lists (R1): what it holds, then each
// upstream's list after that upstream's own rules, in order. A version that one
// upstream withholds may come from the next.
func (c *compiler) list(n *registry.Node, shape *registry.Snapshot) *result {
	if r := c.results[n]; r != nil {
		return r
	}
	r := &result{candidates: map[string]*candidate{}, tags: map[string]string{}}
	c.results[n] = r
	owner := c.owner(n, shape)
	c.addHeld(n, r, shape)
	failed := c.addUpstreams(n, r, shape, owner)
	for v, cand := range r.candidates {
		cand.decision = c.decide(n, cand, v, owner)
	}
	c.settleTags(r)
	if failed != nil {
		if len(c.held[n.ID]) == 0 {
			r.err = failed
		} else {
			c.warnings = append(c.warnings, fmt.Sprintf(`199 - "incomplete: %s"`, strings.ReplaceAll(errs.Public(failed), `"`, "'")))
		}
	}
	return r
}

func (c *compiler) addHeld(n *registry.Node, r *result, shape *registry.Snapshot) {
	for v, h := range c.held[n.ID] {
		listed, err := c.storedListing(h.Release)
		if err != nil {
			continue // what cannot be read is not shown (F1)
		}
		cand := &candidate{listed: listed, origin: h.Release.Origin, release: h.Release, source: h.Release.ID.String(), seen: h.Release.PublishedFrom == "FIRST_SEEN"}
		for _, id := range h.Path {
			if p := shape.Node(id); p != nil {
				cand.path = append(cand.path, p)
			}
		}
		cand.path = append(cand.path, n)
		cand.remote = c.remoteNamed(h.Release.Remote)
		r.candidates[v] = cand
	}
	for tag, v := range c.tags[n.ID] {
		r.tags[tag] = v
	}
}

// remoteNamed returns a reachable remote, or one that only has its id: what
// matters of a remote that is gone is that the version came from one.
func (c *compiler) remoteNamed(id uuid.UUID) *registry.Remote {
	if id == uuid.Nil {
		return nil
	}
	if d := c.documents[id]; d != nil {
		return d.remote.Load()
	}
	return &registry.Remote{ID: id}
}

func (c *compiler) storedListing(rel *catalog.Release) (*Listed, error) {
	if l := c.stored[rel.ID]; l != nil {
		return l, nil
	}
	l, err := c.proto.DecodeVersion(c.pkg.Name, rel.Metadata)
	if err != nil {
		return nil, err
	}
	own := *l
	own.Published, own.License, own.Version = rel.Published, rel.License, rel.Version
	c.stored[rel.ID] = &own
	return &own, nil
}

func (c *compiler) addUpstreams(n *registry.Node, r *result, shape *registry.Snapshot, owner string) (failed error) {
	for _, e := range n.Edges {
		if !e.Carries(c.pkg) {
			continue
		}
		if e.Source != nil {
			up := c.list(e.Source, shape)
			if up.err != nil {
				failed = errors.Join(failed, up.err)
			}
			c.addRegistry(n, r, up)
			continue
		}
		if err := c.failures[e.Remote.ID]; err != nil {
			failed = errors.Join(failed, outage(e.Remote, err))
			continue
		}
		if l := c.listings[e.Remote.ID]; l != nil && (owner == "" || e.Remote.Internal) {
			c.addRemote(n, r, e.Remote, l)
		}
	}
	return failed
}

func (c *compiler) addRegistry(n *registry.Node, r *result, up *result) {
	for v, cand := range up.candidates {
		have := r.candidates[v]
		if have != nil && (c.held[n.ID][v] != nil || !have.decision.Withheld() || cand.decision.Withheld()) {
			continue // the copy here, else the first upstream that allows it
		}
		own := *cand
		own.path = append(slices.Clone(cand.path), n)
		r.candidates[v] = &own
	}
	for tag, v := range up.tags {
		if _, have := r.tags[tag]; !have {
			r.tags[tag] = v
		}
	}
	if r.base == nil {
		r.base = up.base
	}
}

func (c *compiler) addRemote(n *registry.Node, r *result, remote *registry.Remote, l *Listing) {
	doc := c.documents[remote.ID]
	origin := coord.External
	if remote.Internal {
		origin = coord.Internal
	}
	for _, listed := range l.Versions {
		if have := r.candidates[listed.Version]; have != nil && (c.held[n.ID][listed.Version] != nil || !have.decision.Withheld()) {
			continue
		}
		cand := &candidate{listed: listed, origin: origin, path: []*registry.Node{n}, remote: remote, source: doc.sha256}
		if listed.Published.IsZero() {
			dated := *listed
			dated.Published = doc.firstSeen[listed.Version]
			cand.listed, cand.seen = &dated, true
		}
		r.candidates[listed.Version] = cand
	}
	for tag, v := range l.Tags {
		if _, have := r.tags[tag]; !have {
			r.tags[tag] = v
		}
	}
	if r.base == nil {
		r.base = l
	}
}

// settleTags applies P7: latest moves to the highest allowed stable version
// below its target, other tags on a hidden version are dropped.
func (c *compiler) settleTags(r *result) {
	for tag, v := range r.tags {
		if cand := r.candidates[v]; cand != nil && cand.decision.Listed {
			continue
		}
		delete(r.tags, tag)
		if tag == "latest" {
			if best := c.highestBelow(r, v); best != "" {
				r.tags[tag] = best
			}
		}
	}
}

func (c *compiler) highestBelow(r *result, limit string) string {
	e := c.pkg.Ecosystem
	top, best := coord.KeyOf(e, limit), ""
	for v, cand := range r.candidates {
		if cand.decision.Withheld() || coord.IsPrerelease(e, v) || coord.KeyOf(e, v).Compare(top) >= 0 {
			continue
		}
		if best == "" || coord.Compare(e, v, best) > 0 {
			best = v
		}
	}
	return best
}

// view freezes a result.
func (c *compiler) view(ctx context.Context, key viewKey, res *result) (*View, error) {
	v := &View{Org: key.org, Registry: key.registry, Name: c.root.Name, Package: key.pkg, Base: res.base, Tags: res.tags,
		Snapshot: c.snapshot, Warnings: slices.Compact(c.warnings), byVersion: make(map[string]int, len(res.candidates)), renders: c.g.renders}
	type keyed struct {
		key coord.Key
		v   string
	}
	order := make([]keyed, 0, len(res.candidates))
	for version := range res.candidates {
		order = append(order, keyed{coord.KeyOf(key.pkg.Ecosystem, version), version})
	}
	slices.SortFunc(order, func(a, b keyed) int {
		if n := a.key.Compare(b.key); n != 0 {
			return n
		}
		return strings.Compare(a.v, b.v)
	})
	v.Entries = make([]Entry, 0, len(order))
	for i, o := range order {
		cand := res.candidates[o.v]
		v.Entries = append(v.Entries, Entry{Listed: cand.listed, Origin: cand.origin, Held: c.held[key.registry][o.v] != nil,
			FirstSeen: cand.seen, Decision: cand.decision, source: cand})
		v.byVersion[o.v] = i
		if cand.decision.Listed && cand.listed.Published.After(v.Modified) {
			v.Modified = cand.listed.Published
		}
		if until := cand.decision.ValidUntil; !until.IsZero() && (v.ValidUntil.IsZero() || until.Before(v.ValidUntil)) {
			v.ValidUntil = until
		}
	}
	for _, d := range c.documents {
		v.documents = append(v.documents, d)
	}
	if err := c.record(ctx, v); err != nil {
		return nil, err
	}
	v.Print = print(v, res)
	return v, nil
}

// record writes one row for what the list withholds and points the list at it.
func (c *compiler) record(ctx context.Context, v *View) error {
	withheld := v.Withheld()
	if len(withheld) == 0 {
		return nil
	}
	const most = 500 // of a package that is withheld whole, the first ones tell enough
	lines, sum := make([]WithheldLine, 0, min(len(withheld), most)), sha256.New()
	for i, e := range withheld {
		if i < most {
			lines = append(lines, WithheldLine{e.Version, e.Decision.Decisive})
		}
		fmt.Fprintf(sum, "%s %s\n", e.Version, e.Decision.Decisive.Reason)
	}
	id, err := c.g.Decisions.Refused(scope.With(ctx, v.Org), audit.Answer{Registry: v.Registry, Version: coord.Version{Package: v.Package}, Channel: audit.ChannelList,
		Effect: policy.Deny.String(), Kind: hex.EncodeToString(sum.Sum(nil)[:12]), Snapshot: c.snapshot,
		Decision: recorded{Registry: v.Name, Withheld: lines, Count: len(withheld)}})
	v.DecisionID = id
	return err
}

// print digests what renderings depend on.
func print(v *View, res *result) string {
	h := sha256.New()
	if res.base != nil {
		sum := sha256.Sum256(res.base.Raw)
		h.Write(sum[:])
	}
	for i := range v.Entries {
		e := &v.Entries[i]
		reason := ""
		if e.Decision.Decisive != nil && e.Decision.Withheld() {
			reason = e.Decision.Decisive.Reason
		}
		fmt.Fprintf(h, "%s %s %d %t %s\n", e.Version, e.source.source, e.Decision.Effect, e.Decision.Listed, reason)
	}
	tags := make([]string, 0, len(v.Tags))
	for t, to := range v.Tags {
		tags = append(tags, t+"="+to)
	}
	slices.Sort(tags)
	fmt.Fprintf(h, "%q %s", tags, v.DecisionID)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
