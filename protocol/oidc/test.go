package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// Test discovers a provider and reads its keys, without anything that is
// remembered. It checks no client id or secret: a provider tells about those
// only when somebody logs in.
func (c *Client) Test(ctx context.Context, p login.Provider) login.Report {
	var r login.Report
	k, err := c.discover(ctx, p.Issuer)
	if err != nil {
		r.Problems = append(r.Problems, errs.Public(err))
		return r
	}
	c.known.Set(p.Issuer, k)
	r.Auth, r.Token, r.KeysURL, r.EndSession = k.metadata.Auth, k.metadata.Token, k.metadata.Keys, k.metadata.EndSession
	if r.Keys, err = k.signingKeys(ctx); err != nil {
		r.Problems = append(r.Problems, errs.Public(err))
	} else if r.Keys == 0 {
		r.Problems = append(r.Problems, "its jwks_uri has no public key for signatures")
	}
	if len(k.Algorithms) > 0 && !asymmetric(k.Algorithms) {
		r.Problems = append(r.Problems, "it signs id tokens with "+strings.Join(k.Algorithms, ", ")+" only; one of RS256, ES256, PS256 or EdDSA is needed")
	}
	if len(k.TokenAuth) > 0 && p.HasSecret && !has(k.TokenAuth, "client_secret_basic") && !has(k.TokenAuth, "client_secret_post") {
		r.Problems = append(r.Problems, "its token endpoint takes "+strings.Join(k.TokenAuth, ", ")+" only; client_secret_basic or client_secret_post is needed")
	}
	if !has(k.Challenges, "S256") {
		r.Warnings = append(r.Warnings, "it does not say that it checks PKCE with S256; codes are then protected by the client secret alone")
	}
	if !k.NamesIssuer {
		r.Warnings = append(r.Warnings, "it does not name itself in its answers (RFC 9207); the redirect URI of its own keeps answers apart")
	}
	return r
}

func asymmetric(algorithms []string) bool {
	for _, a := range algorithms {
		switch a {
		case gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.EdDSA:
			return true
		}
	}
	return false
}

// signingKeys counts the public keys for signatures (RFC 7517).
func (k *known) signingKeys(ctx context.Context) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.Keys, nil)
	if err != nil {
		return 0, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return 0, errs.Wrap(plainly(err), errs.Upstream, "oidc.Test", "its jwks_uri %s", or(upstream.Reason(err), "cannot be reached"))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0, errs.Wrap(err, errs.Upstream, "oidc.Test", "its jwks_uri answered %d instead of a key set", resp.StatusCode)
	}
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
			Use string `json:"use"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return 0, errs.Wrap(err, errs.Upstream, "oidc.Test", "its jwks_uri does not answer with a JSON key set")
	}
	for _, key := range set.Keys {
		if (key.Use == "" || key.Use == "sig") && key.Kty != "oct" {
			n++
		}
	}
	return n, nil
}

// undiscovered says what was wrong with a discovery document, or with getting
// it.
func undiscovered(issuer string, err error) error {
	const op = "oidc.discover"
	at := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	var other *gooidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return errs.Wrap(err, errs.Upstream, op, "the provider calls itself %.300q, and the issuer here is %.300q; they must be the same, to the last slash", other.Discovered, issuer)
	case upstream.Reason(err) != "":
		return errs.Wrap(plainly(err), errs.Upstream, op, "the provider at %.300s %s", issuer, upstream.Reason(err))
	}
	return errs.Wrap(err, errs.Upstream, op, "the provider has no usable discovery document at %.400s", at)
}
