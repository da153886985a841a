package npm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
)

// fullReport is the answer to an audit of a tree.
type fullReport struct {
	Actions    []*auditAction          `json:"actions"`
	Advisories map[string]treeAdvisory `json:"advisories"` // by id
	Muted      []any                   `json:"muted"`      // always empty: what is acknowledged is not reported at all
	Metadata   reportMetadata          `json:"metadata"`
}

// treeAdvisory is an advisory in a report, with where the tree has it.
type treeAdvisory struct {
	bulkAdvisory
	Findings         []treeFinding `json:"findings"`
	ModuleName       string        `json:"module_name"`
	PatchedVersions  string        `json:"patched_versions"`
	Overview         string        `json:"overview"`
	Recommendation   string        `json:"recommendation"`
	References       string        `json:"references"` // Markdown, one per line
	CVEs             []string      `json:"cves"`
	GitHubAdvisoryID *string       `json:"github_advisory_id"`
	Access           string        `json:"access"`
	Created          string        `json:"created,omitempty"`
	Updated          string        `json:"updated"`
	Deleted          *string       `json:"deleted"`
	FoundBy          *string       `json:"found_by"`
	ReportedBy       *string       `json:"reported_by"`
}

type treeFinding struct {
	Version string   `json:"version"`
	Paths   []string `json:"paths"`
}

type reportMetadata struct {
	Vulnerabilities      map[string]int `json:"vulnerabilities"`
	Dependencies         int            `json:"dependencies"`
	DevDependencies      int            `json:"devDependencies"`
	OptionalDependencies int            `json:"optionalDependencies"`
	TotalDependencies    int            `json:"totalDependencies"`
}

// treeReport says where a tree has what was advised against.
func treeReport(advice gate.Advice, t *lockTree) *fullReport {
	out := &fullReport{Actions: []*auditAction{}, Advisories: map[string]treeAdvisory{}, Muted: []any{}, Metadata: t.metadata()}
	byVersion := map[[2]string][]int{}
	for i := range t.nodes[1:] {
		n := &t.nodes[i+1]
		byVersion[[2]string{n.name, n.version}] = append(byVersion[[2]string{n.name, n.version}], i+1)
	}
	var wanted []int
	for _, c := range advice.Concerns {
		for _, v := range c.Versions {
			wanted = append(wanted, byVersion[[2]string{c.Package.Name, v}]...)
		}
	}
	slices.Sort(wanted)
	ways := t.ways(slices.Compact(wanted))
	plan := &plan{tree: t, clear: clearOf(advice), actions: map[string]*auditAction{}}
	ids := ids{}
	for i := range advice.Concerns {
		c := &advice.Concerns[i]
		a := treeAdvisoryOf(c, ids.of(c.Advisory.ID))
		for _, v := range c.Versions {
			f := treeFinding{Version: v}
			for _, at := range byVersion[[2]string{c.Package.Name, v}] {
				for _, w := range ways[at] {
					f.Paths = append(f.Paths, t.text(w))
					out.Metadata.Vulnerabilities[a.Severity]++
					plan.add(a.ID, w)
				}
			}
			a.Findings = append(a.Findings, f)
		}
		out.Advisories[strconv.Itoa(a.ID)] = a
	}
	out.Actions = plan.sorted()
	return out
}

// clearOf returns by package the versions that the registry delivers and that
// nothing in the advice is against.
func clearOf(advice gate.Advice) map[string][]string {
	out := map[string][]string{}
	for _, c := range advice.Concerns {
		have, ok := out[c.Package.Name]
		if !ok {
			out[c.Package.Name] = slices.Clone(c.Clear)
			continue
		}
		out[c.Package.Name] = slices.DeleteFunc(have, func(v string) bool { return !slices.Contains(c.Clear, v) })
	}
	return out
}

func treeAdvisoryOf(c *gate.Concern, id int) treeAdvisory {
	a := treeAdvisory{bulkAdvisory: headOf(c, id), Findings: []treeFinding{}, ModuleName: c.Package.Name, PatchedVersions: patchedText(c.Spans, c.Clear),
		Overview: c.About.Details, CVEs: []string{}, Access: "public", Updated: stamp(c.Advisory.Modified)}
	if a.Overview == "" {
		a.Overview = a.Title
	}
	a.Recommendation = "None: no version that this registry serves fixes it"
	if a.PatchedVersions != noPatch {
		a.Recommendation = "Upgrade to " + a.PatchedVersions
	}
	if !c.Advisory.Published.IsZero() {
		a.Created = stamp(c.Advisory.Published)
	}
	var lines []string
	for _, l := range c.About.Links {
		lines = append(lines, "- "+l)
	}
	a.References = strings.Join(lines, "\n")
	for _, alias := range append([]string{c.Advisory.ID}, c.Advisory.Aliases...) {
		switch {
		case strings.HasPrefix(alias, "CVE-"):
			a.CVEs = append(a.CVEs, alias)
		case strings.HasPrefix(alias, "GHSA-") && a.GitHubAdvisoryID == nil:
			a.GitHubAdvisoryID = &alias
		}
	}
	return a
}

