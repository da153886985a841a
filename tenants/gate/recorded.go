package gate

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// recorded is what the gate writes into the decision log: for a file its
// Decision, for a list one line per withheld version.
type recorded struct {
	Registry string           `json:"registry"`
	Instead  string           `json:"instead,omitempty"`
	Decision *policy.Decision `json:"decision,omitempty"`
	Count    int              `json:"count,omitempty"` // withheld versions, also those beyond the lines
	Withheld []WithheldLine   `json:"withheld,omitempty"`
}

// WithheldLine is one withheld version of a recorded answer.
type WithheldLine struct {
	Version string          `json:"version"`
	Verdict *policy.Verdict `json:"verdict"`
}

// Recorded is an answer of the gate as the page behind a refusal's link shows
// it: what the refusal said, and not who asked (F2).
type Recorded struct {
	ID       string
	At       time.Time
	Version  coord.Version // Version.Version is "" for a list
	Registry string        // name of the registry that was asked
	Instead  string        // version to install instead, "" for a list or when none is allowed
	Withheld []WithheldLine
	Count    int       // withheld versions in all
	Snapshot time.Time // of the advisory data; zero = no feed
}

// Recorded returns an answer by the id of its link. One that does not exist is
// NotFound.
func (g *Gate) Recorded(ctx context.Context, id string) (*Recorded, error) {
	d, err := g.Decisions.ByID(ctx, id)
	if err != nil {
		return nil, err
	}
	var body recorded
	if err := json.Unmarshal(d.Body, &body); err != nil {
		return nil, fmt.Errorf("decision %s: %w", id, err)
	}
	out := &Recorded{ID: d.ID, At: d.At, Version: d.Version, Registry: body.Registry, Instead: body.Instead, Withheld: body.Withheld, Count: body.Count, Snapshot: d.Snapshot}
	if body.Decision != nil {
		out.Withheld, out.Count = []WithheldLine{{d.Version.Version, body.Decision.Decisive}}, 1
	}
	return out, nil
}
