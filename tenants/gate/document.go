package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

type docKey struct {
	org, remote uuid.UUID
	pkg         coord.Package
}

// document is what is remembered of a remote's answer for a name. What it lists
// never changes; its clocks and validators do, and views keep a pointer to it,
// so that one confirmation serves them all.
type document struct {
	key       docKey
	remote    atomic.Pointer[registry.Remote] // as configured now
	sha256    string                          // of the bytes; "" when the remote said that there is no such name
	validator atomic.Pointer[Validators]
	firstSeen map[string]time.Time
	checked   atomic.Int64 // unix nanoseconds: when the remote last confirmed it
	failed    atomic.Int64 // unix nanoseconds of the last failed attempt; 0 = none since
}

func newDocument(key docKey, r *registry.Remote, sha256 string) *document {
	d := &document{key: key, sha256: sha256, firstSeen: map[string]time.Time{}}
	d.remote.Store(r)
	d.validator.Store(&Validators{})
	return d
}

// retryAfter is how long a failing remote is left alone for a name that can be
// served stale. (The guarded client has a circuit breaker of its own.)
const retryAfter = 10 * time.Second

type freshness int

const (
	fresh   freshness = iota
	due               // served at once, one revalidation runs
	stale             // served because the remote fails
	expired           // must be asked for before anything is served
)

func (g *Gate) age(d *document, now time.Time) freshness {
	checked := time.Unix(0, d.checked.Load())
	old := now.Sub(checked)
	switch {
	case old < g.Fresh:
		return fresh
	case d.sha256 == "":
		return expired
	case old < g.Fresh+g.Background:
		return due
	}
	if failed := d.failed.Load(); failed != 0 && old < g.Stale && now.Sub(time.Unix(0, failed)) < retryAfter {
		return stale
	}
	return expired
}

// documentOf returns the remote's document for a name, from memory, from what
// is remembered, or from the remote. An error means that the remote does not
// answer and nothing is remembered.
func (g *Gate) documentOf(ctx context.Context, r *registry.Remote, pkg coord.Package) (*document, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	key := docKey{org, r.ID, pkg}
	if d, ok := g.documents.GetIfPresent(key); ok && g.DB.Feed.Trusted() {
		d.remote.Store(r)
		switch g.age(d, g.Now()) {
		case fresh, stale:
			return d, nil
		case due:
			g.revalidate(org, d)
			return d, nil
		}
	}
	return g.fetchOnce(ctx, key, r)
}

// revalidate asks the remote again in the background, once at a time.
func (g *Gate) revalidate(org uuid.UUID, d *document) {
	now := g.Now()
	failed := d.failed.Load()
	if g.life.Err() != nil || failed != 0 && now.Sub(time.Unix(0, failed)) < retryAfter {
		return
	}
	if !d.failed.CompareAndSwap(failed, now.UnixNano()) { // taken; success makes a new document or clears it
		return
	}
	g.work.Go(func() {
		ctx, stop := g.detached(scope.With(context.Background(), org))
		defer stop()
		if _, err := g.fetchOnce(ctx, d.key, d.remote.Load()); err != nil {
			slog.WarnContext(ctx, "a remote could not be asked again", "remote", d.remote.Load().Name, "package", d.key.pkg.Name, "error", err)
		}
	})
}

func (g *Gate) fetchOnce(ctx context.Context, key docKey, r *registry.Remote) (*document, error) {
	flight := key.org.String() + key.remote.String() + string(key.pkg.Ecosystem) + key.pkg.Name
	got, err, _ := g.fetching.Do(flight, func() (any, error) {
		ctx, stop := g.detached(ctx)
		defer stop()
		d, err := g.fetch(ctx, key, r)
		if err == nil {
			g.documents.Set(key, d)
		}
		return d, err
	})
	if err != nil {
		return nil, err
	}
	return got.(*document), nil
}

// fetch asks the remote, conditionally on what is remembered (R3).
func (g *Gate) fetch(ctx context.Context, key docKey, r *registry.Remote) (*document, error) {
	have, err := g.known(ctx, key, r)
	if err != nil {
		return nil, err
	}
	if have != nil && g.age(have, g.Now()) == fresh {
		return have, nil // another node, or an earlier run, has it
	}
	p, err := g.protocol(key.pkg.Ecosystem)
	if err != nil {
		return nil, err
	}
	var prev Validators
	if have != nil {
		prev = *have.validator.Load()
	}
	got, err := p.FetchList(ctx, remoteOf(r), key.pkg.Name, prev)
	now := g.Now()
	switch {
	case err != nil:
		return g.serveStale(ctx, have, now, err)
	case got.NotModified && have != nil:
		return have, g.confirm(ctx, have, now)
	case got.NotFound:
		return g.evict(ctx, key, r, have != nil, now)
	}
	return g.remember(ctx, key, r, have, got, now)
}

func (g *Gate) serveStale(ctx context.Context, have *document, now time.Time, err error) (*document, error) {
	if have == nil || now.Sub(time.Unix(0, have.checked.Load())) >= g.Stale {
		return nil, err
	}
	have.failed.Store(now.UnixNano())
	slog.WarnContext(ctx, "a remote failed; serving what it said before", "remote", have.remote.Load().Name, "package", have.key.pkg.Name, "error", err)
	return have, nil
}

