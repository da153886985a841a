package access_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	enttoken "sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

const issuer = "https://ci.example"

// identity is a build of acme/widgets.
func identity(change ...string) access.Identity {
	id := access.Identity{Issuer: issuer, Subject: "repo:acme/widgets", Claims: map[string]any{"repository": "acme/widgets", "ref": "refs/heads/main",
		"protected": true, "run": float64(42), "contexts": []any{"a", "b"}, "deep": map[string]any{"x": "y"}}}
	for i := 0; i < len(change); i += 2 {
		id.Claims[change[i]] = change[i+1]
	}
	return id
}

func (b *bench) trust(ctx context.Context, in access.TrustRuleInput) access.TrustRule {
	b.Helper()
	if in.Name == "" {
		in.Name = "ci"
	}
	if in.Reuse == 0 {
		in.Reuse = access.DefaultTrustReuse
	}
	if in.Issuer == "" {
		in.Issuer = issuer
	}
	if in.Claims == nil {
		in.Claims = map[string]string{"repository": "acme/widgets"}
	}
	r, err := b.svc.CreateTrustRule(ctx, in)
	b.ok(err)
	return r
}

// TestA2_Exchange: an identity that matches gets a token for one package and
// fifteen minutes; whatever else is missing, the answer is the same (T3).
func TestA2_Exchange(t *testing.T) {
	b := newBench(t)
	reg, other := b.registry(b.ours, "team"), b.registry(b.ours, "other")
	foreign := b.registry(b.theirs, "team")
	claims := map[string]string{"repository": "acme/widgets", "ref": "refs/heads/*", "protected": "true", "run": "42", "contexts": "b"}
	rule := b.trust(b.ours, access.TrustRuleInput{Write: true, Registries: []uuid.UUID{reg}, Claims: claims, Packages: []string{"@acme/*"}})

	for name, in := range map[string]access.ExchangeInput{
		"another issuer":       {Identity: access.Identity{Issuer: "https://evil.example", Claims: identity().Claims}, Package: pkg("@acme/a")},
		"another repository":   {Identity: identity("repository", "acme/widgets2"), Package: pkg("@acme/a")},
		"a tag":                {Identity: identity("ref", "refs/tags/v1"), Package: pkg("@acme/a")},
		"a claim less":         {Identity: access.Identity{Issuer: issuer, Claims: map[string]any{"repository": "acme/widgets"}}, Package: pkg("@acme/a")},
		"not protected":        {Identity: identity("protected", "false"), Package: pkg("@acme/a")},
		"no context":           {Identity: identity("contexts", "c"), Package: pkg("@acme/a")},
		"another package":      {Identity: identity(), Package: pkg("lodash")},
		"a package like a set": {Identity: identity(), Package: pkg("@acme/*")},
		"another registry":     {Identity: identity(), Package: pkg("@acme/a"), Registry: other},
		"a foreign registry":   {Identity: identity(), Package: pkg("@acme/a"), Registry: foreign},
		"an invented registry": {Identity: identity(), Package: pkg("@acme/a"), Registry: uuid.New()},
	} {
		_, _, err := b.svc.Exchange(b.ours, in)
		if !errs.Is(err, errs.Unauthenticated) || errs.Public(err) != errs.Public(access.NotTrusted()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := b.svc.Exchange(b.theirs, access.ExchangeInput{Identity: identity(), Package: pkg("@acme/a")})
	b.is(err, errs.Unauthenticated)

	secret, made, err := b.svc.Exchange(b.ours, access.ExchangeInput{Identity: identity(), Package: pkg("@acme/a")})
	b.ok(err)
	if made.TrustRule != rule.ID || !made.ExpiresAt.Equal(b.clock.now().Add(15*time.Minute)) || !strings.Contains(made.Name, "repo:acme/widgets") {
		t.Errorf("made = %+v", made)
	}
	who, err := b.svc.Authenticate(b.ours, secret, "")
	b.ok(err)
	b.ok(b.svc.Write(b.as(b.ours, who), access.VersionPublish, reg, pkg("@acme/a")))
	b.ok(b.svc.Write(b.as(b.ours, who), access.TagUpdate, reg, pkg("@acme/a")))
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionPublish, reg, pkg("@acme/b")), errs.Forbidden)
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionDelete, reg, pkg("@acme/a")), errs.Forbidden)
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionPublish, other, pkg("@acme/a")), errs.NotFound)
	if !b.reads(b.ours, who, reg) || b.reads(b.ours, who, other) || b.can(b.ours, who, access.VersionPublish, reg) {
		t.Error("the token does not read its registry alone, or writes without a package")
	}
	_, _, err = b.svc.DeriveToken(b.as(b.ours, who), access.TokenInput{Name: "longer", Write: true})
	b.is(err, errs.Forbidden)
	if n := b.events(b.ours, "token:exchange"); n != 1 {
		t.Errorf("%d exchanges in the audit", n)
	}
	if rules, err := b.svc.TrustRules(b.ours, reg); err != nil || len(rules) != 1 || rules[0].LastUsedAt == nil || !maps.Equal(rules[0].Claims, claims) {
		t.Errorf("rules = %+v, %v", rules, err)
	}
	b.clock.add(15 * time.Minute)
	_, err = b.svc.Authenticate(b.ours, secret, "")
	b.is(err, errs.Unauthenticated)
}

