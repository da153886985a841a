package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// forge signs claims by any key, with any header.
func (is *issuer) forge(alg jose.SignatureAlgorithm, key any, header map[string]any, claims map[string]any) string {
	is.h.Helper()
	o := &jose.SignerOptions{}
	for name, v := range header {
		o = o.WithHeader(jose.HeaderKey(name), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		is.h.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		is.h.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		is.h.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		is.h.Fatal(err)
	}
	return raw
}

// part is a header or the claims as tokens carry them.
func part(v any) string {
	text, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text)
}

// claims are those that the issuer's token has for an audience.
func (is *issuer) claims(audience string, change map[string]any) (out map[string]any) {
	is.h.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(is.token(audience, change), ".")[1])
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		is.h.Fatal(err)
	}
	return out
}

// TestA2_T3_WorkloadAttacks: no forged, foreign, stale or ill-fitting identity
// token gets a token, and the refusal tells nothing of the rules: what is wrong
// with the token itself is said as it is where no rule exists, and everything
// else is one answer, byte for byte.
func TestA2_T3_WorkloadAttacks(t *testing.T) {
	t.Parallel()
	h, ci, team, _ := working(t)
	x := h.acme
	other, _ := newIssuer(t) // trusted by globex; no node believes its certificate
	other.h = h
	private, _ := newIssuer(t)
	private.h, private.url = h, "https://169.254.169.254"
	theirs := h.globex.team("team")
	h.globex.trusting(access.TrustRuleInput{Name: "theirs", Issuer: ci.url, Registries: []uuid.UUID{theirs}, Write: true, Claims: map[string]string{"repository": "globex/app"}})
	x.trusting(access.TrustRuleInput{Name: "a private issuer", Issuer: private.url, Registries: []uuid.UUID{team}, Claims: map[string]string{"repository": "acme/widgets"}})
	x.trusting(access.TrustRuleInput{Name: "another issuer", Issuer: other.url, Registries: []uuid.UUID{team}, Claims: map[string]string{"repository": "acme/widgets"}})
	x.trusting(access.TrustRuleInput{Name: "wildcard", Issuer: ci.url, Registries: []uuid.UUID{team}, Write: true,
		Claims: map[string]string{"repository_owner": "wide", "repository": "wide/*", "sub": "repo:wide/*:ref:refs/heads/main"}})
	wide := func(change map[string]any) map[string]any {
		out := map[string]any{"repository_owner": "wide", "repository": "wide/app", "sub": "repo:wide/app:ref:refs/heads/main"}
		for k, v := range change {
			out[k] = v
		}
		return out
	}
	if a := x.redeem(ci.token(x.home(), wide(nil))); a.status != http.StatusOK {
		t.Fatalf("the wildcard's own = %d %s", a.status, a.body)
	}
	home, now := x.home(), h.clock.Now()
	good := ci.token(home, nil)
	parts := strings.Split(good, ".")
	der, err := x509.MarshalPKIXPublicKey(ci.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := ci.claims(home, nil)
	signed := func(change map[string]any) string { return ci.token(home, change) }
	kid := func(id string) string { return ci.forge(jose.ES256, mine, map[string]any{"kid": id}, claims) }
	silent := map[string]string{ // one answer
		"another's key":              ci.forge(jose.ES256, mine, map[string]any{"kid": "k"}, claims),
		"the key of another issuer":  ci.forge(jose.ES256, other.key, map[string]any{"kid": "k"}, claims),
		"another issuer's name":      other.token(home, map[string]any{"iss": ci.url}),
		"our key, another's name":    ci.token(home, map[string]any{"iss": other.url}),
		"an issuer of nobody":        ci.token(home, map[string]any{"iss": "https://evil.example"}),
		"an issuer with a slash":     ci.token(home, map[string]any{"iss": ci.url + "/"}),
		"a private issuer":           private.token(home, nil),
		"a key in the header":        ci.forge(jose.ES256, mine, map[string]any{"kid": "k", "jwk": jose.JSONWebKey{Key: mine.Public()}}, claims),
		"an address of keys":         ci.forge(jose.ES256, mine, map[string]any{"kid": "k", "jku": "https://evil.example/keys"}, claims),
		"an address of certificates": ci.forge(jose.ES256, mine, map[string]any{"kid": "k", "x5u": "https://evil.example/x"}, claims),
		"a kid that is a path":       kid("../../../../dev/null"),
		"a kid that is SQL":          kid("k' OR '1'='1"),
		"a kid that is an address":   kid("http://169.254.169.254/latest"),
		"a long kid":                 kid(strings.Repeat("k", 2_000)),
		"an unknown extension":       part(map[string]any{"alg": "ES256", "kid": "k", "crit": []string{"x"}, "x": true}) + "." + parts[1] + "." + parts[2],
		"other claims":               parts[0] + "." + part(ci.claims(home, map[string]any{"repository": "acme/other"})) + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"a cut signature":            good[:len(good)-4],
		"not yet valid":              signed(map[string]any{"nbf": now.Add(time.Hour).Unix()}),
		"issued tomorrow":            signed(map[string]any{"iat": now.Add(24 * time.Hour).Unix(), "exp": now.Add(25 * time.Hour).Unix()}),
		"issued two days ago":        signed(map[string]any{"iat": now.Add(-48 * time.Hour).Unix()}),
		"issued never":               signed(map[string]any{"iat": nil}),
		"a claim missing":            signed(map[string]any{"repository": nil}),
		"a claim empty":              signed(map[string]any{"repository": ""}),
		"a claim in capitals":        signed(map[string]any{"repository": "ACME/widgets"}),
		"a claim with a line feed":   signed(map[string]any{"repository": "acme/widgets\n"}),
		"a claim with a NUL":         signed(map[string]any{"repository": "acme/widgets\x00"}),
		"a claim that is longer":     signed(map[string]any{"repository": "acme/widgets-evil"}),
		"a claim that is a wildcard": signed(map[string]any{"repository": "*"}),
		"a list in a list":           signed(map[string]any{"repository": []any{[]any{"acme/widgets"}}}),
		"an object":                  signed(map[string]any{"repository": map[string]any{"acme/widgets": true}}),
		"a number":                   signed(map[string]any{"repository": 1}),
		"the other organization's":   signed(map[string]any{"repository": "globex/app"}),
		"the wildcard's neighbour":   signed(wide(map[string]any{"repository": "wide-evil/app"})),
		"the wildcard's prefix":      signed(wide(map[string]any{"repository": "evil/wide/app"})),
		"the wildcard stretched":     signed(wide(map[string]any{"sub": "repo:wide/app:pull_request:ref:refs/heads/main"})),
		"the wildcard's owner":       signed(wide(map[string]any{"repository_owner": "evil"})),
		"the wildcard's subject list": signed(wide(map[string]any{
			"sub": []any{"repo:wide/app:ref:refs/heads/main"}})),
	}
	loud := func(home, elsewhere string) map[string]string { // what is wrong with the token itself
		signed := func(change map[string]any) string { return ci.token(home, change) }
		claims, good := ci.claims(home, nil), ci.token(home, nil)
		parts := strings.Split(good, ".")
		return map[string]string{
			"alg none":                 part(map[string]any{"alg": "none"}) + "." + parts[1] + ".",
			"alg None, signed":         part(map[string]any{"alg": "None", "kid": "k"}) + "." + parts[1] + "." + parts[2],
			"HS256 by the public key":  ci.forge(jose.HS256, der, map[string]any{"kid": "k"}, claims),
			"expired":                  signed(map[string]any{"exp": now.Unix()}),
			"no end":                   signed(map[string]any{"exp": nil}),
			"the other's audience":     ci.token(elsewhere, nil),
			"an npm audience":          ci.token("npm:127.0.0.1", nil),
			"the platform as audience": ci.token(x.at.server.URL, nil),
			"a longer audience":        ci.token(home+".evil.example", nil),
			"an audience with a slash": ci.token(home+"/", nil),
			"no audience":              ci.token("", map[string]any{"aud": nil}),
			"a list as issuer":         signed(map[string]any{"iss": []string{ci.url}}),
			"huge":                     signed(map[string]any{"filler": strings.Repeat("x", 14<<10)}),
			"a Sluice token":           x.secret,
			"encrypted":                good + ".a.b",
			"JSON":                     fmt.Sprintf(`{"payload":%q}`, parts[1]),
			"nonsense":                 "a.b.c",
		}
	}
	one := ""
	for name, raw := range silent {
		a := x.redeem(raw)
		if one == "" {
			one = string(a.body)
		}
		if a.status != http.StatusBadRequest || a.text(h, "error") != "invalid_grant" || string(a.body) != one {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
	}
	// Where nothing is trusted at all, the same is heard.
	bare := h.tenant("bare")
	if a := bare.redeem(ci.token(bare.home(), nil)); string(a.body) != one || a.status != http.StatusBadRequest {
		t.Errorf("without any rule = %d %s, want %s", a.status, a.body, one)
	}
	elsewhere := loud(bare.home(), h.globex.home())
	for name, raw := range loud(home, h.globex.home()) {
		a, there := x.redeem(raw), bare.redeem(elsewhere[name])
		if a.status != http.StatusBadRequest || a.text(h, "error") != "invalid_grant" {
			t.Errorf("%s = %d %s", name, a.status, a.body)
		}
		if strings.ReplaceAll(string(there.body), bare.home(), home) != string(a.body) || there.status != a.status {
			t.Errorf("%s tells where rules exist: %s against %s", name, a.body, there.body)
		}
	}
	if n := x.count("tokens", "trust_rule_id IS NOT NULL"); n != 1 {
		t.Errorf("%d tokens were made, want the wildcard's own", n)
	}
	if a := x.redeem(good); a.status != http.StatusOK {
		t.Errorf("the good one = %d %s", a.status, a.body)
	}
}

// TestA2_WorkloadReplay: an identity token is taken as often as its rule says,
// also when it is sent to several nodes at once.
func TestA2_WorkloadReplay(t *testing.T) {
	t.Parallel()
	ci, believe := newIssuer(t)
	h := newHarness(t, believe)
	ci.h = h
	x := h.acme
	team := x.team("team")
	if _, err := x.at.access.CreateTrustRule(x.ctx, access.TrustRuleInput{Name: "once", Issuer: ci.url, Claims: map[string]string{"repository": "acme/widgets"}, Registries: []uuid.UUID{team}}); err != nil {
		t.Fatal(err)
	}
	raw := ci.token(x.home(), map[string]any{"jti": "one"})
	statuses := make(chan int, 8)
	for range cap(statuses) {
		go func() { statuses <- x.redeem(raw).status }()
	}
	count := map[int]int{}
	for range cap(statuses) {
		count[<-statuses]++
	}
	if count[http.StatusOK] != 1 || count[http.StatusBadRequest] != cap(statuses)-1 {
		t.Errorf("eight at once = %v, want one to be taken", count)
	}
	if a := x.redeem(ci.token(x.home(), map[string]any{"jti": "two"})); a.status != http.StatusOK {
		t.Errorf("another = %d %s", a.status, a.body)
	}
}

// TestF3_WorkloadsAreTriedRarely: an address that fails too often waits, and
// others do not.
func TestF3_WorkloadsAreTriedRarely(t *testing.T) {
	t.Parallel()
	h, ci, _, _ := working(t)
	x := h.acme
	for range 100 {
		if a := x.redeem("a.b.c"); a.status != http.StatusBadRequest {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := x.redeem(ci.token(x.home(), nil))
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || a.text(h, "error") == "" || a.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("after a hundred = %d %s", a.status, a.body)
	}
	h.clock.pass(10 * time.Minute)
	if a := x.redeem(ci.token(x.home(), nil)); a.status != http.StatusOK {
		t.Errorf("ten minutes later = %d %s", a.status, a.body)
	}
}
