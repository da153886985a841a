package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// flight is one file on its way from a remote. Everybody who wants it shares
// it; it belongs to the node, so that it lands although its first client left.
type flight struct {
	id      flightID
	file    File
	remote  *registry.Remote
	pending *blob.Pending
	begun   chan struct{} // closed when the remote answered: size or err are set
	ended   chan struct{} // closed when the bytes are durable and recorded: info or err are set
	size    int64
	info    blob.Info
	err     error

	wanted  map[uuid.UUID]*landing // by registry that was asked; guarded by flights.mu
	landing bool                   // it is too late to want it; guarded by flights.mu
}

// flightID names a file by what the source says of it: the same coordinates
// with another address or digest are another flight.
type flightID struct {
	org, remote uuid.UUID
	version     coord.Version
	file, url   string
	digests     string
}

// landing is a registry that comes to hold what a flight brings.
type landing struct {
	v   *View
	e   *Entry
	how string
	ctx context.Context // of the first one there who asked

	counted bool // its first delivery is written down; set before the flight has ended
}

type flights struct {
	mu  sync.Mutex
	all map[flightID]*flight
}

// started waits for the remote's answer and returns the size, -1 if unknown.
func (f *flight) started(ctx context.Context) (int64, error) {
	select {
	case <-f.begun:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if f.pending == nil {
		return 0, f.err
	}
	return f.size, nil
}

// wait waits until the bytes are durable, and recorded for who wanted them.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.ended:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly returns the flight of a file, starting it if nobody has, and books the
// view's registry on it. The landing is nil for all but the first one to book,
// whose delivery is written down when the flight lands.
func (g *Gate) fly(ctx context.Context, v *View, e *Entry, f File, how string) (*flight, *landing, error) {
	r := e.source.remote
	id := flightID{v.Org, r.ID, coord.Version{Package: v.Package, Version: e.Version}, f.Name, f.URL, f.Digests.String()}
	g.flights.mu.Lock()
	defer g.flights.mu.Unlock()
	fl := g.flights.all[id]
	if fl == nil {
		fl = &flight{id: id, file: f, remote: r, size: -1, begun: make(chan struct{}), ended: make(chan struct{}), wanted: map[uuid.UUID]*landing{}}
		if !g.work.run(func() { g.travel(fl) }) {
			return nil, nil, stopping()
		}
		if g.flights.all == nil {
			g.flights.all = map[flightID]*flight{}
		}
		g.flights.all[id] = fl
	}
	if fl.landing || fl.wanted[v.Registry] != nil {
		return fl, nil, nil
	}
	w := &landing{v: v, e: e, how: how, ctx: context.WithoutCancel(ctx)}
	fl.wanted[v.Registry] = w
	return fl, w, nil
}

// travel is the whole life of a flight.
func (g *Gate) travel(fl *flight) {
	ctx := scope.WithActor(scope.With(g.life, fl.id.org), scope.System("fetch"))
	err := g.carry(ctx, fl)
	fl.err = err
	if fl.pending == nil {
		close(fl.begun)
	}
	g.flights.mu.Lock()
	delete(g.flights.all, fl.id)
	g.flights.mu.Unlock()
	close(fl.ended)
	if err != nil {
		slog.WarnContext(ctx, "a file did not arrive", "package", fl.id.version.Name, "version", fl.id.version.Version, "remote", fl.remote.Name, "error", err)
	}
}

// carry moves the bytes from the remote into the blob store, verifies them, and
// has them recorded.
func (g *Gate) carry(ctx context.Context, fl *flight) (err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.ErrorContext(ctx, "panic", "value", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("gate: panic: %v", p)
		}
		if err != nil && fl.pending != nil {
			fl.pending.Abort(err) // does nothing when it knows why already
		}
	}()
	p, err := g.protocol(fl.id.version.Ecosystem)
	if err != nil {
		return err
	}
	body, size, err := p.FetchFile(ctx, remoteOf(fl.remote), fl.file)
	if err != nil {
		return err
	}
	defer body.Close()
	pending, err := g.Blobs.Create(ctx, g.MaxFile)
	if err != nil {
		return err
	}
	fl.pending, fl.size = pending, size
	pending.Release(blob.Follow) // no rule that works today needs the bytes
	close(fl.begun)
	if _, err := io.Copy(pending, body); err != nil {
		return g.broken(fl, err)
	}
	d := blob.Declared{Size: blob.SizeUnknown, SHA256: fl.file.Digests.SHA256, SHA512: fl.file.Digests.SHA512, SHA1: fl.file.Digests.SHA1, MD5: fl.file.Digests.MD5}
	if size >= 0 {
		d.Size = size
	}
	if fl.info, err = pending.Commit(ctx, d); err != nil {
		return g.unlike(ctx, fl, err)
	}
	g.land(ctx, fl)
	return pending.ReleaseAll()
}

// broken explains why the bytes did not come to their end: the remote's fault
// unless the store has an explanation of its own.
func (g *Gate) broken(fl *flight, err error) error {
	var known *errs.Error
	if errors.As(err, &known) && known.Kind != errs.Internal {
		return err
	}
	return errs.Wrap(err, errs.Upstream, "fetch", "the remote %q broke off while it sent %s", fl.remote.Name, fl.file.Name)
}

// unlike opens a finding when the bytes were not what the source had declared
// (R2).
func (g *Gate) unlike(ctx context.Context, fl *flight, err error) error {
	var m *blob.Mismatch
	if !errors.As(err, &m) {
		return err
	}
	g.findUndeclared(ctx, fl, m)
	return errs.Wrap(err, errs.Upstream, "fetch", "the remote %q sent other bytes of %s than it had declared (%s)", fl.remote.Name, fl.file.Name, m.What)
}

// land records what arrived for every registry that wanted it. A registry for
// which that fails does not hold it, and whoever asks it tries once more.
func (g *Gate) land(ctx context.Context, fl *flight) {
	g.flights.mu.Lock()
	fl.landing = true
	wanted := fl.wanted
	g.flights.mu.Unlock()
	for _, w := range wanted {
		var err error
		if w.counted, err = g.keepFetched(w.ctx, w.v, w.e, fl, w.how); err != nil {
			slog.WarnContext(ctx, "a file arrived and was not kept", "registry", w.v.Name, "package", fl.id.version.Name, "version", fl.id.version.Version, "error", err)
		}
	}
}
