package npm

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// Advice answers what is known against installed versions; [gate.Gate] does.
type Advice interface {
	Advise(ctx context.Context, req gate.AdviseRequest) (gate.Advice, error)
}

var _ Advice = (*gate.Gate)(nil)

var auditPaths = []*endpoint{
	{"/-/npm/v1/security/advisories/bulk", map[string]action{"POST": (*Handler).auditBulk}},
	{"/-/npm/v1/security/audits/quick", map[string]action{"POST": (*Handler).auditTree}},
	{"/-/npm/v1/security/audits", map[string]action{"POST": (*Handler).auditTree}},
}

// auditBulk answers POST /-/npm/v1/security/advisories/bulk: for versions by
// name, the advisories that affect them, by name. Clients look for fixes in the
// documents of the packages, which have only what the gate lists.
func (h *Handler) auditBulk(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	body, err := readAudit(r)
	var installed map[string][]string
	if err == nil {
		installed, err = decodeBulk(body)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	advice, err := h.Advice.Advise(r.Context(), gate.AdviseRequest{Registry: t.Registry, Ecosystem: coord.NPM, Installed: installed})
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	sendAudit(w, r, t, advice, bulkReport(advice))
}

// auditTree answers POST /-/npm/v1/security/audits and …/quick: for a tree of
// locked versions, what is wrong with them, where, and what to do.
func (h *Handler) auditTree(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	body, err := readAudit(r)
	var tree *lockTree
	if err == nil {
		tree, err = decodeTree(body)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	advice, err := h.Advice.Advise(r.Context(), gate.AdviseRequest{Registry: t.Registry, Ecosystem: coord.NPM, Installed: tree.installed(), Fixes: true})
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	sendAudit(w, r, t, advice, treeReport(advice, tree))
}

// sendAudit answers with a report. Without advisory data an empty report is no
// clean bill of health, and npm shows its user the notice that says so (P3).
func sendAudit(w http.ResponseWriter, r *http.Request, t protocol.Target, advice gate.Advice, report any) {
	body, err := json.Marshal(report)
	if err != nil {
		protocol.Problem(w, r, errs.Wrap(err, errs.Internal, "npm.audit", "the report cannot be written"))
		return
	}
	h := w.Header()
	h["Content-Type"] = typeJSON
	h.Set("Cache-Control", "private, no-store")
	if advice.Snapshot.IsZero() {
		const notice = "no advisory feed has been imported yet: what this audit does not find may be vulnerable all the same"
		h.Set("Npm-Notice", "the registry "+protocol.ASCII(t.RegistryName, 100)+": "+notice)
		h.Set("Warning", `199 - "`+notice+`"`)
	} else {
		h.Set("Sluice-Advisories", stamp(advice.Snapshot))
	}
	write(w, r, body)
}

// bulkAdvisory is an advisory in the answer to a bulk request.
type bulkAdvisory struct {
	ID                 int      `json:"id"`
	URL                string   `json:"url"`
	Title              string   `json:"title"`
	Severity           string   `json:"severity"`
	VulnerableVersions string   `json:"vulnerable_versions"`
	CWE                []string `json:"cwe"`
	CVSS               cvss     `json:"cvss"`
}

type cvss struct {
	Score        float64 `json:"score"`
	VectorString *string `json:"vectorString"`
}

func bulkReport(advice gate.Advice) map[string][]bulkAdvisory {
	out, ids := map[string][]bulkAdvisory{}, ids{}
	for i := range advice.Concerns {
		c := &advice.Concerns[i]
		out[c.Package.Name] = append(out[c.Package.Name], headOf(c, ids.of(c.Advisory.ID)))
	}
	return out
}

func headOf(c *gate.Concern, id int) bulkAdvisory {
	a := bulkAdvisory{ID: id, URL: c.About.URL, Title: c.Advisory.Summary, Severity: severityOf(c), VulnerableVersions: rangeText(c.Spans),
		CWE: c.About.CWE, CVSS: cvss{Score: c.About.Score}}
	if a.Title == "" {
		a.Title = c.Advisory.ID
	}
	if a.CWE == nil {
		a.CWE = []string{}
	}
	if c.About.Vector != "" {
		a.CVSS.VectorString = &c.About.Vector
	}
	return a
}

// severityOf is the word of npm for how severe an advisory is: as rules count
// it, and malware is critical.
func severityOf(c *gate.Concern) string {
	if c.Advisory.Malware {
		return "critical"
	}
	m := policy.Match{Severity: c.Advisory.Severity, CVSS: c.Advisory.CVSS}
	switch m.Effective() {
	case policy.SeverityCritical:
		return "critical"
	case policy.SeverityHigh:
		return "high"
	case policy.SeverityMedium:
		return "moderate"
	}
	return "low"
}

// ids gives advisories the numbers that clients want. A number depends on the
// OSV id alone, but for two of one report that would share theirs; it fits into
// 31 bits.
type ids map[int]string

func (m ids) of(osv string) int {
	sum := sha256.Sum256([]byte(osv))
	for n := int(binary.BigEndian.Uint32(sum[:]) >> 1); ; n = (n + 1) & (1<<31 - 1) {
		if have, taken := m[n]; n != 0 && (!taken || have == osv) {
			m[n] = osv
			return n
		}
	}
}
