package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/jobs"
	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/protocol/oidc"
	"sluice.dev/sluice/protocol/pages"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/finding"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/platform"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// node is everything that one process runs, made by plain constructors.
type node struct {
	flags        nodeFlags
	now          func() time.Time
	db           *db.DB
	blobs        *blob.Disk
	orgs         *org.Service
	resolver     *org.Resolver
	access       *access.Service
	clientLogins *access.Logins // of npm clients
	identities   *idtoken.Verifier
	shapes       *registry.Snapshots
	registries   *registry.Service
	advisories   *advisory.Service
	importer     *advisory.Importer
	quarantine   *quarantine.Service
	intake       *intake.Service
	decisions    *audit.Decisions
	gate         *gate.Gate
	logins       *login.Service
	vouchers     *oidc.Client    // of organizations' identity providers
	platform     *pages.Platform // nil without a provider of the platform's
	installation *platform.Service
	beat         beat

	stop    context.CancelFunc // ends the node's life
	life    context.Context
	running sync.WaitGroup
	worker  *river.Client[pgx.Tx]
	jobDeps jobs.Deps
}

// newNode opens the database and the blob store and wires the services. Close
// it. Nothing runs yet. tune changes the bounds of the client for remotes, which
// tests make small.
func newNode(ctx context.Context, d databaseFlags, f nodeFlags, now func() time.Time, tune ...func(*upstream.Config)) (*node, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	if d.DatabaseURL == "" {
		return nil, errors.New("--database-url is missing; `sluice dev` brings a database of its own")
	}
	seal, err := f.sealer()
	if err != nil {
		return nil, err
	}
	database, err := db.Open(ctx, string(d.DatabaseURL), d.DatabaseConns)
	if err != nil {
		return nil, err
	}
	pending, err := database.Pending(ctx)
	if err == nil && pending {
		err = errors.New("the database has an older schema than this version needs; run `sluice migrate` first")
	}
	if err != nil {
		database.Close()
		return nil, err
	}
	if err := os.MkdirAll(f.BlobDir, 0o750); err != nil {
		database.Close()
		return nil, fmt.Errorf("the folder of the package files cannot be made: %w", err)
	}
	blobs, err := blob.NewDisk(f.BlobDir)
	if err != nil {
		database.Close()
		return nil, err
	}
	n := &node{flags: f, now: now, db: database, blobs: blobs, beat: beat{id: uuid.Must(uuid.NewV7()), started: now()}}
	n.life, n.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := n.wire(seal, tune); err != nil {
		n.stop()
		database.Close()
		return nil, err
	}
	return n, nil
}

func (n *node) wire(seal *registry.Sealer, tune []func(*upstream.Config)) error {
	log := audit.New(n.now)
	n.orgs = org.New(n.db, log, n.now)
	n.orgs.OpenSignUp = n.flags.SignUp
	n.installation = &platform.Service{DB: n.db, Now: n.now}
	n.resolver = org.NewResolver(n.db)
	n.access = access.New(n.db, log, n.now)
	n.clientLogins = access.NewLogins(n.access, seal)
	n.shapes = registry.NewSnapshots(n.db, seal)
	n.quarantine = &quarantine.Service{DB: n.db, Audit: log, Now: n.now}
	n.registries = &registry.Service{DB: n.db, Audit: log, Now: n.now, Built: []coord.Ecosystem{coord.NPM}, Seal: seal,
		BeforeUnlink: n.quarantine.Unlinking, AfterLink: n.quarantine.Linked}
	n.intake = &intake.Service{DB: n.db, Audit: log, Shapes: n.shapes, Quarantine: n.quarantine, Now: n.now}
	n.advisories = advisory.NewService(n.db)
	n.importer = advisory.NewImporter(n.db)
	n.decisions = audit.NewDecisions(n.db, n.now)
	remotes := upstream.Config{AllowedHosts: n.flags.AllowRemote, UserAgent: "sluice/" + version}
	for _, change := range tune {
		change(&remotes)
	}
	client, err := upstream.New(remotes)
	if err != nil {
		return err
	}
	if n.identities, err = identities(remotes, n.now); err != nil {
		return err
	}
	n.gate = gate.New(n.life, gate.Config{DB: n.db, Blobs: n.blobs, Shapes: n.shapes, Advisories: n.advisories, Quarantine: n.quarantine,
		Decisions: n.decisions, Protocols: []gate.Protocol{npm.New(client)}, Now: n.now,
		RenderBudget: n.flags.CacheMiB << 20, DecodeBudget: n.flags.CacheMiB << 20})
	n.intake.Gate = n.gate
	if err := n.wireLogins(log, seal, client, remotes); err != nil {
		return err
	}
	n.jobDeps = jobs.Deps{DB: n.db, Orgs: n.orgs, Access: n.access, Quarantine: n.quarantine, Reviewer: n.gate, Mover: n.intake, Blobs: n.blobs, Now: n.now,
		Finding: &finding.Service{DB: n.db, Shapes: n.shapes, Advisories: n.advisories, Quarantine: n.quarantine, Now: n.now}}
	return nil
}