func (t *lockTree) metadata() reportMetadata {
	m := reportMetadata{Vulnerabilities: map[string]int{"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0}}
	for _, n := range t.nodes[1:] {
		m.TotalDependencies++
		switch {
		case n.dev:
			m.DevDependencies++
		case n.optional:
			m.OptionalDependencies++
		default:
			m.Dependencies++
		}
	}
	return m
}

// auditAction is something to do about findings.
type auditAction struct {
	Action   string         `json:"action"` // install, update or review
	Module   string         `json:"module"`
	Target   string         `json:"target,omitempty"` // only one that the registry delivers
	IsMajor  bool           `json:"isMajor,omitempty"`
	Depth    int            `json:"depth,omitempty"`
	Resolves []auditResolve `json:"resolves"`
}

type auditResolve struct {
	ID       int    `json:"id"`
	Path     string `json:"path"`
	Dev      bool   `json:"dev"`
	Optional bool   `json:"optional"`
	Bundled  bool   `json:"bundled"`
}

// plan collects what to do.
type plan struct {
	tree    *lockTree
	clear   map[string][]string // versions to go to, by package
	actions map[string]*auditAction
}

// add notes an advisory against the version at the end of a way.
func (p *plan) add(id int, w way) {
	n := &p.tree.nodes[w[len(w)-1]]
	a := p.action(n, w)
	key := fmt.Sprintf("%s %s %s %d", a.Action, a.Module, a.Target, a.Depth)
	if have := p.actions[key]; have != nil {
		a = *have
	}
	a.Resolves = append(a.Resolves, auditResolve{ID: id, Path: p.tree.text(w), Dev: n.dev, Optional: n.optional, Bundled: n.bundled})
	p.actions[key] = &a
}

// action says what to do about a version: a direct dependency is installed anew,
// in its range if that has a version to go to; one further down is updated if
// its range allows; for all else somebody has to look.
func (p *plan) action(n *lockNode, w way) auditAction {
	requirer := 0
	if len(w) > 1 {
		requirer = w[len(w)-2]
	}
	within := p.within(requirer, w[len(w)-1])
	switch {
	case len(w) == 1 && within != "":
		return auditAction{Action: "install", Module: n.name, Target: within}
	case len(w) == 1:
		if to := firstIn(advisory.Span{From: n.version, FromOpen: true}, p.clear[n.name]); to != "" {
			return auditAction{Action: "install", Module: n.name, Target: to, IsMajor: !coord.SameMajor(coord.NPM, to, n.version)}
		}
	case within != "":
		return auditAction{Action: "update", Module: n.name, Target: within, Depth: len(w)}
	}
	return auditAction{Action: "review", Module: n.name}
}

// within returns the highest version to go to that the requirer's range has, ""
// for none.
func (p *plan) within(requirer, at int) string {
	n := &p.tree.nodes[at]
	installed := ""
	for name, text := range p.tree.nodes[requirer].requires {
		if p.tree.resolve(requirer, name) == at {
			installed = strings.TrimPrefix(text, "npm:"+n.name+"@")
		}
	}
	r, err := coord.ParseRange(coord.NPM, installed)
	if err != nil {
		return ""
	}
	fits := slices.DeleteFunc(slices.Clone(p.clear[n.name]), func(v string) bool { return !r.Contains(v) || coord.Compare(coord.NPM, v, n.version) <= 0 })
	if to := coord.Highest(coord.NPM, fits, false); to != "" {
		return to
	}
	return coord.Highest(coord.NPM, fits, coord.IsPrerelease(coord.NPM, n.version))
}

func (p *plan) sorted() []*auditAction {
	order := []string{"install", "update", "review"}
	out := make([]*auditAction, 0, len(p.actions))
	for _, a := range p.actions {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *auditAction) int {
		return cmp.Or(slices.Index(order, a.Action)-slices.Index(order, b.Action), cmp.Compare(a.Module, b.Module), cmp.Compare(a.Target, b.Target), a.Depth-b.Depth)
	})
	return out
}
