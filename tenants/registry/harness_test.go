package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
	"sluice.dev/sluice/tenants/scope"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// bench is a database with two organizations, the service and the snapshots of
// one node, whose feed runs.
type bench struct {
	*testing.T
	url          string
	db           *db.DB
	clock        *clock
	seal         *registry.Sealer
	svc          *registry.Service
	shapes       *registry.Snapshots
	ours, theirs context.Context
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t), clock: &clock{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	b.db = dbtest.Open(t, b.url)
	var err error
	b.seal, err = registry.NewSealer(key(1))
	b.ok(err)
	b.svc = &registry.Service{DB: b.db, Audit: audit.New(b.clock.now), Now: b.clock.now, Built: []coord.Ecosystem{coord.NPM, coord.PyPI}, Seal: b.seal}
	b.shapes = registry.NewSnapshots(b.db, b.seal)
	dbtest.Start(t, b.db)
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.db)
	return b
}

// key makes an encryption key that differs from those of other numbers.
func key(n byte) []byte {
	return []byte(strings.Repeat(string('a'+rune(n)), 32))
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is wants an error of a kind whose public message has all the words.
func (b *bench) is(err error, k errs.Kind, words ...string) {
	b.Helper()
	if !errs.Is(err, k) {
		b.Fatalf("got %v, want an error of kind %v", err, k)
	}
	for _, w := range words {
		if !strings.Contains(errs.Public(err), w) {
			b.Errorf("the message %q does not say %q", errs.Public(err), w)
		}
	}
}

func (b *bench) make(ctx context.Context, in registry.CreateInput) *ent.Registry {
	b.Helper()
	if in.Ecosystem == "" {
		in.Ecosystem = coord.NPM
	}
	r, err := b.svc.Create(ctx, in)
	b.ok(err)
	return r
}

// registry makes a package registry below the sources, in order.
func (b *bench) registry(name string, sources ...uuid.UUID) uuid.UUID {
	b.Helper()
	id := b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: name}).ID
	for _, s := range sources {
		b.link(id, s)
	}
	return id
}

func (b *bench) firewall(name string) uuid.UUID {
	b.Helper()
	return b.make(b.ours, registry.CreateInput{Kind: registry.Firewall, Name: name}).ID
}

func (b *bench) link(id, source uuid.UUID) *ent.Upstream {
	b.Helper()
	u, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: source})
	b.ok(err)
	return u
}

func (b *bench) remote(name string) uuid.UUID {
	b.Helper()
	r, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: "https://npm.example/" + name})
	b.ok(err)
	return r.ID
}

// chain makes registries, each below the one before.
func (b *bench) chain(prefix string, n int) []uuid.UUID {
	b.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.registry(fmt.Sprintf("%s%d", prefix, i))
		if i > 0 {
			b.link(ids[i], ids[i-1])
		}
	}
	return ids
}

// sources are the names of a registry's upstreams in order, as a reader of the
// snapshot finds them.
func (b *bench) sources(id uuid.UUID) (out []string) {
	b.Helper()
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	for _, e := range snap.Node(id).Edges {
		if e.Source != nil {
			out = append(out, e.Source.Name)
		} else {
			out = append(out, e.Remote.Name)
		}
	}
	return out
}

// events are the audit events of an action.
func (b *bench) events(ctx context.Context, action string) (out []*ent.AuditEvent) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Order(ent.Asc(auditevent.FieldID)).All(ctx)
		return err
	})
	return out
}

// all counts the audit events of everything.
func (b *bench) all() (n int) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.AuditEvent.Query().Count(ctx)
		return err
	})
	return n
}

func (b *bench) in(ctx context.Context, fn func(context.Context, *db.Tx) error) {
	b.Helper()
	b.ok(b.db.InTx(ctx, fn))
}

func ptr[T any](v T) *T { return &v }

func decoded(t testing.TB, raw json.RawMessage) (out map[string]any) {
	t.Helper()
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func org(t testing.TB, ctx context.Context) uuid.UUID {
	t.Helper()
	id, err := scope.Org(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