// known returns what is remembered, nil for nothing: the document in memory
// when the database remembers the same bytes, so that whoever holds it sees the
// newest confirmation.
func (g *Gate) known(ctx context.Context, key docKey, r *registry.Remote) (*document, error) {
	row, err := g.remembered(ctx, key, r)
	if err != nil || row == nil {
		return nil, err
	}
	have, ok := g.documents.GetIfPresent(key)
	if !ok || have.sha256 != row.sha256 {
		return row, nil
	}
	have.remote.Store(r)
	if at := row.checked.Load(); at > have.checked.Load() {
		have.checked.Store(at)
		have.failed.Store(0)
	}
	have.validator.Store(row.validator.Load())
	return have, nil
}

func (g *Gate) confirm(ctx context.Context, d *document, now time.Time) error {
	d.checked.Store(now.UnixNano())
	d.failed.Store(0)
	return g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return catalog.TouchDocument(ctx, tx, d.key.remote, d.key.pkg.Name, now)
	})
}

// evict forgets a name that the remote says is gone. That is an answer, which
// an outage is not.
func (g *Gate) evict(ctx context.Context, key docKey, r *registry.Remote, had bool, now time.Time) (*document, error) {
	d := newDocument(key, r, "")
	d.checked.Store(now.UnixNano())
	if !had {
		return d, nil
	}
	return d, g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := catalog.ForgetDocument(ctx, tx, key.remote, key.pkg.Name); err != nil {
			return err
		}
		return catalog.Changed(ctx, tx, key.pkg)
	})
}

func (g *Gate) remember(ctx context.Context, key docKey, r *registry.Remote, have *document, got Fetched, now time.Time) (*document, error) {
	info, err := g.Blobs.Put(ctx, bytes.NewReader(got.Body), int64(len(got.Body)))
	if err != nil {
		return nil, err
	}
	// What cannot be understood must not replace what could (F1).
	listing, err := g.decode(key.pkg, info.Digest.String(), func() ([]byte, error) { return got.Body, nil })
	if err != nil {
		return nil, err
	}
	d := newDocument(key, r, info.Digest.String())
	same := have != nil && have.sha256 == d.sha256
	switch {
	case same:
		d = have
	case have != nil:
		maps.Copy(d.firstSeen, have.firstSeen)
	}
	d.validator.Store(&got.Validators)
	if !same {
		for _, v := range listing.Versions {
			if _, known := d.firstSeen[v.Version]; v.Published.IsZero() && !known {
				d.firstSeen[v.Version] = now
			}
		}
	}
	d.checked.Store(now.UnixNano())
	d.failed.Store(0)
	err = g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row := catalog.Document{Remote: key.remote, Name: key.pkg.Name, ETag: got.Validators.ETag, LastModified: got.Validators.LastModified,
			Fetched: now, Checked: now, FirstSeen: d.firstSeen}
		if err := catalog.PutDocument(ctx, tx, row, blobRow(info)); err != nil || same {
			return err // identical bytes change nothing that a view shows
		}
		if have == nil {
			return nil // no view can have been made of it
		}
		return catalog.Changed(ctx, tx, key.pkg)
	})
	return d, err
}

func blobRow(i blob.Info) catalog.Blob {
	return catalog.Blob{SHA256: i.Digest.String(), SHA512: fmt.Sprintf("%x", i.SHA512), SHA1: fmt.Sprintf("%x", i.SHA1), MD5: fmt.Sprintf("%x", i.MD5), Size: i.Size}
}

func (g *Gate) remembered(ctx context.Context, key docKey, r *registry.Remote) (*document, error) {
	var row *catalog.Document
	err := g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		row, err = catalog.DocumentOf(ctx, tx, key.remote, key.pkg.Name)
		return err
	})
	if err != nil || row == nil {
		return nil, err
	}
	d := newDocument(key, r, row.SHA256)
	maps.Copy(d.firstSeen, row.FirstSeen)
	d.validator.Store(&Validators{ETag: row.ETag, LastModified: row.LastModified})
	d.checked.Store(row.Checked.UnixNano())
	return d, nil
}

// listing returns the decoded document, nil when the remote has no such name.
func (g *Gate) listing(ctx context.Context, d *document) (*Listing, error) {
	if d.sha256 == "" {
		return nil, nil
	}
	return g.decode(d.key.pkg, d.sha256, func() ([]byte, error) {
		digest, err := blob.ParseDigest(d.sha256)
		if err != nil {
			return nil, err
		}
		b, err := g.Blobs.Open(ctx, digest)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		raw := make([]byte, b.Size)
		_, err = io.ReadFull(b.Content(), raw)
		return raw, err
	})
}

func (g *Gate) decode(pkg coord.Package, sha256 string, read func() ([]byte, error)) (*Listing, error) {
	key := string(pkg.Ecosystem) + " " + pkg.Name + " " + sha256
	if l, ok := g.listings.GetIfPresent(key); ok {
		return l, nil
	}
	raw, err := read()
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
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

func remoteOf(r *registry.Remote) Remote {
	return Remote{ID: r.ID, Name: r.Name, BaseURL: r.BaseURL, Token: r.Credential.Bearer, Username: r.Credential.Username,
		Password: r.Credential.Password, FileHosts: r.FileHosts}
}

// outage says that a source did not answer, in R1's words.
func outage(r *registry.Remote, err error) error {
	var known *errs.Error
	if errors.As(err, &known) && known.Kind == errs.TooLarge {
		return err
	}
	return errs.Wrap(err, errs.Unavailable, "list", "the remote %q does not answer usefully, and nothing is remembered from it: %s", r.Name, errs.Public(err))
}
