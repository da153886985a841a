package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// exchangeAttempts trade an identity token of a CI service for one of acme's: it
// trusts builds of acme/widgets for @acme/widgets in the registry workshop.
func exchangeAttempts() (out []attempt) {
	const group = "Trusted publishing: identity tokens that are not for this (A2, T3)"
	const at, audience = acmeAt + "/npm/workshop" + exchanges + "@acme%2fwidgets", "npm:acme.sluice.example"
	builds := map[string]any{"repository": "acme/widgets"}
	good := func(f *field) string { return f.ci.token(audience, builds) }
	claim := func(name string, value any) func(f *field) string {
		return func(f *field) string {
			return f.ci.token(audience, map[string]any{"repository": "acme/widgets", name: value})
		}
	}
	add := func(name, to string, token func(f *field) string, like bool) {
		out = append(out, attempt{group, name, "a build", func(f *field) shot {
			raw := token(f)
			ask := func(to string) func() answer {
				return func() answer { return f.send(call{method: http.MethodPost, to: to, token: raw}) }
			}
			s := shot{fire: ask(to)}
			if like { // as at a registry that does not exist
				s.like = ask(acmeAt + "/npm/ghost" + exchanges + "@acme%2fwidgets")
			}
			return s
		}})
	}
	add("of another repository", at, claim("repository", "evil/widgets"), true)
	add("of a repository whose name begins like it", at, claim("repository", "acme/widgets-evil"), true)
	add("for another audience", at, func(f *field) string { return f.ci.token("npm:globex.sluice.example", builds) }, true)
	add("without audience", at, func(f *field) string { return f.ci.token("", builds) }, true)
	add("of an issuer that nobody trusts", at, claim("iss", "https://evil.example"), true)
	add("of the issuer with a slash more", at, func(f *field) string { return claim("iss", f.ci.url+"/")(f) }, true)
	add("that has expired", at, func(f *field) string { return claim("exp", f.clock.Now().Unix()-3600)(f) }, true)
	add("from the future", at, func(f *field) string { return claim("nbf", f.clock.Now().Unix()+3600)(f) }, true)
	add("of algorithm none", at, func(f *field) string {
		part := func(v any) string { b, _ := json.Marshal(v); return base64.RawURLEncoding.EncodeToString(b) } // of strings: cannot fail
		return part(map[string]string{"alg": "none", "kid": "k"}) + "." + strings.Split(good(f), ".")[1] + "."
	}, true)
	add("signed with the public key as if it were a secret (HS256)", at, func(f *field) string {
		der, err := x509.MarshalPKIXPublicKey(f.ci.key.Public())
		f.ok(err)
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
		f.ok(err)
		body, err := base64.RawURLEncoding.DecodeString(strings.Split(good(f), ".")[1])
		f.ok(err)
		signed, err := s.Sign(body)
		f.ok(err)
		raw, err := signed.CompactSerialize()
		f.ok(err)
		return raw
	}, true)
	add("with the signature of another one", at, func(f *field) string {
		mine, other := strings.Split(claim("repository", "evil/evil")(f), "."), strings.Split(good(f), ".")
		return other[0] + "." + other[1] + "." + mine[2]
	}, true)
	add("for another package", acmeAt+"/npm/workshop"+exchanges+"left-pad", good, true)
	add("for another registry", acmeAt+"/npm/attic"+exchanges+"@acme%2fwidgets", good, true)
	add("for a package of globex", globexAt+"/npm/vault"+exchanges+"@hush%2fsauce", good, false)
	add("for a package of globex, from acme's address", acmeAt+"/npm/vault"+exchanges+"@hush%2fsauce", good, true)
	return out
}
