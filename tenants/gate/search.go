package gate

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// SearchRequest looks for packages by words.
type SearchRequest struct {
	Registry  uuid.UUID
	Ecosystem coord.Ecosystem
	Text      string   // as remotes are asked
	Words     []string // each must be in the name or in what the package is about; none = everything that is held
	Scopes    []string // npm scopes with their @, one of which the name must have; none = any
	// Fits narrows by what the newest version says of itself; nil = all fit.
	Fits       func(*Listed) bool
	From, Size int // the page
}

// SearchAnswer is a page of packages, the best first: what the registry or one
// above it holds, by [catalog.Rank], then what the remotes found, theirs in
// turn and in their order.
type SearchAnswer struct {
	Hits     []SearchHit
	Total    int      // exact as far as the pages up to this one reach; an estimate behind them
	Warnings []string // values of Warning headers about remotes that contributed nothing
	At       time.Time
}

// SearchHit is a package with the version that lists show as its newest.
type SearchHit struct {
	Package coord.Package
	Rank    catalog.Rank
	*Listed
}

// Bounds of a search (F3).
const (
	maxSearched   = 1000 // packages that are looked at for one answer; pages end there
	leastSearched = 20   // packages that are looked at even for a smaller page, so that a total tells nothing about one of them
	searchChunk   = 100  // packages that are looked at together
	maxSearchName = 20   // words that are looked up as names
)

// Search returns packages of which the registry lists a version, after its
// policy (P2): a package without one is not found, and not counted. What is held
// is answered from what is remembered; what only remotes know is listed as a
// client's request for it would be. A text that names what the organization owns
// goes to no public remote (O4).
func (g *Gate) Search(ctx context.Context, req SearchRequest) (SearchAnswer, error) {
	at, err := g.place(ctx, "search", req.Registry, req.Ecosystem)
	if err != nil {
		return SearchAnswer{}, err
	}
	s := &search{g: g, at: at, req: req, need: min(max(req.From+req.Size, leastSearched), maxSearched), seen: map[string]bool{"": true}}
	if err := s.held(ctx); err != nil {
		return SearchAnswer{}, err
	}
	if err := s.remote(ctx); err != nil {
		return SearchAnswer{}, err
	}
	out := SearchAnswer{Total: max(s.more+len(s.hits), 0), Warnings: s.warnings, At: g.Now()}
	if req.From < len(s.hits) {
		out.Hits = s.hits[req.From:min(req.From+req.Size, len(s.hits))]
	}
	return out, nil
}

// search is one call of Search.
type search struct {
	g        *Gate
	at       place
	req      SearchRequest
	need     int // hits that are looked for
	hits     []SearchHit
	more     int             // packages that fit and were not looked at
	seen     map[string]bool // names that were looked at or will be among those held
	warnings []string
}

// held looks at what registries hold.
func (s *search) held(ctx context.Context) error {
	var found []catalog.SearchHit
	var total int
	err := s.g.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		found, total, err = catalog.Search(ctx, tx, catalog.SearchQuery{Registries: idsOf(s.at.root.Upward()), Ecosystem: s.req.Ecosystem,
			Words: s.req.Words, Scopes: s.req.Scopes, Limit: maxSearched})
		return err
	})
	if err != nil {
		return errs.Wrap(err, errs.Unavailable, "search", "the search cannot be answered at the moment")
	}
	for _, h := range found {
		s.seen[h.Name] = true
	}
	s.more = total
	for len(found) > 0 && len(s.hits) < s.need {
		chunk := found[:min(len(found), searchChunk, max(s.need-len(s.hits), leastSearched))]
		found = found[len(chunk):]
		s.more -= len(chunk)
		if err := s.look(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// look takes those of the packages that list something.
func (s *search) look(ctx context.Context, chunk []catalog.SearchHit) error {
	names := make([]string, len(chunk))
	for i, h := range chunk {
		names[i] = h.Name
	}
	all, err := s.recall(ctx, names)
	if err != nil {
		return err
	}
	for _, h := range chunk {
		var newest *Listed
		if r := all[h.Name]; r.unsure {
			newest = s.asked(ctx, r.pkg)
		} else if c := r.latest(); c != nil {
			newest = c.listed
		}
		s.take(SearchHit{Package: all[h.Name].pkg, Rank: h.Rank, Listed: newest})
	}
	return nil
}

func (s *search) recall(ctx context.Context, names []string) (all map[string]*recalled, err error) {
	err = s.g.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err = s.g.recall(ctx, tx, s.at, names)
		return err
	})
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "search", "the search cannot be answered at the moment")
	}
	return all, s.g.settleAll(ctx, all)
}