// TestA2_TrustEndsWithItsRule: on this node at once, and on others.
func TestA2_TrustEndsWithItsRule(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	node := otherNode(b)
	rule := b.trust(b.ours, access.TrustRuleInput{Write: true, Registries: []uuid.UUID{reg}})
	secret, _, err := b.svc.Exchange(b.ours, access.ExchangeInput{Identity: identity(), Package: pkg("w")})
	b.ok(err)
	who, err := b.svc.Authenticate(b.ours, secret, "")
	b.ok(err)
	b.is(b.svc.DeleteTrustRule(b.theirs, rule.ID), errs.NotFound)
	b.ok(node.DeleteTrustRule(b.ours, rule.ID))
	eventually(t, "the token ended", func() bool {
		_, err := b.svc.Authenticate(b.ours, secret, "")
		return errs.Is(err, errs.Unauthenticated) && !b.reads(b.ours, who, reg)
	})
	b.is(b.svc.DeleteTrustRule(b.ours, rule.ID), errs.NotFound)
	if b.events(b.ours, "trust:create") != 1 || b.events(b.ours, "trust:delete") != 1 {
		t.Error("the audit does not say what happened to the rule")
	}
}

// TestA4_TrustRulesHandOnWhatTheirMakerMay.
func TestA4_TrustRulesHandOnWhatTheirMakerMay(t *testing.T) {
	b := newBench(t)
	reg, hidden := b.registry(b.ours, "team"), b.registry(b.ours, "hidden")
	b.ok(b.svc.CreateRole(b.ours, access.RoleInput{Name: "editor", Actions: []access.Action{access.RegistryRead, access.RegistryUpdate}}))
	editor := b.member(b.ours, "ed", access.Place{Role: "editor", Registry: reg})
	admin := b.member(b.ours, "ad", access.Place{Role: access.RegistryAdmin, Registry: reg})
	in := access.TrustRuleInput{Write: true, Registries: []uuid.UUID{reg}, Name: "ci", Issuer: issuer, Claims: map[string]string{"repository": "a/b"}}
	_, err := b.svc.CreateTrustRule(b.as(b.ours, editor), in)
	b.is(err, errs.Forbidden)
	_, err = b.svc.CreateTrustRule(b.as(b.theirs, admin), in)
	b.is(err, errs.Unauthenticated)
	made, err := b.svc.CreateTrustRule(b.as(b.ours, admin), in)
	b.ok(err)
	_, err = b.svc.CreateTrustRule(b.as(b.ours, admin), in)
	b.is(err, errs.Conflict)
	in.Registries, in.Name = []uuid.UUID{hidden}, "other"
	_, err = b.svc.CreateTrustRule(b.as(b.ours, admin), in)
	b.is(err, errs.NotFound)
	_, err = b.svc.TrustRules(b.as(b.ours, admin), hidden)
	b.is(err, errs.NotFound)
	there := b.trust(b.ours, in)
	b.is(b.svc.DeleteTrustRule(b.as(b.ours, admin), there.ID), errs.NotFound)
	b.ok(b.svc.DeleteTrustRule(b.as(b.ours, editor), made.ID)) // taking away needs no more than registry:update
}

