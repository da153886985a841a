package org_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/scope"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at() time.Time { return noon }

type bench struct {
	*testing.T
	db       *db.DB
	url      string
	svc      *org.Service
	resolver *org.Resolver
	stopFeed func()
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	url := dbtest.URL(t)
	d, err := db.Open(t.Context(), url, 6)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, db: d, url: url, svc: org.New(d, audit.New(at), at), resolver: org.NewResolver(d)}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(ctx) })
	b.stopFeed = func() { stop(); running.Wait() }
	t.Cleanup(func() { b.stopFeed(); d.Close() })
	dbtest.WaitTrusted(t, d)
	return b
}

// create makes an organization and returns a context of it.
func (b *bench) create(slug string) context.Context {
	b.Helper()
	o, err := b.svc.Create(context.Background(), org.Input{Slug: slug})
	b.ok(err)
	return scope.With(context.Background(), o.ID)
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) is(err error, k errs.Kind) {
	b.Helper()
	if !errs.Is(err, k) {
		b.Fatalf("got %v, want an error of kind %v", err, k)
	}
}

func (b *bench) events(ctx context.Context, action string) (n int) {
	b.Helper()
	b.ok(b.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Count(ctx)
		return err
	}))
	return n
}

func TestF5_SlugsThatCannotBe(t *testing.T) {
	b := newBench(t)
	for _, slug := range []string{"", "Acme", "acme.corp", "-acme", "acme-", "ac_me", "äcme", strings.Repeat("a", 64), "xn--acme", "a b", "www", "api", "admin", "app", "static", "o", "graphql", "npm"} {
		_, err := b.svc.Create(context.Background(), org.Input{Slug: slug, Name: "Acme"})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), "slug") {
			t.Errorf("%q: %v", slug, err)
		}
	}
	for _, name := range []string{"a\x00b", strings.Repeat("x", 101), "\xff", "line\nbreak"} {
		_, err := b.svc.Create(context.Background(), org.Input{Slug: "acme", Name: name})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), "name") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := b.resolver.BySlug(context.Background(), "acme"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a refused organization exists: %v", err)
	}
}

func TestCreate(t *testing.T) {
	b := newBench(t)
	o, err := b.svc.Create(context.Background(), org.Input{Slug: "acme", Name: " Acme Labs "})
	b.ok(err)
	if o.Slug != "acme" || o.Name != "Acme Labs" || !o.CreatedAt.Equal(noon) || o.ID == uuid.Nil || o.SuspendedAt != nil {
		t.Errorf("organization %+v", o)
	}
	_, err = b.svc.Create(context.Background(), org.Input{Slug: "acme"})
	b.is(err, errs.Conflict)
	ours := scope.With(context.Background(), o.ID)
	if n := b.events(ours, "organization:create"); n != 1 {
		t.Errorf("%d audit events", n)
	}
	got, err := b.svc.Get(ours)
	b.ok(err)
	if got.ID != o.ID || got.Name != "Acme Labs" || string(got.LicensePolicy) != "{}" || len(got.ReservedPatterns) != 0 {
		t.Errorf("got %+v", got)
	}
	_, err = b.svc.Get(scope.With(context.Background(), uuid.New()))
	b.is(err, errs.NotFound)
	if _, err := b.svc.Get(context.Background()); err == nil || errs.KindOf(err) != errs.Internal {
		t.Errorf("without an organization: %v", err)
	}
}

func TestT2_SettingsAreTheOrganizationsOwn(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	_, err := b.svc.Rename(ours, "Acme Corp")
	b.ok(err)
	_, err = b.svc.ReservePatterns(ours, []coord.ReservedPattern{{Ecosystem: coord.PyPI, Pattern: "Acme_*"}, {Ecosystem: coord.NPM, Pattern: "@acme/*"}, {Ecosystem: coord.NPM, Pattern: " @acme/* "}})
	b.ok(err)
	_, err = b.svc.SetLicensePolicy(ours, json.RawMessage(`{"deny": ["GPL-3.0-only"]}`))
	b.ok(err)
	got, err := b.svc.Get(ours)
	b.ok(err)
	if got.Name != "Acme Corp" || len(got.ReservedPatterns) != 2 || got.ReservedPatterns[0] != (coord.ReservedPattern{Ecosystem: coord.NPM, Pattern: "@acme/*"}) ||
		got.ReservedPatterns[1].Pattern != "acme-*" || !strings.Contains(string(got.LicensePolicy), "GPL-3.0-only") {
		t.Errorf("acme: %+v", got)
	}
	other, err := b.svc.Get(theirs)
	b.ok(err)
	if other.Name != "globex" || len(other.ReservedPatterns) != 0 || string(other.LicensePolicy) != "{}" {
		t.Errorf("globex: %+v", other)
	}
	if n := b.events(theirs, "organization:update"); n != 0 {
		t.Errorf("globex has %d events of acme", n)
	}
}

