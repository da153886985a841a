package graph

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Streams bounds subscriptions (F3, T5).
type Streams struct {
	PerSubject      int           // of one member, service account or token; default 20
	PerOrganization int           // default 500
	Waiting         int           // events that one may have waiting to be sent; default 1000
	Beat            time.Duration // after which progress is sent again although it is the same; default 15 s
	Ping            time.Duration // between signs of life of the connection; default 15 s
	Look            time.Duration // between looks whether the right is still there, besides when rights change; default 1 s
	Write           time.Duration // a client that takes longer to read what is written is cut off; default 10 s
	Pace            time.Duration // between two looks at how far something is; default 200 ms
}

func (s Streams) withDefaults() Streams {
	for n, usual := range map[*int]int{&s.PerSubject: 20, &s.PerOrganization: 500, &s.Waiting: 1000} {
		if *n == 0 {
			*n = usual
		}
	}
	for d, usual := range map[*time.Duration]time.Duration{&s.Beat: 15 * time.Second, &s.Ping: 15 * time.Second, &s.Look: time.Second, &s.Write: 10 * time.Second, &s.Pace: 200 * time.Millisecond} {
		if *d == 0 {
			*d = usual
		}
	}
	return s
}

// live tells those who follow something what the change feed says of it.
type live struct {
	Streams
	mu        sync.Mutex
	followers map[uuid.UUID]map[*follower]bool // by organization
}

func newLive(feed *db.Feed, bounds Streams) *live {
	l := &live{Streams: bounds.withDefaults(), followers: map[uuid.UUID]map[*follower]bool{}}
	feed.Subscribe(l.heard, l.missed)
	return l
}

// follower is one subscription.
type follower struct {
	org   uuid.UUID
	who   uuid.UUID // who follows; uuid.Nil for the system
	match func(db.Change) (key string, mine bool)
	most  int

	wake   chan struct{} // has something when there is news
	rights chan struct{} // has something when rights may have changed

	mu   sync.Mutex
	news news
	keys map[string]bool // those in news
}

// news is what a follower has to look at.
type news struct {
	first  bool     // it has not looked yet
	beat   bool     // it is time for a sign of life
	keys   []string // what the feed named
	missed bool     // the feed may have named more
	flood  bool     // more than may wait came in
}

// join adds a follower of the context's organization and subject; leave must be
// called when it is done. Too many are Unavailable.
func (l *live) join(ctx context.Context, match func(db.Change) (string, bool)) (*follower, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	f := &follower{org: org, who: person(access.Of(ctx)), match: match, most: l.Waiting, wake: make(chan struct{}, 1), rights: make(chan struct{}, 1), keys: map[string]bool{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	all, own := l.followers[org], 0
	for other := range all {
		if other.who == f.who && f.who != uuid.Nil {
			own++
		}
	}
	switch {
	case own >= l.PerSubject:
		return nil, errs.New(errs.Unavailable, "graph", "you follow %d things already, which is the most that one may; end some streams first", own)
	case len(all) >= l.PerOrganization:
		return nil, errs.New(errs.Unavailable, "graph", "%d streams are open in this organization, which is the most that may; try again later", len(all))
	case all == nil:
		all = map[*follower]bool{}
		l.followers[org] = all
	}
	all[f] = true
	return f, nil
}

// person is whose streams are counted together.
func person(who access.Subject) uuid.UUID {
	for _, id := range []uuid.UUID{who.MemberID, who.ServiceID, who.TokenID} {
		if id != uuid.Nil {
			return id
		}
	}
	return uuid.Nil
}

func (l *live) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.followers[f.org], f)
	if len(l.followers[f.org]) == 0 {
		delete(l.followers, f.org)
	}
}

// heard is called by the feed, which waits for it.
func (l *live) heard(c db.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Org != uuid.Nil {
		for f := range l.followers[c.Org] {
			f.heard(c)
		}
		return
	}
	for _, all := range l.followers {
		for f := range all {
			f.heard(c)
		}
	}
}

// missed is called by the feed when changes may have been missed.
func (l *live) missed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, all := range l.followers {
		for f := range all {
			f.add(func(n *news) { n.missed = true })
			signal(f.rights)
		}
	}
}

func (f *follower) heard(c db.Change) {
	switch c.Kind {
	case db.Access, db.Host, db.Login:
		signal(f.rights)
	}
	if key, mine := f.match(c); mine {
		f.remember(key)
	}
}

// remember adds keys to what is to be looked at. Of too many, none is kept.
func (f *follower) remember(keys ...string) {
	f.add(func(n *news) {
		for _, key := range keys {
			switch {
			case f.keys[key]:
			case len(n.keys) >= f.most:
				n.flood = true
			default:
				f.keys[key] = true
				n.keys = append(n.keys, key)
			}
		}
	})
}

func (f *follower) add(change func(*news)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.news)
	signal(f.wake)
}

// take returns what is to be looked at, and forgets it.
func (f *follower) take() news {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.news
	f.news, f.keys = news{}, map[string]bool{}
	return n
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not looked since the last time
	}
}