// asked returns the newest version that a list would show, nil for none. What
// cannot be listed is not found.
func (s *search) asked(ctx context.Context, pkg coord.Package) *Listed {
	v, err := s.g.look(ctx, s.req.Registry, pkg)
	if err != nil {
		return nil
	}
	if e := v.Entry(v.Tags["latest"]); e != nil && e.Decision.Listed {
		return e.Listed
	}
	for _, e := range slices.Backward(v.Entries) {
		if !e.Decision.Withheld() {
			return e.Listed
		}
	}
	return nil
}

func (s *search) take(h SearchHit) {
	if h.Listed != nil && (s.req.Fits == nil || s.req.Fits(h.Listed)) {
		s.hits = append(s.hits, h)
	}
}

// remote adds what the remotes find, as far as it is needed.
func (s *search) remote(ctx context.Context) error {
	if len(s.req.Words) == 0 && len(s.req.Scopes) == 0 && s.req.Text == "" {
		return nil
	}
	public, err := s.mayGoOut(ctx)
	if err != nil {
		return err
	}
	var streams []*stream
	for _, r := range s.at.remotes() {
		if r.Internal || public {
			streams = append(streams, &stream{s: s, remote: r})
		}
	}
	names := &turns{streams: streams, want: max(s.need-len(s.hits), leastSearched)}
	if err := names.fill(ctx); err != nil {
		return err
	}
	for looked := 0; len(s.hits) < s.need && looked < maxSearched; {
		chunk, err := names.next(ctx, min(searchChunk, max(s.need-len(s.hits), leastSearched)))
		if err != nil {
			return err
		}
		if len(chunk) == 0 {
			break
		}
		looked += len(chunk)
		s.askAll(ctx, chunk)
	}
	for _, st := range streams {
		s.more += max(st.total-st.taken, 0)
		if st.failed != "" {
			s.warnings = append(s.warnings, st.failed)
		}
	}
	return ctx.Err()
}

// askAll lists packages, a few at a time, and takes them in their order.
func (s *search) askAll(ctx context.Context, names []string) {
	found := make([]*Listed, len(names))
	var all errgroup.Group
	all.SetLimit(8)
	for i, name := range names {
		all.Go(func() error {
			found[i] = s.asked(ctx, coord.Package{Ecosystem: s.req.Ecosystem, Name: name})
			return nil
		})
	}
	_ = all.Wait() // none has an error
	for i, name := range names {
		s.take(SearchHit{Package: coord.Package{Ecosystem: s.req.Ecosystem, Name: name}, Rank: catalog.RankRemote, Listed: found[i]})
	}
}

// mayGoOut reports whether public remotes may see the text: not when a word or
// a scope in it is the organization's (O4).
func (s *search) mayGoOut(ctx context.Context) (bool, error) {
	var names []string
	for _, scope := range s.req.Scopes {
		if s.at.shape.Reserved(coord.Package{Ecosystem: s.req.Ecosystem, Name: scope + "/a"}) != "" {
			return false, nil
		}
	}
	for _, w := range s.req.Words[:min(len(s.req.Words), maxSearchName)] {
		if name, err := coord.NormalizeName(s.req.Ecosystem, w); err == nil {
			names = append(names, name)
		}
	}
	all, err := s.recall(ctx, names)
	if err != nil {
		return false, err
	}
	for again := false; ; again = true {
		unsure := false
		for _, r := range all {
			if r.closed(r.root) != "" {
				return false, nil
			}
			if r.unsure && !again {
				unsure = true
				s.asked(ctx, r.pkg) // so that the internal remotes' word is remembered
			}
		}
		if !unsure {
			return true, nil
		}
		if all, err = s.recall(ctx, names); err != nil {
			return false, err
		}
	}
}