// wireLogins makes what lets people in. The operator's own provider may be on a
// private address; those of organizations only where remotes may be (F6).
func (n *node) wireLogins(log *audit.Log, seal *registry.Sealer, client *upstream.Client, remotes upstream.Config) error {
	dev := n.flags.development
	operators, err := n.flags.operators()
	if err != nil {
		return err
	}
	n.logins = login.New(login.Config{DB: n.db, Audit: log, Access: n.access, Seal: seal, Now: n.now, Operators: operators, PlainHTTP: dev})
	n.vouchers = oidc.New(oidc.Config{HTTP: client.Plain(oidc.Within, oidc.MostSent), Now: n.now, PlainHTTP: dev})
	provider, err := n.flags.OIDC.provider(dev)
	if err != nil || provider == nil {
		return err
	}
	issuer, err := url.Parse(provider.Issuer)
	if err != nil {
		return err
	}
	remotes.AllowedHosts = append(slices.Clone(remotes.AllowedHosts), issuer.Host)
	own, err := upstream.New(remotes)
	if err != nil {
		return err
	}
	n.platform = &pages.Platform{Provider: *provider, Client: oidc.New(oidc.Config{HTTP: own.Plain(oidc.Within, oidc.MostSent), Now: n.now, PlainHTTP: dev})}
	return nil
}

// start runs the change feed and the flushing of counters, and waits until the
// feed is trusted.
func (n *node) start(ctx context.Context) error {
	n.running.Go(func() { n.db.Feed.Run(n.life) })
	n.running.Go(func() { every(n.life, time.Second, func() { n.flushOnce(n.life) }) })
	n.running.Go(func() { n.seal(n.life) })
	if err := n.db.Feed.Wait(ctx); err != nil {
		return err
	}
	n.running.Go(func() { n.beats(n.life) })
	return nil
}

// seal gives audit events their place in the chain every second, unless another
// node is at it.
func (n *node) seal(ctx context.Context) {
	chain := audit.NewSealer(n.db, n.now)
	every(ctx, time.Second, func() {
		if _, err := chain.Seal(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "audit events could not be sealed; they wait and are tried again", "error", err)
		}
	})
}

// every calls fn again and again, the first time after the pause, until ctx ends.
func every(ctx context.Context, pause time.Duration, fn func()) {
	t := time.NewTicker(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			fn()
		}
	}
}

func (n *node) flushOnce(ctx context.Context) {
	if err := errors.Join(n.decisions.Flush(ctx), n.access.Flush(ctx), n.logins.Flush(ctx)); err != nil && ctx.Err() == nil {
		slog.WarnContext(ctx, "counters could not be written; they are kept and tried again", "error", err)
	}
}

// startWorker runs River, and takes up cascades and pulls that a killed worker left.
func (n *node) startWorker(ctx context.Context) error {
	w, err := jobs.New(n.jobDeps, slog.New(warnings{slog.Default().Handler()}))
	if err != nil {
		return err
	}
	if err := w.Start(n.life); err != nil {
		return fmt.Errorf("start the worker: %w", err)
	}
	n.worker = w
	n.beat.works.Store(true)
	return errors.Join(jobs.Resume(ctx, n.db, n.quarantine), jobs.ResumePulls(ctx, n.db, n.intake))
}

// warnings leaves out what a library says about its normal work.
type warnings struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{h.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (h warnings) WithGroup(name string) slog.Handler { return warnings{h.Handler.WithGroup(name)} }

// close ends what runs, within a bounded time, and writes what is batched.
func (n *node) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if n.worker != nil {
		if err := n.worker.StopAndCancel(ctx); err != nil {
			slog.Warn("the worker did not stop in time", "error", err)
		}
	}
	n.flushOnce(ctx)
	n.stop()
	n.gate.Wait()
	n.running.Wait()
	n.left(ctx)
	n.db.Close()
}

// listen serves until the context ends, then lets running requests finish.
func (n *node) listen(ctx context.Context, ln net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug)}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return srv.Close()
	}
	return nil
}
