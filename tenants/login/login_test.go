package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/registry"
)

// bench is a database with two organizations and the service.
type bench struct {
	*testing.T
	db           *db.DB
	now          time.Time
	access       *access.Service
	svc          *login.Service
	ours, theirs context.Context // as the system
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	d, err := db.Open(t.Context(), dbtest.URL(t), 6)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, db: d, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	at := func() time.Time { return b.now }
	seal, err := registry.NewSealer(bytes.Repeat([]byte{1}, 32))
	b.ok(err)
	log := audit.New(at)
	b.access = access.New(d, log, at)
	b.svc = login.New(login.Config{DB: d, Audit: log, Access: b.access, Seal: seal, Now: at})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.Feed.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait(); d.Close() })
	dbtest.WaitTrusted(t, d)
	ours, theirs := dbtest.TwoOrgs(t, d)
	b.ours, b.theirs = access.As(ours, access.System("test"), ""), access.As(theirs, access.System("test"), "")
	return b
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
		b.Errorf("got %v, want an error of kind %v", err, k)
	}
}

// as is a context of a new member with one role.
func (b *bench) as(role string) context.Context {
	b.Helper()
	m, err := b.access.CreateMember(b.ours, access.MemberInput{Email: role + "@acme.example", Roles: []access.Place{{Role: role}}})
	b.ok(err)
	who, err := b.access.MemberSubject(b.ours, m.ID)
	b.ok(err)
	return access.As(b.ours, who, "192.0.2.7")
}

func good() login.ProviderInput {
	key := login.Secret("hunter2")
	return login.ProviderInput{Name: "staff", Issuer: "https://id.acme.example", ClientID: "sluice", ClientSecret: &key, Enabled: true}
}

// TestF5_ProvidersThatCannotBe: each mistake names its field, and changes
// nothing.
func TestF5_ProvidersThatCannotBe(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		field  string
		change func(*login.ProviderInput)
	}{
		"no name":             {"name", func(in *login.ProviderInput) { in.Name = "" }},
		"a path as name":      {"name", func(in *login.ProviderInput) { in.Name = "a/b" }},
		"the platform's name": {"name", func(in *login.ProviderInput) { in.Name = login.PlatformName }},
		"http":                {"issuer", func(in *login.ProviderInput) { in.Issuer = "http://id.acme.example" }},
		"http on loopback":    {"issuer", func(in *login.ProviderInput) { in.Issuer = "http://127.0.0.1:1" }},
		"a query":             {"issuer", func(in *login.ProviderInput) { in.Issuer += "?x=1" }},
		"a fragment":          {"issuer", func(in *login.ProviderInput) { in.Issuer += "#x" }},
		"a user":              {"issuer", func(in *login.ProviderInput) { in.Issuer = "https://a:b@id.acme.example" }},
		"no issuer":           {"issuer", func(in *login.ProviderInput) { in.Issuer = "id.acme.example" }},
		"a script":            {"issuer", func(in *login.ProviderInput) { in.Issuer = "javascript:alert(1)" }},
		"no client id":        {"clientId", func(in *login.ProviderInput) { in.ClientID = "" }},
		"a scope with spaces": {"scopes", func(in *login.ProviderInput) { in.Scopes = []string{"a b"} }},
		"an address":          {"domains", func(in *login.ProviderInput) { in.Domains = []string{"ana@acme.example"} }},
		"a wildcard":          {"domains", func(in *login.ProviderInput) { in.Domains = []string{"*.acme.example"} }},
		"a top level":         {"domains", func(in *login.ProviderInput) { in.Domains = []string{"example"} }},
		"everybody an owner":  {"joinRole", func(in *login.ProviderInput) { in.Joins, in.JoinRole = true, access.Owner }},
		"no such role":        {"joinRole", func(in *login.ProviderInput) { in.Joins, in.JoinRole = true, "none" }},
		"a title with lines":  {"title", func(in *login.ProviderInput) { in.Title = "a\nb" }},
		"a claim with lines":  {"claims", func(in *login.ProviderInput) { in.Claims.Groups = "a\nb" }},
	} {
		in := good()
		c.change(&in)
		_, err := b.svc.CreateProvider(b.ours, in)
		var e *errs.Error
		errors.As(err, &e)
		if e == nil || e.Kind != errs.Invalid || e.Field != c.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := b.svc.Providers(b.ours); err != nil || len(list) != 0 {
		t.Errorf("%d providers, %v", len(list), err)
	}
}

