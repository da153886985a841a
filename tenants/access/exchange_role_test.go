package access_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// job is an identity of a build that was issued a minute ago.
func (b *bench) job(change ...any) access.Identity {
	id := identity()
	now := b.clock.now()
	maps.Copy(id.Claims, map[string]any{"iat": float64(now.Add(-time.Minute).Unix()), "exp": float64(now.Add(4 * time.Minute).Unix()), "jti": uuid.NewString()})
	for i := 0; i < len(change); i += 2 {
		id.Claims[change[i].(string)] = change[i+1]
	}
	return id
}

// workload exchanges an identity and authenticates as what came of it.
func (b *bench) workload(ctx context.Context, in access.WorkloadInput) (access.Token, access.Subject) {
	b.Helper()
	secret, made, err := b.svc.ExchangeWorkload(ctx, in)
	b.ok(err)
	who, err := b.svc.Authenticate(ctx, secret, "192.0.2.7")
	b.ok(err)
	return made, who
}

// TestA2_WorkloadOfRegistries: a rule reaches its registries with the one role,
// and nothing else.
func TestA2_WorkloadOfRegistries(t *testing.T) {
	b := newBench(t)
	one, two, other := b.registry(b.ours, "one"), b.registry(b.ours, "two"), b.registry(b.ours, "other")
	b.registry(b.theirs, "one")
	b.trust(b.ours, access.TrustRuleInput{Name: "read", Registries: []uuid.UUID{one, two}})
	made, who := b.workload(b.ours, access.WorkloadInput{Identity: b.job()})
	if made.Write || len(made.Registries) != 2 || !made.ExpiresAt.Equal(b.clock.now().Add(15*time.Minute)) {
		t.Errorf("made = %+v", made)
	}
	if !b.reads(b.ours, who, one) || !b.reads(b.ours, who, two) || b.reads(b.ours, who, other) || b.can(b.ours, who, access.VersionPublish, one) || b.can(b.ours, who, access.MemberRead, uuid.Nil) {
		t.Error("the token of a rule that reads does not read its two registries alone")
	}
	// The narrower rule is taken, whichever was first.
	b.trust(b.ours, access.TrustRuleInput{Name: "publish", Registries: []uuid.UUID{one}, Write: true, Packages: []string{"@acme/*"},
		Claims: map[string]string{"repository": "acme/widgets", "ref": "refs/heads/main"}})
	made, who = b.workload(b.ours, access.WorkloadInput{Identity: b.job()})
	b.ok(b.svc.Write(b.as(b.ours, who), access.VersionPublish, one, pkg("@acme/a")))
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionPublish, one, pkg("lodash")), errs.Forbidden)
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionPublish, two, pkg("@acme/a")), errs.NotFound)
	if made.TrustRule == uuid.Nil || !made.Write {
		t.Errorf("made = %+v", made)
	}
	if _, who = b.workload(b.ours, access.WorkloadInput{Identity: b.job("ref", "refs/heads/dev")}); b.can(b.ours, who, access.VersionPublish, one) || !b.reads(b.ours, who, two) {
		t.Error("another branch did not get the rule that reads")
	}
	if made, _ = b.workload(b.ours, access.WorkloadInput{Identity: b.job(), ReadOnly: true}); made.Write || len(made.Packages) != 0 {
		t.Errorf("asked to read only, made = %+v", made)
	}
	var after string
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		e, err := tx.Ent.AuditEvent.Query().Where(auditevent.Action("token:exchange")).First(ctx)
		if err == nil {
			var text []byte
			text, err = json.Marshal(e)
			after = string(text)
		}
		return err
	}))
	if n := b.events(b.ours, "token:exchange"); n != 4 || !strings.Contains(after, "acme/widgets") || strings.Contains(after, "sluice_") {
		t.Errorf("%d exchanges in the audit, such as %s", n, after)
	}
}

