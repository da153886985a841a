package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// Freeze completes a view whose exported fields are set, with the entries in
// ascending order: it indexes them and takes a place for its renderings.
// Afterwards nothing in it may be changed.
func Freeze(v *View, r *Renders) *View {
	v.renders = r
	v.byVersion = make(map[string]int, len(v.Entries))
	for i := range v.Entries {
		v.byVersion[v.Entries[i].Version] = i
	}
	return v
}

// view freezes what the root registry lists.
func (c *compiler) view(ctx context.Context, key viewKey, res *result) (*View, error) {
	v := &View{Org: key.org, Registry: key.registry, Name: c.root.Name, Package: key.pkg, Base: res.base, Tags: res.tags,
		Snapshot: c.snapshot, Warnings: append(c.stale(), c.warnings...), Entries: make([]Entry, 0, len(res.candidates))}
	for _, version := range c.ascending(res) {
		cand := res.candidates[version]
		v.Entries = append(v.Entries, Entry{Listed: cand.listed, Origin: cand.origin, Held: c.held[key.registry][version] != nil,
			FirstSeen: cand.seen, Decision: cand.decision, Deprecated: c.deprecation(version, cand), source: cand})
		if cand.decision.Listed && cand.listed.Published.After(v.Modified) {
			v.Modified = cand.listed.Published
		}
		if until := cand.decision.ValidUntil; !until.IsZero() && (v.ValidUntil.IsZero() || until.Before(v.ValidUntil)) {
			v.ValidUntil = until
		}
	}
	for _, r := range c.remotes {
		if r.doc != nil {
			v.sources = append(v.sources, viewSource{r.Remote, r.doc, r.failing})
		}
	}
	if c.own != nil {
		v.Own = &Own{Revision: c.own.RevisionText(), Maintainers: c.own.Maintainers, Stars: c.own.Stars}
	}
	if err := c.record(ctx, v); err != nil {
		return nil, err
	}
	v.Print = print(v, res)
	return Freeze(v, c.g.renders), nil
}

// ascending returns the versions in the ecosystem's order, reading each once.
func (c *compiler) ascending(res *result) []string {
	type keyed struct {
		key coord.Key
		v   string
	}
	order := make([]keyed, 0, len(res.candidates))
	for v := range res.candidates {
		order = append(order, keyed{coord.KeyOf(c.pkg.Ecosystem, v), v})
	}
	slices.SortFunc(order, func(a, b keyed) int {
		if n := a.key.Compare(b.key); n != 0 {
			return n
		}
		return strings.Compare(a.v, b.v)
	})
	out := make([]string, len(order))
	for i := range order {
		out[i] = order[i].v
	}
	return out
}

// mostLines bounds the versions that a recorded list names: of a package that
// is withheld whole, the first ones tell enough.
const mostLines = 500

// record writes one row for what the list withholds and points the list at it.
func (c *compiler) record(ctx context.Context, v *View) error {
	withheld := v.Withheld()
	if len(withheld) == 0 {
		return nil
	}
	lines, sum := make([]WithheldLine, 0, min(len(withheld), mostLines)), sha256.New()
	for i, e := range withheld {
		if i < mostLines {
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
	line := append(make([]byte, 0, 512), res.baseDigest...)
	for i := range v.Entries {
		e := &v.Entries[i]
		line = append(append(append(append(line, e.Version...), ' '), e.source.source...), ' ')
		line = strconv.AppendBool(strconv.AppendInt(line, int64(e.Decision.Effect), 10), e.Decision.Listed)
		if e.FirstSeen {
			line = strconv.AppendInt(line, e.Published.UnixNano(), 10)
		}
		if e.Deprecated != nil {
			line = strconv.AppendQuote(append(line, " deprecated "...), *e.Deprecated)
		}
		if e.Decision.Withheld() {
			line = append(append(line, e.Decision.Decisive.RegistryName...), e.Decision.Decisive.Reason...)
		}
		h.Write(append(line, '\n'))
		line = line[:0]
	}
	tags := make([]string, 0, len(v.Tags))
	for t, to := range v.Tags {
		tags = append(tags, t+"="+to)
	}
	slices.Sort(tags)
	fmt.Fprintf(h, "%q %s", tags, v.DecisionID)
	if v.Own != nil {
		fmt.Fprintf(h, " %s", v.Own.Revision) // goes up with everything in it
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
