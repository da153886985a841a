package gate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

type docKey struct {
	org, remote uuid.UUID
	pkg         coord.Package
}

// document is what is remembered of a remote's answer for a name. Other bytes
// make another document; its clocks move. Whoever fetches holds the key's
// flight, and is the only one to change validator and gen.
type document struct {
	key       docKey
	sha256    string // of the bytes; "" when the remote said that there is no such name
	fetched   time.Time
	firstSeen map[string]time.Time // of versions that the source gives no date (R5)
	validator Validators
	checked   atomic.Int64  // unix nanoseconds: when the remote last confirmed it
	failed    atomic.Int64  // unix nanoseconds of the last failed attempt; 0 = none since checked
	gen       atomic.Uint64 // of the package when this was last compared with the database
	asking    atomic.Bool   // a revalidation runs
}

func (d *document) failing() bool { return d.failed.Load() != 0 }

// confirmed notes that the remote says so at that time, unless a later word is
// known.
func (d *document) confirmed(at time.Time) {
	if n := at.UnixNano(); n > d.checked.Load() {
		d.checked.Store(n)
		d.failed.Store(0)
	}
}

// retryAfter is how long a failing remote is left alone for a name that can be
// served stale. (The guarded client has a circuit breaker of its own.)
const retryAfter = 10 * time.Second

type freshness int

const (
	fresh   freshness = iota
	due               // served at once, one revalidation runs
	expired           // must be asked for before anything is served
)

// age tells whether a document may be served now (R3). One of a remote that is
// known to fail is served without waiting for the remote to fail again.
func (g *Gate) age(d *document, now time.Time) freshness {
	old := now.Sub(time.Unix(0, d.checked.Load()))
	switch {
	case old < g.Fresh:
		return fresh
	case d.sha256 == "":
		return expired
	case old < g.Fresh+g.Background, d.failing() && old < g.Stale:
		return due
	}
	return expired
}

// documentOf returns the remote's document for a name and what is in it, from
// memory, from what is remembered, or from the remote. The listing is nil when
// the remote has no such name. An error of kind Unavailable means that the
// remote does not answer and nothing is remembered; Upstream, that what it
// answers cannot be used.
func (g *Gate) documentOf(ctx context.Context, r *registry.Remote, pkg coord.Package) (*document, *Listing, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, nil, err
	}
	key := docKey{org, r.ID, pkg}
	d, err := g.servable(ctx, key, r)
	if err != nil {
		return nil, nil, err
	}
	l, err := g.listing(ctx, d)
	if err != nil && ctx.Err() == nil {
		// What is remembered was lost, or cannot be read by this version.
		slog.WarnContext(ctx, "a remembered document cannot be read; asking the remote again", "remote", r.Name, "package", pkg.Name, "error", err)
		if d, err = g.fetchOnce(ctx, key, r, fetchMode{lost: d}); err == nil {
			l, err = g.listing(ctx, d)
		}
	}
	return d, l, err
}

// servable returns a document that may be served now, and starts its
// revalidation when that has become due (R3).
func (g *Gate) servable(ctx context.Context, key docKey, r *registry.Remote) (*document, error) {
	d, ok := g.documents.GetIfPresent(key)
	if !ok || !g.DB.Feed.Trusted() || d.gen.Load() != g.gens.pkg(key.org, key.pkg).Load() || g.age(d, g.Now()) == expired {
		var err error
		if d, err = g.fetchOnce(ctx, key, r, fetchMode{}); err != nil {
			return nil, err
		}
	}
	if g.age(d, g.Now()) == due {
		g.revalidate(key.org, r, d)
	}
	return d, nil
}

// revalidate asks the remote again in the background, once at a time.
func (g *Gate) revalidate(org uuid.UUID, r *registry.Remote, d *document) {
	if f := d.failed.Load(); f != 0 && g.Now().Sub(time.Unix(0, f)) < retryAfter || !d.asking.CompareAndSwap(false, true) {
		return
	}
	started := g.work.run(func() {
		defer d.asking.Store(false)
		ctx, stop := g.detached(scope.With(context.Background(), org))
		defer stop()
		if _, err := g.fetchOnce(ctx, d.key, r, fetchMode{now: true}); err != nil {
			slog.WarnContext(ctx, "a remote could not be asked again", "remote", r.Name, "package", d.key.pkg.Name, "error", err)
		}
	})
	if !started {
		d.asking.Store(false)
	}
}

