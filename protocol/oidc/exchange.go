package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// Bounds of claims.
const (
	mostCode   = 4096 // bytes
	mostGroups = 2000
	clockOff   = 5 * time.Minute // how far a provider's clock may be ahead
)

// Exchange turns a provider's answer to a flow into what it vouches for. An
// answer that is wrong in any way is Forbidden; Upstream means that the provider
// could not be asked, and the login can be tried again.
func (c *Client) Exchange(ctx context.Context, p login.Provider, f login.Flow, answer url.Values) (login.Claims, error) {
	k, err := c.of(ctx, p.Issuer)
	if err != nil {
		return login.Claims{}, err
	}
	code, err := k.code(p, answer)
	if err != nil {
		return login.Claims{}, err
	}
	cfg := k.config(p, f.RedirectURI)
	token, err := cfg.Exchange(gooidc.ClientContext(ctx, k.client), code, oauth2.VerifierOption(f.Verifier))
	if err != nil {
		return login.Claims{}, unexchanged(err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return login.Claims{}, wrong("the token endpoint sent no id token")
	}
	id, err := k.Verifier(&gooidc.Config{ClientID: p.ClientID, Now: c.Now}).Verify(ctx, raw)
	if err != nil {
		return login.Claims{}, unverified(err)
	}
	if err := c.check(id, p, f, token.AccessToken); err != nil {
		return login.Claims{}, err
	}
	out, err := read(id, p.Claims)
	out.IDToken = raw
	return out, err
}

// code returns the code of an answer that is the provider's (RFC 9207: another
// issuer's answer must not reach this one's token endpoint).
func (k *known) code(p login.Provider, answer url.Values) (string, error) {
	for _, name := range []string{"code", "state", "iss", "error"} {
		if len(answer[name]) > 1 {
			return "", wrong("the answer has %s twice", name)
		}
	}
	switch iss := answer.Get("iss"); {
	case iss != "" && iss != p.Issuer, iss == "" && (k.NamesIssuer || answer.Has("iss")):
		return "", wrong("the answer is of the issuer %.200q", iss)
	case answer.Get("error") != "":
		return "", wrong("the provider refused: %.100q", answer.Get("error"))
	}
	code := answer.Get("code")
	if code == "" || len(code) > mostCode {
		return "", wrong("the answer has no usable code")
	}
	return code, nil
}

// check is what a verified id token must also be (OpenID Connect Core 1.0,
// section 3.1.3.7).
func (c *Client) check(id *gooidc.IDToken, p login.Provider, f login.Flow, accessToken string) error {
	var more struct {
		AuthorizedParty string `json:"azp"`
	}
	if err := id.Claims(&more); err != nil {
		return wrong("the id token's azp is no text")
	}
	switch {
	case f.Nonce == "" || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1:
		return wrong("the id token is of another login: its nonce differs")
	case len(id.Audience) > 1 && more.AuthorizedParty == "", more.AuthorizedParty != "" && more.AuthorizedParty != p.ClientID:
		return wrong("the id token was made for another client: azp %.100q", more.AuthorizedParty)
	case id.Subject == "" || len(id.Subject) > 255:
		return wrong("the id token has no usable subject")
	case id.IssuedAt.After(c.Now().Add(clockOff)):
		return wrong("the id token is from the future")
	case id.AccessTokenHash != "" && id.VerifyAccessToken(accessToken) != nil:
		return wrong("the id token belongs to another access token")
	}
	return nil
}

// read takes the claims that count out of an id token.
func read(id *gooidc.IDToken, names login.ClaimNames) (login.Claims, error) {
	var all map[string]json.RawMessage
	if err := id.Claims(&all); err != nil {
		return login.Claims{}, wrong("the id token's claims cannot be read")
	}
	out := login.Claims{Issuer: id.Issuer, Subject: id.Subject, SID: text(all["sid"]), Email: text(all[or(names.Email, "email")]),
		Name: text(all[or(names.Name, "name")])}
	var groups bool
	if out.Groups, groups = list(all[or(names.Groups, "groups")]); !groups {
		return login.Claims{}, wrong("the claim with the groups is no list of at most %d texts", mostGroups)
	}
	if v, said := all["email_verified"]; said {
		// Some providers write it as text.
		yes := string(v) == "true" || text(v) == "true"
		out.Verified = &yes
	}
	return out, nil
}

func or(name, standard string) string {
	if name == "" {
		return standard
	}
	return name
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// list reads one text or several; nothing is none.
func list(raw json.RawMessage) ([]string, bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, true
	}
	if one := text(raw); one != "" {
		return []string{one}, true
	}
	var out []string
	if json.Unmarshal(raw, &out) != nil || len(out) > mostGroups {
		return nil, false
	}
	return out, true
}

// Logout verifies a logout token. One that is not genuine is Forbidden. That it
// counts once is login's to see to.
func (c *Client) Logout(ctx context.Context, p login.Provider, raw string) (login.ProviderLogout, error) {
	k, err := c.of(ctx, p.Issuer)
	if err != nil {
		return login.ProviderLogout{}, err
	}
	t, err := k.Verifier(&gooidc.Config{ClientID: p.ClientID, Now: c.Now}).VerifyLogout(ctx, raw)
	if err != nil {
		return login.ProviderLogout{}, unverified(err)
	}
	return login.ProviderLogout{Issuer: t.Issuer, Subject: t.Subject, SID: t.SessionID, TokenID: t.TokenID, IssuedAt: t.IssuedAt}, nil
}

// wrong is an answer that must not let anybody in. Only logs see why.
func wrong(format string, args ...any) error {
	return errs.New(errs.Forbidden, "oidc", format, args...)
}

// unexchanged tells a code that the provider refuses from a provider that could
// not be asked.
func unexchanged(err error) error {
	var said *oauth2.RetrieveError
	if errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < 500 {
		return errs.Wrap(err, errs.Forbidden, "oidc.Exchange", "the provider refused the code: %.100q", said.ErrorCode)
	}
	return errs.Wrap(plainly(err), errs.Upstream, "oidc.Exchange", "the provider's token endpoint %s", or(upstream.Reason(err), "gave an answer that makes no sense"))
}

// unverified tells a token that is not genuine from keys that could not be had.
func unverified(err error) error {
	if why := upstream.Reason(err); why != "" {
		return errs.Wrap(plainly(err), errs.Upstream, "oidc.verify", "the provider's keys cannot be had: its jwks_uri %s", why)
	}
	return errs.Wrap(err, errs.Forbidden, "oidc.verify", "the token is not genuine")
}

// plainly drops a URL from an error: a query string may hold secrets.
func plainly(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
