package protocol

import (
	"net/http"

	"sluice.dev/sluice/tenants/gate"
)

// problem is an answer in the form of RFC 9457. Error repeats the sentence for
// clients that read only that member (npm, yarn); the rest is for machines.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance,omitempty"`
	Error    string `json:"error"`

	Code  string `json:"code,omitempty"`  // stable kind of an error, for example NOT_FOUND
	Field string `json:"field,omitempty"` // the input that it is about

	DecisionID string `json:"decisionId,omitempty"`
	Registry   string `json:"registry,omitempty"` // that decided
	Rule       string `json:"rule,omitempty"`     // its name
	Kind       string `json:"kind,omitempty"`     // of the rule, or HOLD, TOMBSTONE, OWNERSHIP
	PURL       string `json:"purl,omitempty"`
	Instead    string `json:"instead,omitempty"` // version to install instead
	Until      string `json:"until,omitempty"`   // RFC 3339; when it heals by itself
}

// Bounds of what goes into the status line and into headers. Clients and proxies
// cut or refuse longer ones.
const (
	maxPhrase = 190
	maxHeader = 700
)

// Refuse answers for a withheld version so that every client shows its user why
// (F2): 403 with a reason phrase of ours where HTTP/1 has one (pip, twine,
// Maven, NuGet), problem+json (uv, Maven, Gradle) with an error member (npm,
// yarn), npm-notice and X-NuGet-Warning. link is the absolute URL of the page
// about the decision. It differs from an authentication failure by the
// Sluice-Decision header and the problem's type.
func Refuse(w http.ResponseWriter, r *http.Request, refusal *gate.Refusal, link string) {
	sentence := Sentence(refusal)
	full := sentence + " (details: " + link + ")"
	p := problem{
		Type:       "urn:sluice:problem:withheld",
		Title:      "Withheld by policy",
		Status:     http.StatusForbidden,
		Detail:     full,
		Instance:   link,
		Error:      full,
		DecisionID: refusal.DecisionID,
		PURL:       refusal.Version.PURL(),
		Instead:    refusal.Instead,
	}
	if d := refusal.Decision.Decisive; d != nil {
		p.Registry, p.Rule, p.Kind, p.Until = d.RegistryName, d.RuleName, string(d.Kind), rfc3339(d.Until)
	}
	h := w.Header()
	notice := ASCII(sentence, maxHeader-len(link)-30) + " (details: " + link + ")"
	h.Set("Npm-Notice", notice)
	h.Set("X-NuGet-Warning", notice)
	h.Set("Sluice-Decision", refusal.DecisionID)
	h.Set("Cache-Control", "private, no-store")
	answer(w, r, p, phrase(sentence, link))
}

// phrase is the sentence with its link, as far as a status line takes it: a link
// that is cut would be worth nothing.
func phrase(sentence, link string) string {
	if room := maxPhrase - len(link) - 3; room >= 60 {
		return ASCII(sentence, room) + " - " + ASCII(link, maxPhrase)
	}
	return ASCII(sentence, maxPhrase)
}