// fetchMode tells what of what is remembered will do.
type fetchMode struct {
	now  bool      // only what is fresh
	lost *document // this one turned out to be of no use; nil for none
}

// fetchOnce shares a fetch.
func (g *Gate) fetchOnce(ctx context.Context, key docKey, r *registry.Remote, mode fetchMode) (*document, error) {
	return g.fetching.do(ctx, g, key, func(ctx context.Context) (*document, error) {
		gen := g.gens.pkg(key.org, key.pkg).Load()
		d, err := g.fetch(ctx, key, r, mode)
		if err == nil {
			d.gen.Store(gen)
			g.documents.Set(key, d)
		}
		return d, err
	})
}

// fetch asks the remote, conditionally on what is remembered (R3).
func (g *Gate) fetch(ctx context.Context, key docKey, r *registry.Remote, mode fetchMode) (*document, error) {
	have, err := g.remembered(ctx, key)
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "list", "what is remembered of %s cannot be read at the moment", key.pkg.Name)
	}
	if have != nil && mode.lost != nil && have.sha256 == mode.lost.sha256 {
		have = nil
	}
	if have != nil {
		if age := g.age(have, g.Now()); age == fresh || age == due && !mode.now {
			return have, nil // another node, or an earlier run, has it
		}
	}
	p, err := g.protocol(key.pkg.Ecosystem)
	if err != nil {
		return nil, err
	}
	var prev Validators
	if have != nil {
		prev = have.validator
	}
	got, err := g.ask(ctx, p, key, r, prev)
	now := g.Now()
	switch {
	case err == nil && got.NotModified && have != nil:
		return have, g.confirm(ctx, have, now)
	case err == nil && got.NotFound:
		return g.evict(ctx, key, now)
	case err == nil && !got.NotModified:
		var d *document
		if d, err = g.remember(ctx, key, have, got, now); err == nil {
			return d, nil
		}
	case err == nil:
		err = errs.New(errs.Upstream, "list", "the remote %q says that %s has not changed, but was not asked that", r.Name, key.pkg.Name)
	}
	// What fails, and what cannot be understood, does not replace what could be
	// (F1).
	if have == nil || have.sha256 == "" || now.Sub(time.Unix(0, have.checked.Load())) >= g.Stale {
		return nil, err
	}
	have.failed.Store(now.UnixNano())
	slog.WarnContext(ctx, "a remote failed; serving what it said before", "remote", r.Name, "package", key.pkg.Name, "error", err)
	return have, nil
}

// listing returns the decoded document, nil when the remote has no such name.
func (g *Gate) listing(ctx context.Context, d *document) (*Listing, error) {
	if d.sha256 == "" {
		return nil, nil
	}
	return g.decode(d.key.pkg, d.sha256, func() ([]byte, error) { return g.rawOf(ctx, d) })
}

func (g *Gate) decode(pkg coord.Package, digest string, read func() ([]byte, error)) (*Listing, error) {
	key := string(pkg.Ecosystem) + " " + pkg.Name + " " + digest
	if l, ok := g.listings.GetIfPresent(key); ok {
		return l, nil
	}
	raw, err := read()
	if err != nil {
		return nil, err
	}
	p, err := g.protocol(pkg.Ecosystem)
	if err != nil {
		return nil, err
	}
	l, err := p.Decode(pkg.Name, raw)
	if err != nil {
		return nil, err
	}
	if len(l.Skipped) > 0 {
		slog.Debug("versions in a remote's document cannot be read and are left out", "package", pkg.Name, "versions", l.Skipped)
	}
	g.listings.Set(key, l)
	return l, nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func remoteOf(r *registry.Remote) Remote {
	return Remote{ID: r.ID, Name: r.Name, BaseURL: r.BaseURL, Token: r.Credential.Bearer, Username: r.Credential.Username,
		Password: r.Credential.Password, FileHosts: r.FileHosts}
}
