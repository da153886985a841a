// Package idtoken verifies identity tokens of outside issuers, such as those of
// CI services (OpenID Connect Core 1.0, section 2; RFC 7519): JSON Web Tokens,
// signed by a key that the issuer publishes (OpenID Connect Discovery 1.0).
//
// Whom an issuer's word is worth anything to is not this package's affair:
// callers ask [Peek] for the issuer, look whether anything trusts it, and only
// then have [Verifier.Verify] ask the issuer for its keys, through the guarded
// client (F6).
package idtoken

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/maypok86/otter/v2"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/errs"
)

// MaxToken bounds an identity token, in bytes.
const MaxToken = 16 << 10

// algorithms are those that issuers may sign with. None of them uses a secret
// that both sides know, and "none" is not among them.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Identity is what a verified token says.
type Identity struct {
	Issuer  string
	Subject string         // the claim sub
	Claims  map[string]any // all of them, as encoding/json decodes them
}

// Verifier checks tokens. It remembers issuers' keys, is safe for concurrent
// use, and starts nothing by itself.
type Verifier struct {
	client  *upstream.Client
	now     func() time.Time
	issuers *otter.Cache[string, *issuer]
}

// mostIssuers bounds what is remembered; the issuer used least is asked again.
const mostIssuers = 500

// New returns a verifier that asks issuers through the client.
func New(client *upstream.Client, now func() time.Time) *Verifier {
	return &Verifier{client, now, otter.Must(&otter.Options[string, *issuer]{MaximumSize: mostIssuers})}
}

// claims are those that are looked at before anything is believed.
type claims struct {
	Issuer   string   `json:"iss"`
	Audience audience `json:"aud"`
	Expires  float64  `json:"exp"`
}

// audience is one text or a list of them.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// Peek returns the issuer that a token names, without believing anything of it.
// A token that cannot be valid whoever issued it is Unauthenticated, with what
// is wrong: its form, its algorithm, its audience, or that it has expired.
func (v *Verifier) Peek(raw, want string) (issuer string, err error) {
	const op = "idtoken.Peek"
	parts := strings.Split(raw, ".")
	if len(raw) > MaxToken || len(parts) != 3 {
		return "", errs.New(errs.Unauthenticated, op, "what was sent is no identity token: it must be a signed JSON Web Token of at most %d bytes", MaxToken)
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var c claims
	if decode(parts[0], &head) != nil || decode(parts[1], &c) != nil {
		return "", errs.New(errs.Unauthenticated, op, "what was sent is no identity token: its header or its claims cannot be read")
	}
	switch {
	case !slices.Contains(algorithms, head.Algorithm):
		return "", errs.New(errs.Unauthenticated, op, "the identity token is signed with the algorithm %.20q; one of %s is needed", head.Algorithm, strings.Join(algorithms, ", "))
	case !slices.Contains(c.Audience, want):
		return "", errs.New(errs.Unauthenticated, op, "the identity token is for the audience %.200q; it must be for %q", strings.Join(c.Audience, " "), want)
	case !v.now().Before(time.Unix(int64(min(c.Expires, 1<<40)), 0)):
		return "", errs.New(errs.Unauthenticated, op, "the identity token has expired")
	}
	return c.Issuer, nil
}

// Unverified returns the claims of a token as anybody may have written them, for
// people who look for what is wrong with it; nil when they cannot be read.
func Unverified(raw string) (claims map[string]any) {
	parts := strings.Split(raw, ".")
	if len(raw) > MaxToken || len(parts) != 3 || decode(parts[1], &claims) != nil {
		return nil
	}
	return claims
}

func decode(part string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// Verify returns what a token of the issuer for the audience says. A token that
// is not valid is Unauthenticated, an issuer that could not be asked is
// Upstream; why stands in the error for logs.
func (v *Verifier) Verify(ctx context.Context, raw, issuer, audience string) (Identity, error) {
	const op = "idtoken.Verify"
	if len(raw) > MaxToken {
		return Identity{}, errs.New(errs.Unauthenticated, op, "the identity token has more than %d bytes", MaxToken)
	}
	keys := &keySet{v: v, issuer: issuer}
	t, err := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: audience, SupportedSigningAlgs: algorithms, Now: v.now}).Verify(ctx, raw)
	if keys.failed != nil {
		return Identity{}, errs.Wrap(keys.failed, errs.Upstream, op, "the issuer of the identity token could not be asked for its keys")
	}
	if err != nil {
		return Identity{}, errs.Wrap(err, errs.Unauthenticated, op, "the identity token is not valid")
	}
	if !v.now().Before(t.Expiry) { // the last moment counts too (RFC 7519, 4.1.4)
		return Identity{}, errs.New(errs.Unauthenticated, op, "the identity token has expired")
	}
	out := Identity{Issuer: t.Issuer, Subject: t.Subject}
	if err := t.Claims(&out.Claims); err != nil {
		return Identity{}, errs.Wrap(err, errs.Unauthenticated, op, "the claims of the identity token cannot be read")
	}
	return out, nil
}

// keySet is the keys of one issuer for one verification.
type keySet struct {
	v      *Verifier
	issuer string
	failed error // the issuer could not be asked
}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	allowed := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		allowed[i] = jose.SignatureAlgorithm(a)
	}
	jws, err := jose.ParseSigned(raw, allowed)
	if err != nil {
		return nil, err
	}
	if len(jws.Signatures) != 1 {
		return nil, fmt.Errorf("it has %d signatures", len(jws.Signatures))
	}
	is, _ := k.v.issuers.ComputeIfAbsent(k.issuer, func() (*issuer, bool) { return newIssuer(k.issuer), false })
	kid := jws.Signatures[0].Header.KeyID
	// Keys rotate: one that is not known may be new.
	for _, again := range []bool{false, true} {
		keys, err := is.keys(ctx, k.v, again)
		if err != nil {
			k.failed = err
			return nil, err
		}
		for i := range keys {
			if kid != "" && keys[i].KeyID != kid || keys[i].Use != "" && keys[i].Use != "sig" {
				continue
			}
			if payload, err := jws.Verify(&keys[i]); err == nil {
				return payload, nil
			}
		}
	}
	return nil, fmt.Errorf("no key of the issuer made its signature (key id %.100q)", kid)
}