// TestA2_WorkloadOfAccount: a rule of a service account hands on its rights as
// they are at any time, within the rule's limits.
func TestA2_WorkloadOfAccount(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	bot, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: "bot", Roles: []access.Place{{Role: access.Publisher, Registry: one}, {Role: access.Security, Registry: two}}})
	b.ok(err)
	rule := b.trust(b.ours, access.TrustRuleInput{ServiceID: bot.ID, Write: true})
	if rule.ServiceName != "bot" {
		t.Errorf("rule = %+v", rule)
	}
	_, who := b.workload(b.ours, access.WorkloadInput{Identity: b.job()})
	if who.ServiceID != bot.ID || !strings.HasPrefix(who.Name, "bot/ci") || !b.can(b.ours, who, access.VersionPublish, one) || !b.can(b.ours, who, access.VersionQuarantine, two) {
		t.Errorf("who = %+v may not what the account may", who)
	}
	_, _, err = b.svc.DeriveToken(b.as(b.ours, who), access.TokenInput{Name: "longer", Write: true})
	b.is(err, errs.Forbidden)
	b.ok(b.svc.Revoke(b.ours, access.ServicePrincipal(bot.ID), access.Security, two))
	if b.can(b.ours, who, access.VersionQuarantine, two) {
		t.Error("the token kept what the account lost")
	}
	narrow := access.TrustRuleInput{Name: "ci", Issuer: issuer, Claims: map[string]string{"repository": "acme/widgets"}, ServiceID: bot.ID, Registries: []uuid.UUID{two}, Write: true, Reuse: time.Hour}
	_, err = b.svc.UpdateTrustRule(b.ours, rule.ID, narrow)
	b.ok(err)
	if b.reads(b.ours, who, one) {
		t.Error("a token outlives the change of its rule")
	}
	if _, who = b.workload(b.ours, access.WorkloadInput{Identity: b.job()}); b.reads(b.ours, who, one) {
		t.Error("the token reaches further than the rule's registries")
	}
	events := b.events(b.ours, "trust:update")
	_, err = b.svc.UpdateTrustRule(b.ours, rule.ID, narrow)
	b.ok(err)
	if n := b.events(b.ours, "trust:update"); n != events {
		t.Error("changing nothing was audited")
	}
	if _, err := b.svc.Authenticate(b.ours, "", ""); err == nil {
		t.Error("an empty secret is somebody's")
	}
	b.ok(b.svc.DeactivateServiceAccount(b.ours, bot.ID))
	_, _, err = b.svc.ExchangeWorkload(b.ours, access.WorkloadInput{Identity: b.job()})
	b.is(err, errs.Unauthenticated)
	if b.reads(b.ours, who, two) {
		t.Error("the token outlives the account")
	}
}

// TestT3_WorkloadRefusals: whatever is missing, the answer is one, and nothing
// was made.
func TestT3_WorkloadRefusals(t *testing.T) {
	b := newBench(t)
	reg, gone := b.registry(b.ours, "team"), b.registry(b.ours, "gone")
	b.trust(b.ours, access.TrustRuleInput{Registries: []uuid.UUID{reg}, Claims: map[string]string{"repository": "acme/widgets", "protected": "true"}})
	b.trust(b.ours, access.TrustRuleInput{Name: "of what is gone", Registries: []uuid.UUID{gone}, Claims: map[string]string{"repository": "acme/gone"}})
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.Ent.Registry.UpdateOneID(gone).SetDeletedAt(b.clock.now()).Exec(ctx)
	}))
	now := b.clock.now()
	another := b.job()
	another.Issuer = "https://evil.example"
	for name, id := range map[string]access.Identity{
		"another issuer":       another,
		"another repository":   b.job("repository", "acme-evil/widgets"),
		"a claim is missing":   b.job("protected", nil),
		"a claim is a list":    b.job("repository", []any{[]any{"acme/widgets"}}),
		"a registry is gone":   b.job("repository", "acme/gone"),
		"too old":              b.job("iat", float64(now.Add(-25*time.Hour).Unix())),
		"from the future":      b.job("iat", float64(now.Add(time.Hour).Unix())),
		"not issued at all":    b.job("iat", nil),
		"issued at no number":  b.job("iat", "yesterday"),
		"issued long past any": b.job("iat", float64(1<<60)),
	} {
		_, _, err := b.svc.ExchangeWorkload(b.ours, access.WorkloadInput{Identity: id})
		if !errs.Is(err, errs.Unauthenticated) || errs.Public(err) != errs.Public(access.UnknownWorkload()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := b.svc.ExchangeWorkload(b.theirs, access.WorkloadInput{Identity: b.job()})
	b.is(err, errs.Unauthenticated)
	if n := b.events(b.ours, "token:exchange") + b.events(b.theirs, "token:exchange"); n != 0 {
		t.Errorf("%d exchanges in the audit", n)
	}
	b.workload(b.ours, access.WorkloadInput{Identity: b.job()})
}

// TestA2_IdentityTokensAreUsedUp: as the rule says, by each rule for itself; what
// has expired is forgotten.
func TestA2_IdentityTokensAreUsedUp(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	rule, err := b.svc.CreateTrustRule(b.ours, access.TrustRuleInput{Name: "once", Issuer: issuer, Claims: map[string]string{"repository": "acme/widgets"}, Registries: []uuid.UUID{reg}, Write: true})
	b.ok(err)
	once := b.job()
	b.workload(b.ours, access.WorkloadInput{Identity: once})
	refused := func(id access.Identity) {
		t.Helper()
		_, _, err := b.svc.ExchangeWorkload(b.ours, access.WorkloadInput{Identity: id})
		if errs.Public(err) != errs.Public(access.UnknownWorkload()) {
			t.Errorf("used twice: %v", err)
		}
	}
	refused(once)
	_, _, err = b.svc.Exchange(b.ours, access.ExchangeInput{Identity: once, Package: pkg("w")})
	b.is(err, errs.Unauthenticated)
	b.workload(b.ours, access.WorkloadInput{Identity: b.job()})
	// One without an id is known by all that it says.
	nameless := b.job("jti", nil)
	b.workload(b.ours, access.WorkloadInput{Identity: nameless})
	refused(nameless)
	in := access.TrustRuleInput{Name: "once", Issuer: issuer, Claims: rule.Claims, Registries: rule.Registries, Write: true, Reuse: 10 * time.Minute}
	_, err = b.svc.UpdateTrustRule(b.ours, rule.ID, in)
	b.ok(err)
	again := b.job("exp", float64(b.clock.now().Add(time.Hour).Unix()))
	b.workload(b.ours, access.WorkloadInput{Identity: again})
	b.clock.add(9 * time.Minute)
	b.workload(b.ours, access.WorkloadInput{Identity: again})
	b.clock.add(time.Minute)
	refused(again)
	used := func() (n int) {
		b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = tx.Ent.UsedIdentity.Query().Count(ctx)
			return err
		}))
		return n
	}
	if n := used(); n != 4 {
		t.Errorf("%d identity tokens are remembered, want 4", n)
	}
	_, err = b.svc.Sweep(b.ours)
	b.ok(err)
	if n := used(); n != 1 {
		t.Errorf("after the sweep %d, want the one that has not expired", n)
	}
	b.clock.add(time.Hour)
	_, err = b.svc.Sweep(b.ours)
	b.ok(err)
	if n := used(); n != 0 {
		t.Errorf("after an hour %d are left", n)
	}
}

