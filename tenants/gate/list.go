package gate

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// result is what a registry lists: candidates with the registry's decision.
type result struct {
	candidates map[string]*candidate
	tags       map[string]string // after P7
	base       *Listing
	baseDigest string
	err        error // a source failed, and the registry holds nothing of the name (R1)
}

// candidate is one version as one registry gets it.
type candidate struct {
	listed   *Listed
	origin   coord.Origin
	path     []*registry.Node // registries it passes, outermost first, the listing one last
	holder   int              // place on the path of the registry whose copy it is; -1 when it comes from the remote
	remote   *registry.Remote // nil when published
	release  *catalog.Release // the bytes that the holder has; nil when there is none
	source   string           // what the metadata was read from, for the print
	seen     bool             // the date is first-seen, not the source's (R5)
	digests  Digests          // of the primary file
	decision policy.Decision
}

// list works out what a registry lists (R1): what it holds, then each
// upstream's list after that upstream's own rules, in order. A version that one
// upstream withholds may come from the next.
func (c *compiler) list(n *registry.Node) *result {
	if r := c.results[n]; r != nil {
		return r
	}
	r := &result{candidates: map[string]*candidate{}, tags: map[string]string{}}
	c.results[n] = r
	closed := c.closed(n)
	c.addHeld(n, r)
	maps.Copy(r.tags, c.tags[n.ID])
	failed := c.addUpstreams(n, r, closed)
	if failed != nil && len(c.held[n.ID]) == 0 {
		r.err = failed
		return r
	}
	if failed != nil {
		// Only what is held: another source may have other bytes of what the
		// failing one offers (R1, R2).
		maps.DeleteFunc(r.candidates, func(v string, _ *candidate) bool { return c.held[n.ID][v] == nil })
		c.warnings = append(c.warnings, fmt.Sprintf(`199 - "only what is held: %s"`, headerText(errs.Public(failed))))
	}
	for v, cand := range r.candidates {
		cand.decision = c.decide(n, cand, v, closed)
	}
	c.settleTags(n, r)
	return r
}

// headerText makes a quoted-string of a header out of a message.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}

func (c *compiler) addHeld(n *registry.Node, r *result) {
	for v, h := range c.held[n.ID] {
		listed, err := c.storedListing(h.Release)
		if err != nil {
			// What cannot be read is not shown (F1), also not from elsewhere.
			slog.Error("a held version cannot be read", "registry", n.Name, "package", c.pkg.Name, "version", v, "error", err)
			continue
		}
		cand := &candidate{listed: listed, origin: h.Release.Origin, release: h.Release, source: h.Release.ID.String(),
			seen: h.Release.PublishedFrom == "FIRST_SEEN", digests: digestsOf(h.Release), remote: c.remoteNamed(h.Release.Remote)}
		for _, id := range h.Path {
			if p := c.shape.Node(id); p != nil {
				cand.path = append(cand.path, p)
			}
		}
		cand.holder = len(cand.path)
		cand.path = append(cand.path, n)
		r.candidates[v] = cand
	}
}

// remoteNamed returns a reachable remote, or one that only has its id: what
// matters of a remote that is gone is that the version came from one.
func (c *compiler) remoteNamed(id uuid.UUID) *registry.Remote {
	if id == uuid.Nil {
		return nil
	}
	if r := c.remotes[id]; r != nil {
		return r.Remote
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

func (c *compiler) addUpstreams(n *registry.Node, r *result, closed string) (failed error) {
	for _, e := range n.Edges {
		if !e.Carries(c.pkg) {
			continue
		}
		if e.Source != nil {
			up := c.list(e.Source)
			failed = worse(failed, up.err)
			c.addRegistry(n, r, up)
			continue
		}
		switch a := c.remotes[e.Remote.ID]; {
		case closed != "" && !e.Remote.Internal:
		case a.err != nil:
			failed = worse(failed, c.outage(n, a))
		case a.listing != nil:
			c.addRemote(n, r, a)
		}
	}
	return failed
}

// add lists a version of an upstream unless an earlier source has it, and
// reports whether it does.
func (c *compiler) add(n *registry.Node, r *result, version string, offer *candidate) bool {
	have := r.candidates[version]
	if have != nil {
		c.compare(n, version, have, offer)
	}
	// The copy here, else the first upstream that allows it.
	if c.held[n.ID][version] != nil || have != nil && (!have.decision.Withheld() || offer.decision.Withheld()) {
		return false
	}
	r.candidates[version] = offer
	return true
}

func (c *compiler) addRegistry(n *registry.Node, r *result, up *result) {
	for v, cand := range up.candidates {
		own := *cand
		own.path = append(slices.Clone(cand.path), n)
		c.add(n, r, v, &own)
	}
	r.merge(up.tags, up.base, up.baseDigest)
}

func (c *compiler) addRemote(n *registry.Node, r *result, a *asked) {
	origin := coord.External
	if a.Internal {
		origin = coord.Internal
	}
	path := []*registry.Node{n}
	all := make([]candidate, len(a.listing.Versions))
	for i, listed := range a.listing.Versions {
		cand := &all[i]
		*cand = candidate{listed: listed, origin: origin, path: path, holder: -1, remote: a.Remote, source: a.doc.sha256, digests: listed.Files[0].Digests}
		if listed.Published.IsZero() {
			dated := *listed
			dated.Published = a.doc.firstSeen[listed.Version]
			cand.listed, cand.seen = &dated, true
		}
		c.add(n, r, listed.Version, cand)
	}
	r.merge(a.listing.Tags, a.listing, a.doc.sha256)
}

// merge takes over what the sources before did not say.
func (r *result) merge(tags map[string]string, base *Listing, digest string) {
	for tag, v := range tags {
		if _, have := r.tags[tag]; !have {
			r.tags[tag] = v
		}
	}
	if r.base == nil {
		r.base, r.baseDigest = base, digest
	}
}

// settleTags applies P7: latest moves to the highest allowed stable version
// below its target, other tags on a hidden version are dropped. Where no source
// says any more what is latest, the highest allowed version is: npm installs
// nothing without that tag.
func (c *compiler) settleTags(n *registry.Node, r *result) {
	const latest = "latest"
	target, told := r.tags[latest]
	maps.DeleteFunc(r.tags, func(_, v string) bool { return r.candidates[v] == nil || !r.candidates[v].decision.Listed })
	if c.pkg.Ecosystem != coord.NPM || r.tags[latest] != "" {
		return
	}
	best := ""
	switch {
	case told:
		best = c.highest(r, func(v string) bool {
			return !coord.IsPrerelease(c.pkg.Ecosystem, v) && coord.Compare(c.pkg.Ecosystem, v, target) < 0
		})
	case n == c.root:
		if best = c.highest(r, func(v string) bool { return !coord.IsPrerelease(c.pkg.Ecosystem, v) }); best == "" {
			best = c.highest(r, func(string) bool { return true })
		}
	}
	if best != "" {
		r.tags[latest] = best
	}
}

// highest returns the highest allowed version that fits, "" for none.
func (c *compiler) highest(r *result, fits func(string) bool) (best string) {
	for v, cand := range r.candidates {
		if !cand.decision.Withheld() && fits(v) && (best == "" || coord.Compare(c.pkg.Ecosystem, v, best) > 0) {
			best = v
		}
	}
	return best
}