// TestF5_TrustRules: what is wrong is named, and nothing is kept of it.
func TestF5_TrustRules(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	many := map[string]string{}
	for i := range access.MaxTrustClaims + 1 {
		many[strings.Repeat("c", i+1)] = "x"
	}
	for says, in := range map[string]access.TrustRuleInput{
		"must be an https URL":                   {Issuer: "http://ci.example"},
		"https URL without query":                {Issuer: "https://ci.example?x"},
		"want 1 to 20":                           {Claims: map[string]string{}},
		"names 21 claims":                        {Claims: many},
		"name at least one exactly":              {Claims: map[string]string{"repository": "acme/*"}},
		"the claim aud is checked":               {Claims: map[string]string{"aud": "x"}},
		"the claim repository must be compared":  {Claims: map[string]string{"repository": "**"}},
		"is no name of a claim":                  {Claims: map[string]string{"": "x"}},
		"is no pattern of package names":         {Packages: []string{"a b"}},
		"the name is empty":                      {Name: " "},
		"the registry does not exist":            {Registries: []uuid.UUID{uuid.New()}},
		"the claim ref must be compared with 1 ": {Claims: map[string]string{"ref": "a\nb"}},
	} {
		if in.Issuer == "" {
			in.Issuer = issuer
		}
		if in.Claims == nil {
			in.Claims = map[string]string{"sub": "x"}
		}
		if in.Name == "" {
			in.Name = "ci"
		}
		if in.Registries == nil {
			in.Registries = []uuid.UUID{reg}
		}
		in.Write = true
		_, err := b.svc.CreateTrustRule(b.ours, in)
		if err == nil || !strings.Contains(errs.Public(err), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if rules, err := b.svc.TrustRules(b.ours, reg); err != nil || len(rules) != 0 {
		t.Errorf("kept %v, %v", rules, err)
	}
}

// TestExchange_Ambiguous: an identity that two registries trust must say which.
func TestExchange_Ambiguous(t *testing.T) {
	b := newBench(t)
	one, two := b.registry(b.ours, "one"), b.registry(b.ours, "two")
	b.trust(b.ours, access.TrustRuleInput{Name: "first", Write: true, Registries: []uuid.UUID{one}})
	b.trust(b.ours, access.TrustRuleInput{Name: "second", Write: true, Registries: []uuid.UUID{two}})
	in := access.ExchangeInput{Identity: identity(), Package: pkg("w")}
	_, _, err := b.svc.Exchange(b.ours, in)
	b.is(err, errs.Conflict)
	in.Registry = two
	_, made, err := b.svc.Exchange(b.ours, in)
	b.ok(err)
	if made.Registries[0] != two {
		t.Errorf("the token is for %v, want %v", made.Registries, two)
	}
}

// TestF3_ExchangedTokensDoNotPileUp: the next exchange and the sweep remove what
// has run out, and nothing else.
func TestF3_ExchangedTokensDoNotPileUp(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	rule := b.trust(b.ours, access.TrustRuleInput{Write: true, Registries: []uuid.UUID{reg}})
	keep, _, err := b.svc.CreateToken(b.ours, access.TokenInput{Name: "expires", ExpiresAt: b.clock.now().Add(time.Minute)})
	b.ok(err)
	rows := func() (n int) {
		b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
			n, err = tx.Ent.Token.Query().Where(enttoken.TrustRuleID(rule.ID)).Count(ctx)
			return err
		}))
		return n
	}
	for range 3 {
		_, _, err := b.svc.Exchange(b.ours, access.ExchangeInput{Identity: identity(), Package: pkg("w")})
		b.ok(err)
	}
	b.clock.add(16 * time.Minute)
	_, _, err = b.svc.Exchange(b.ours, access.ExchangeInput{Identity: identity(), Package: pkg("w")})
	b.ok(err)
	if n := rows(); n != 1 {
		t.Errorf("%d tokens of the rule are kept, want the new one", n)
	}
	b.clock.add(16 * time.Minute)
	if n, err := b.svc.Sweep(b.theirs); err != nil || n != 0 {
		t.Errorf("the other organization's sweep removed %d, %v", n, err)
	}
	for i, want := range []int{1, 0} {
		if n, err := b.svc.Sweep(b.ours); err != nil || n != want {
			t.Errorf("sweep %d removed %d, %v, want %d", i+1, n, err, want)
		}
	}
	if n := rows(); n != 0 {
		t.Errorf("%d are left", n)
	}
	_, err = b.svc.Authenticate(b.ours, keep, "")
	b.is(err, errs.Unauthenticated)
	all, err := b.svc.Tokens(b.ours, access.Page{})
	b.ok(err)
	if len(all) != 1 || all[0].Name != "expires" {
		t.Errorf("the sweep left %+v, want the one ordinary token", all)
	}
}