// TestA4_WhoMayTrust: rules are seen by those who administer what they let
// somebody into, and changed by those who may hand all of it on.
func TestA4_WhoMayTrust(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	bot, err := b.svc.CreateServiceAccount(b.ours, access.ServiceAccountInput{Name: "bot", Roles: []access.Place{{Role: access.Owner}}})
	b.ok(err)
	both := b.trust(b.ours, access.TrustRuleInput{Name: "both", Registries: []uuid.UUID{one, two}, Write: true})
	account := b.trust(b.ours, access.TrustRuleInput{Name: "account", ServiceID: bot.ID})
	first := b.member(b.ours, "first", access.Place{Role: access.RegistryAdmin, Registry: one})
	admin := b.member(b.ours, "admin", access.Place{Role: access.Admin})
	none := b.member(b.ours, "none", access.Place{Role: access.Ordinary})
	names := func(ctx context.Context, q access.TrustQuery) (out string) {
		t.Helper()
		rules, err := b.svc.BrowseTrustRules(ctx, q, access.Page{})
		b.ok(err)
		for _, r := range rules {
			out += r.Name + " "
		}
		return out
	}
	for want, c := range map[string]struct {
		who access.Subject
		q   access.TrustQuery
	}{
		"both ": {first, access.TrustQuery{}}, "both account ": {admin, access.TrustQuery{}}, "account both ": {admin, access.TrustQuery{Desc: true}},
		"account ": {admin, access.TrustQuery{Service: bot.ID}}, "": {none, access.TrustQuery{}},
	} {
		if got := names(b.as(b.ours, c.who), c.q); got != want {
			t.Errorf("%s sees %q, want %q", c.who.Name, got, want)
		}
	}
	if got := names(b.ours, access.TrustQuery{Search: "NEITHER", Registry: one}) + names(b.ours, access.TrustQuery{Search: "OTH", Registry: one, Issuer: issuer, Provider: access.OtherIssuer}) +
		names(b.ours, access.TrustQuery{Issuer: "https://else.example"}) + names(b.theirs, access.TrustQuery{}); got != "both " {
		t.Errorf("filters find %q", got)
	}
	in := access.TrustRuleInput{Name: "new", Issuer: issuer, Claims: map[string]string{"sub": "x"}, Registries: []uuid.UUID{one, two}}
	_, err = b.svc.CreateTrustRule(b.as(b.ours, first), in)
	b.is(err, errs.NotFound) // two
	b.is(b.svc.DeleteTrustRule(b.as(b.ours, first), both.ID), errs.Forbidden)
	b.is(b.svc.DeleteTrustRule(b.as(b.ours, first), account.ID), errs.NotFound)
	b.is(b.svc.DeleteTrustRule(b.theirs, account.ID), errs.NotFound)
	_, err = b.svc.UpdateTrustRule(b.theirs, both.ID, in)
	b.is(err, errs.NotFound)
	// An admin may not lead past a firewall, which the account, an owner, may.
	in.Registries, in.ServiceID, in.Write = nil, bot.ID, true
	_, err = b.svc.CreateTrustRule(b.as(b.ours, admin), in)
	b.is(err, errs.Forbidden)
	in.Write = false
	_, err = b.svc.CreateTrustRule(b.as(b.ours, admin), in)
	b.ok(err)
	in.Name, in.ServiceID = "theirs", uuid.New()
	_, err = b.svc.CreateTrustRule(b.ours, in)
	b.is(err, errs.NotFound)
	in.ServiceID = bot.ID
	_, err = b.svc.CreateTrustRule(b.theirs, in)
	b.is(err, errs.NotFound)
}