func TestF5_SettingsThatAreWrongChangeNothing(t *testing.T) {
	b := newBench(t)
	ours := b.create("acme")
	for name, c := range map[string][]coord.ReservedPattern{
		"everything":   {{Ecosystem: coord.NPM, Pattern: "*"}},
		"every char":   {{Ecosystem: coord.Maven, Pattern: "**"}},
		"empty":        {{Ecosystem: coord.NPM, Pattern: " "}},
		"no ecosystem": {{Ecosystem: "CARGO", Pattern: "acme-*"}},
		"no npm name":  {{Ecosystem: coord.NPM, Pattern: "@acme/"}},
		"second wrong": {{Ecosystem: coord.NPM, Pattern: "@acme/*"}, {Ecosystem: coord.PyPI, Pattern: "a c*"}},
		"too many":     make([]coord.ReservedPattern, org.MaxReservedPatterns+1),
	} {
		if _, err := b.svc.ReservePatterns(ours, c); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, policy := range []string{"", "[]", "null", `"x"`, "{", "{}{}", `{"x":"` + strings.Repeat("x", org.MaxLicensePolicy) + `"}`} {
		if _, err := b.svc.SetLicensePolicy(ours, json.RawMessage(policy)); !errs.Is(err, errs.Invalid) {
			t.Errorf("%.10s: %v", policy, err)
		}
	}
	_, err := b.svc.Rename(ours, "  ")
	b.is(err, errs.Invalid)
	for range 2 { // the same again changes nothing and writes nothing
		_, err = b.svc.Rename(ours, "acme")
		b.ok(err)
		_, err = b.svc.SetLicensePolicy(ours, json.RawMessage("{ }"))
		b.ok(err)
		_, err = b.svc.ReservePatterns(ours, nil)
		b.ok(err)
		_, err = b.svc.Resume(ours)
		b.ok(err)
	}
	if n := b.events(ours, "organization:update") + b.events(ours, "organization:resume"); n != 0 {
		t.Errorf("%d audit events of nothing", n)
	}
}

func TestT1_ResolverAnswersFromMemoryUntilAChange(t *testing.T) {
	b := newBench(t)
	ours := b.create("acme")
	ref, err := b.resolver.BySlug(context.Background(), "acme")
	b.ok(err)
	if id, _ := scope.Org(ours); ref.ID != id || ref.Name != "acme" || ref.Suspended {
		t.Fatalf("ref %+v", ref)
	}
	before := b.db.Pool.Stat().AcquireCount()
	for range 1000 {
		_, err := b.resolver.BySlug(context.Background(), "acme")
		b.ok(err)
		_, err = b.resolver.BySlug(context.Background(), "nope")
		b.is(err, errs.NotFound)
	}
	if used := b.db.Pool.Stat().AcquireCount() - before; used > 20 { // the feed's beats also use the pool
		t.Errorf("2000 look-ups used the database %d times", used)
	}
	_, err = b.svc.Rename(ours, "Acme Corp")
	b.ok(err)
	_, err = b.svc.Suspend(ours)
	b.ok(err)
	if ref, err = b.resolver.BySlug(context.Background(), "acme"); err != nil || !ref.Suspended || ref.Name != "Acme Corp" {
		t.Errorf("after a change: %+v, %v", ref, err)
	}
	b.create("nope") // an organization that was missing is found at once
	if _, err := b.resolver.BySlug(context.Background(), "nope"); err != nil {
		t.Errorf("a new organization: %v", err)
	}
}

func TestQ2_ResolverHearsOtherNodesAndDistrustsSilence(t *testing.T) {
	b := newBench(t)
	ours := b.create("acme")
	d, err := db.Open(t.Context(), b.url, 2)
	b.ok(err)
	t.Cleanup(d.Close)
	other := org.New(d, audit.New(at), at)
	suspended := func() bool {
		ref, err := b.resolver.BySlug(context.Background(), "acme")
		b.ok(err)
		return ref.Suspended
	}
	if suspended() {
		t.Fatal("suspended already")
	}
	_, err = other.Suspend(ours)
	b.ok(err)
	for end := time.Now().Add(2 * time.Second); !suspended(); {
		if time.Now().After(end) {
			t.Fatal("the suspension was not heard within 2 s")
		}
	}
	b.stopFeed()
	for end := time.Now().Add(2 * time.Second); b.db.Feed.Trusted(); {
		if time.Now().After(end) {
			t.Fatal("a silent feed is still trusted")
		}
	}
	_, err = other.Resume(ours)
	b.ok(err)
	if suspended() {
		t.Error("answered from memory while the feed is silent")
	}
}

func TestF1_ResolverSaysUnavailableWhenTheDatabaseIsGone(t *testing.T) {
	b := newBench(t)
	b.db.Close()
	_, err := b.resolver.BySlug(context.Background(), "acme")
	b.is(err, errs.Unavailable)
	_, _, err = b.resolver.ByHost(context.Background(), "npm.acme.example")
	b.is(err, errs.Unavailable)
}

// records is DNS as the test has it.
type records map[string][]string

func (r records) txt(_ context.Context, name string) ([]string, error) {
	if got, ok := r[name]; ok {
		return got, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func TestT6_HostsNeedProofInDNS(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	dns := records{}
	hosts := org.NewHosts(b.db, audit.New(at), at, []string{"sluice.example", "localhost"}, dns.txt)
	for _, host := range []string{"", "acme", "https://npm.acme.example", "npm.acme.example:443", "npm.acme.example/x", "10.0.0.1", "[::1]", "npm..acme.example",
		"-x.acme.example", "sluice.example", "acme.sluice.example", "a.b.sluice.example", "SLUICE.example.", "x.localhost", strings.Repeat("a.", 130) + "example"} {
		if _, err := hosts.Bind(ours, host, uuid.Nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", host, err)
		}
	}
	_, err := hosts.Bind(ours, "npm.acme.example", uuid.Nil)
	b.is(err, errs.Invalid)
	if !strings.Contains(errs.Public(err), "_sluice.npm.acme.example") {
		t.Errorf("the refusal does not say where the proof goes: %q", errs.Public(err))
	}
	name, record, err := hosts.Proof(ours, "NPM.acme.example.")
	b.ok(err)
	dns[name] = []string{"v=spf1", record}
	_, err = hosts.Bind(theirs, "npm.acme.example", uuid.Nil) // somebody else's proof proves nothing
	b.is(err, errs.Invalid)
	bound, err := hosts.Bind(ours, "NPM.acme.example.", uuid.Nil)
	b.ok(err)
	if bound.Host != "npm.acme.example" || bound.Registry != uuid.Nil {
		t.Errorf("bound %+v", bound)
	}
	_, err = hosts.Bind(ours, "npm.acme.example", uuid.Nil) // again: nothing happens
	b.ok(err)
	if n := b.events(ours, "host:bind"); n != 1 {
		t.Errorf("%d audit events", n)
	}
	ref, reg, err := b.resolver.ByHost(context.Background(), "Npm.Acme.Example")
	b.ok(err)
	if ref.Slug != "acme" || reg != uuid.Nil {
		t.Errorf("found %+v, %v", ref, reg)
	}
}

func TestT3_HostsOfOthersAreTakenAndNoMore(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	yes := func(ctx context.Context, _ string) ([]string, error) {
		id, err := scope.Org(ctx)
		return []string{"sluice-organization=" + id.String()}, err
	}
	hosts := org.NewHosts(b.db, audit.New(at), at, nil, yes)
	reg := registryOf(b, ours)
	_, err := hosts.Bind(ours, "npm.acme.example", reg)
	b.ok(err)
	_, err = hosts.Bind(theirs, "npm.acme.example", uuid.Nil)
	b.is(err, errs.Conflict)
	_, err = hosts.Bind(ours, "npm.acme.example", uuid.Nil)
	b.is(err, errs.Conflict)
	_, err = hosts.Bind(theirs, "npm.globex.example", reg)
	b.is(err, errs.NotFound)
	b.is(hosts.Unbind(theirs, "npm.acme.example"), errs.NotFound)
	if list, err := hosts.List(theirs); err != nil || len(list) != 0 {
		t.Errorf("globex sees %v (%v)", list, err)
	}
	if list, err := hosts.List(ours); err != nil || len(list) != 1 || list[0].Registry != reg {
		t.Errorf("acme sees %v (%v)", list, err)
	}
	if _, at, err := b.resolver.ByHost(context.Background(), "npm.acme.example"); err != nil || at != reg {
		t.Errorf("registry %v, %v", at, err)
	}
	b.ok(hosts.Unbind(ours, "npm.acme.example"))
	_, _, err = b.resolver.ByHost(context.Background(), "npm.acme.example")
	b.is(err, errs.NotFound)
	_, err = hosts.Bind(theirs, "npm.acme.example", uuid.Nil)
	b.ok(err)
}

func TestF1_DNSThatDoesNotAnswerProvesNothing(t *testing.T) {
	b := newBench(t)
	ours := b.create("acme")
	hosts := org.NewHosts(b.db, audit.New(at), at, nil, func(context.Context, string) ([]string, error) {
		return nil, &net.DNSError{Err: "timeout", IsTimeout: true}
	})
	_, err := hosts.Bind(ours, "npm.acme.example", uuid.Nil)
	b.is(err, errs.Unavailable)
}

func registryOf(b *bench, ctx context.Context) uuid.UUID {
	b.Helper()
	id := uuid.Must(uuid.NewV7())
	b.ok(b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.Create().SetID(id).SetEcosystem("NPM").SetKind("PACKAGE").SetName("team-a").SetCreatedAt(noon).Exec(ctx)
	}))
	return id
}
