package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// Searcher is a [Protocol] whose remotes can be searched.
type Searcher interface {
	// SearchRemote asks a remote for the names of packages that fit a text, a
	// page of them in its order, and how many there are in all. A remote without
	// search is an error of kind NotFound; other errors are as FetchList's.
	SearchRemote(ctx context.Context, r Remote, text string, from, size int) (names []string, total int, err error)
}

// maxRemotePage is the largest page that remotes give.
const maxRemotePage = 250

// searchTime is how long a remote is waited for.
const searchTime = 10 * time.Second

// searchKey names a page of a remote's answer.
type searchKey struct {
	org, remote uuid.UUID
	text        string
	from, size  int
}

// searchPage is a remote's answer, kept for as long as documents are fresh.
type searchPage struct {
	names []string
	total int
	err   error
	at    time.Time
}

// searchRemote asks a remote, or memory. What fails is remembered for a shorter
// time; that a remote has no search, as long as an answer.
func (g *Gate) searchRemote(ctx context.Context, r *registry.Remote, p Searcher, key searchKey) searchPage {
	if have, ok := g.searches.GetIfPresent(key); ok {
		lasts := g.Fresh
		if have.err != nil && !errs.Is(have.err, errs.NotFound) {
			lasts = retryAfter
		}
		if g.Now().Sub(have.at) < lasts {
			return have
		}
	}
	page, err := g.searching.do(ctx, g, key, func(ctx context.Context) (searchPage, error) {
		ctx, stop := context.WithTimeout(ctx, searchTime)
		defer stop()
		page := searchPage{at: g.Now()}
		page.names, page.total, page.err = p.SearchRemote(ctx, remoteOf(r), key.text, key.from, key.size)
		g.searches.Set(key, page)
		return page, nil
	})
	if err != nil {
		return searchPage{err: err}
	}
	return page
}

// stream is what one remote finds, in its order, a page at a time.
type stream struct {
	s      *search
	remote *registry.Remote
	names  []string // of the pages so far
	taken  int      // of the names
	from   int      // where the next page begins
	total  int
	done   bool
	failed string // value of a Warning header, "" for none
}

// page gets one more page, of the size if it is the first.
func (st *stream) page(ctx context.Context, size int) {
	p, ok := st.s.at.proto.(Searcher)
	if !ok || st.done || st.from >= maxSearched {
		st.done = true
		return
	}
	g := st.s.g
	got := g.searchRemote(ctx, st.remote, p, searchKey{st.s.at.shape.Org, st.remote.ID, st.s.req.Text, st.from, size})
	if got.err != nil {
		st.done, st.failed = true, fmt.Sprintf(`199 - "%s"`, headerText(errs.Public(got.err)))
		return
	}
	st.names = append(st.names, got.names...)
	st.from += size
	st.total = got.total
	if len(got.names) < size || st.from >= got.total {
		st.done, st.total = true, len(st.names)
	}
}

// turns takes names of several streams in turn.
type turns struct {
	streams []*stream
	want    int
}

// fill gets the first pages, all at once.
func (t *turns) fill(ctx context.Context) error {
	size := min(t.want, maxRemotePage)
	var all errgroup.Group
	for _, st := range t.streams {
		all.Go(func() error {
			st.page(ctx, size)
			return nil
		})
	}
	_ = all.Wait() // each notes its own failure
	return ctx.Err()
}

// next returns the next names that have not been looked at, none at the end.
func (t *turns) next(ctx context.Context, most int) (out []string, err error) {
	for len(out) < most {
		progress := false
		for _, st := range t.streams {
			if st.taken == len(st.names) && !st.done {
				st.page(ctx, min(t.want, maxRemotePage))
			}
			if st.taken == len(st.names) {
				continue
			}
			name := st.names[st.taken]
			st.taken++
			progress = true
			if !st.s.seen[name] {
				st.s.seen[name] = true
				out = append(out, name)
			}
		}
		if !progress {
			break
		}
	}
	return out, ctx.Err()
}
