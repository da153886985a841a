package gate

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"sync"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// flight is one file on its way from a remote. Everybody who wants it shares
// it; it belongs to the node, so that it lands although its first client left.
type flight struct {
	file    File
	pending *blob.Pending
	begun   chan struct{} // closed when the remote answered: size or err are set
	ended   chan struct{} // closed when the bytes are durable: info or err are set
	size    int64
	info    blob.Info
	err     error
}

type flightID struct {
	org, remote uuid.UUID
	version     coord.Version
	file        string
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
	select {
	case <-f.ended:
		return f.size, f.err
	default:
		if f.pending == nil {
			return 0, f.err
		}
		return f.size, nil
	}
}

// wait waits until the bytes are durable.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.ended:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fly returns the flight of a file, starting it if nobody has.
func (g *Gate) fly(org uuid.UUID, pkg coord.Package, e *Entry, f File) *flight {
	id := flightID{org, e.source.remote.ID, coord.Version{Package: pkg, Version: e.Version}, f.Name}
	g.flights.mu.Lock()
	defer g.flights.mu.Unlock()
	if have := g.flights.all[id]; have != nil {
		return have
	}
	fl := &flight{file: f, size: -1, begun: make(chan struct{}), ended: make(chan struct{})}
	if g.flights.all == nil {
		g.flights.all = map[flightID]*flight{}
	}
	g.flights.all[id] = fl
	remote := remoteOf(e.source.remote)
	g.work.Go(func() {
		ctx := scope.WithActor(scope.With(g.life, org), scope.System("fetch"))
		fl.err = g.carry(ctx, fl, pkg, remote)
		if fl.pending == nil {
			close(fl.begun)
		}
		g.flights.mu.Lock()
		delete(g.flights.all, id)
		g.flights.mu.Unlock()
		close(fl.ended)
		if fl.err != nil {
			slog.WarnContext(ctx, "a file did not arrive", "package", pkg.Name, "version", e.Version, "remote", remote.Name, "error", fl.err)
			g.findMismatch(ctx, id, remote.Name, fl.err)
		}
	})
	return fl
}

// carry moves the bytes from the remote into the blob store, and verifies them.
func (g *Gate) carry(ctx context.Context, fl *flight, pkg coord.Package, remote Remote) error {
	p, err := g.protocol(pkg.Ecosystem)
	if err != nil {
		return err
	}
	body, size, err := p.FetchFile(ctx, remote, fl.file)
	if err != nil {
		return err
	}
	defer body.Close()
	pending, err := g.Blobs.Create(ctx, g.MaxFile)
	if err != nil {
		return err
	}
	fl.pending, fl.size = pending, size
	pending.Release(math.MaxInt64) // no rule that works today needs the bytes
	close(fl.begun)
	if _, err := io.Copy(pending, body); err != nil {
		err = errs.Wrap(err, errs.Upstream, "fetch", "the remote %q broke off while it sent %s", remote.Name, fl.file.Name)
		pending.Abort(err)
		return err
	}
	d := blob.Declared{Size: blob.SizeUnknown, SHA256: fl.file.Digests.SHA256, SHA512: fl.file.Digests.SHA512, SHA1: fl.file.Digests.SHA1, MD5: fl.file.Digests.MD5}
	if size >= 0 {
		d.Size = size
	}
	if fl.info, err = pending.Commit(ctx, d); err != nil {
		return err
	}
	return pending.ReleaseAll()
}

// findMismatch opens a finding when the bytes were not what the source had
// declared (R2).
func (g *Gate) findMismatch(ctx context.Context, id flightID, remote string, err error) {
	var m *blob.Mismatch
	if !errors.As(err, &m) {
		return
	}
	err = g.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO findings (id, org_id, ecosystem, name, version, kind, reference, severity, details, opened_at)
			VALUES ($1,$2,$3,$4,$5,'DIGEST_MISMATCH',$6,'HIGH',jsonb_build_object('file',$7::text,'what',$8::text,'declared',$9::text,'received',$10::text),$11)
			ON CONFLICT DO NOTHING`, uuid.Must(uuid.NewV7()), id.org, id.version.Ecosystem, id.version.Name, id.version.Version, remote, id.file,
			m.What, m.Declared, m.Received, g.Now())
		return err
	})
	if err != nil {
		slog.ErrorContext(ctx, "a digest mismatch could not be recorded", "error", err)
	}
}
