package operator

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/platform"
)

// When something is worth an operator's attention.
const (
	oldFeed   = 24 * time.Hour  // since a feed was imported
	longQueue = 5 * time.Minute // that a job has waited
)

// overview shows the platform in numbers, and what needs attention.
func (h *Handler) overview(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	totals, err := h.Platform.Totals(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	nodes, err := h.Platform.Nodes(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	queues, err := h.Platform.Queues(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	feeds, err := h.Advisories.Feeds(ctx)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	full, _, err := h.Platform.Organizations(ctx, platform.Query{Order: platform.ByShare, Limit: 10})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	now := h.Now()
	notes := slices.Concat(notesOnNodes(nodes, now), notesOnFeeds(feeds, now), notesOnQueues(queues, now), notesOnOrganizations(full))
	running := 0
	for _, n := range nodes {
		if !n.Stale(now) {
			running++
		}
	}
	h.show(w, r, http.StatusOK, "overview", map[string]any{"Totals": totals, "Running": running, "Notes": notes})
}

// Note is something worth attention.
type Note struct {
	Page string // where more is said, below Path
	Text string
}

func notesOnNodes(nodes []platform.Node, now time.Time) (out []Note) {
	works := false
	for _, n := range nodes {
		switch {
		case n.Stale(now):
			out = append(out, Note{"nodes", fmt.Sprintf("Node %s has been silent for %s.", n.Name, span(now.Sub(n.BeatAt)))})
			continue
		case !n.Trusted:
			out = append(out, Note{"nodes", fmt.Sprintf("Node %s does not hear of changes and asks the database for everything.", n.Name)})
		}
		works = works || n.Works
	}
	if !works {
		out = append(out, Note{"nodes", "No node runs jobs: cascades, imports and clean-ups wait."})
	}
	return out
}

func notesOnFeeds(feeds []advisory.Feed, now time.Time) (out []Note) {
	real := false
	for _, f := range feeds {
		if f.Demo() {
			continue
		}
		real = true
		if age := now.Sub(f.ImportedAt); age >= oldFeed {
			out = append(out, Note{"feeds", fmt.Sprintf("The feed %s for %s was imported %s ago.", f.Name, f.Ecosystem, span(age))})
		}
	}
	if !real {
		out = append(out, Note{"feeds", "No advisory feed was ever imported: vulnerability rules only warn."})
	}
	return out
}

func notesOnQueues(q platform.Queues, now time.Time) (out []Note) {
	for _, x := range q.Queues {
		if x.PausedAt != nil {
			out = append(out, Note{"queues", fmt.Sprintf("The queue %s is paused.", x.Name)})
		}
		if x.Oldest != nil && now.Sub(*x.Oldest) >= longQueue {
			out = append(out, Note{"queues", fmt.Sprintf("A job of the queue %s has waited for %s.", x.Name, span(now.Sub(*x.Oldest)))})
		}
	}
	for _, f := range q.Failing {
		if f.Discarded > 0 {
			out = append(out, Note{"queues", fmt.Sprintf("%d jobs of the kind %s were given up.", f.Discarded, f.Kind)})
		}
	}
	return out
}

func notesOnOrganizations(list []platform.Organization) (out []Note) {
	for _, o := range list {
		if w := o.Warnings(); len(w) > 0 && o.DeletedAt == nil {
			out = append(out, Note{"organizations/" + o.Slug, "In " + o.Slug + ", " + strings.Join(w, ", and ") + "."})
		}
	}
	return out
}

// feeds shows what advisories decisions are made with.
func (h *Handler) feeds(w http.ResponseWriter, r *http.Request) {
	list, err := h.Advisories.Feeds(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.show(w, r, http.StatusOK, "feeds", map[string]any{"Feeds": list, "Notes": notesOnFeeds(list, h.Now())})
}

// memory is a node's, as it is shown.
type memory struct {
	Of      string
	Entries int
}

// nodeRow is a node as it is shown.
type nodeRow struct {
	platform.Node
	Silent   bool
	Memories []memory
}

func (h *Handler) nodes(w http.ResponseWriter, r *http.Request) {
	list, err := h.Platform.Nodes(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	rows := make([]nodeRow, len(list))
	for i, n := range list {
		rows[i] = nodeRow{Node: n, Silent: n.Stale(h.Now())}
		for of, entries := range n.Memories {
			rows[i].Memories = append(rows[i].Memories, memory{of, entries})
		}
		slices.SortFunc(rows[i].Memories, func(a, b memory) int { return strings.Compare(a.Of, b.Of) })
	}
	h.show(w, r, http.StatusOK, "nodes", map[string]any{"Nodes": rows, "Stale": span(platform.StaleAfter)})
}

// queues shows where jobs wait and which fail.
func (h *Handler) queues(w http.ResponseWriter, r *http.Request) {
	q, err := h.Platform.Queues(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.show(w, r, http.StatusOK, "queues", map[string]any{"Queues": q.Queues, "Failing": q.Failing, "States": platform.States})
}