// TestA4_WhoChoosesTheProvider: only those who may do everything already, since
// the provider says who is an owner.
func TestA4_WhoChoosesTheProvider(t *testing.T) {
	b := newBench(t)
	made, err := b.svc.CreateProvider(b.as(access.Owner), good())
	b.ok(err)
	for _, role := range []string{access.Admin, access.Auditor, access.Ordinary} {
		ctx := b.as(role)
		in := good()
		in.Name, in.Issuer = "other", "https://other.example"
		_, err := b.svc.CreateProvider(ctx, in)
		b.is(err, errs.Forbidden)
		_, err = b.svc.UpdateProvider(ctx, made.ID, good())
		b.is(err, errs.Forbidden)
		b.is(b.svc.DeleteProvider(ctx, made.ID), errs.Forbidden)
		_, err = b.svc.AddMapping(ctx, login.Mapping{Provider: made.ID, Group: "x", Place: access.Place{Role: access.Reader}})
		b.is(err, errs.Forbidden)
		_, err = b.svc.ProviderToTest(ctx, made.ID)
		b.is(err, errs.Forbidden)
		_, _, err = b.svc.BreakGlass(ctx, "owner@acme.example", "")
		b.is(err, errs.Forbidden)
	}
	nobody := access.As(b.ours, access.Anonymous(), "")
	_, err = b.svc.CreateProvider(nobody, good())
	b.is(err, errs.Unauthenticated)
	_, err = b.svc.CreateProvider(b.ours, good())
	b.is(err, errs.Conflict)
}

// TestT3_ProvidersOfTheOthers do not exist here.
func TestT3_ProvidersOfTheOthers(t *testing.T) {
	b := newBench(t)
	made, err := b.svc.CreateProvider(b.ours, good())
	b.ok(err)
	_, err = b.svc.UpdateProvider(b.theirs, made.ID, good())
	b.is(err, errs.NotFound)
	b.is(b.svc.DeleteProvider(b.theirs, made.ID), errs.NotFound)
	_, err = b.svc.ProviderToAsk(b.theirs, "staff")
	b.is(err, errs.NotFound)
	_, err = b.svc.AddMapping(b.theirs, login.Mapping{Provider: made.ID, Group: "x", Place: access.Place{Role: access.Reader}})
	b.is(err, errs.NotFound)
	if list, err := b.svc.Providers(b.theirs); err != nil || len(list) != 0 {
		t.Errorf("the others see %d providers, %v", len(list), err)
	}
	b.is(b.svc.End(b.theirs, uuid.New()), errs.NotFound)
	_, err = b.svc.Subject(context.Background(), strings.Repeat("A", 43))
	if err == nil {
		t.Error("a session without any organization")
	}
}

// TestClientSecretsStayInside: sealed in the database, absent from lists, hidden
// in the audit log, and not shown to another issuer.
func TestClientSecretsStayInside(t *testing.T) {
	b := newBench(t)
	made, err := b.svc.CreateProvider(b.ours, good())
	b.ok(err)
	asked, err := b.svc.ProviderToAsk(b.ours, "staff")
	b.ok(err)
	if asked.ClientSecret != "hunter2" || !made.HasSecret || made.ClientSecret != "" {
		t.Errorf("to ask: %v, made: %v", asked.ClientSecret == "hunter2", made.HasSecret)
	}
	if s, err := json.Marshal(asked); err != nil || strings.Contains(string(s), "hunter2") {
		t.Errorf("%s, %v", s, err)
	}
	var leaks int
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM audit_events WHERE coalesce(after::text, '') || coalesce(before::text, '') LIKE '%hunter2%')
			+ (SELECT count(*) FROM identity_providers WHERE position('hunter2'::bytea IN client_secret) > 0)`).Scan(&leaks)
	}))
	if leaks != 0 {
		t.Errorf("the secret can be read in %d places", leaks)
	}
	in := good()
	in.ClientSecret, in.Issuer = nil, "https://evil.example"
	_, err = b.svc.UpdateProvider(b.ours, made.ID, in)
	b.is(err, errs.Invalid)
	in.Issuer = "https://id.acme.example"
	_, err = b.svc.UpdateProvider(b.ours, made.ID, in)
	b.ok(err)
	if asked, err = b.svc.ProviderToAsk(b.ours, "staff"); err != nil || asked.ClientSecret != "hunter2" {
		t.Errorf("after an update that says nothing of it: %v", err)
	}
}
