// Package workload gives jobs of CI services tokens of Sluice for the identity
// tokens that their service gives them, so that no secret is kept there: the
// OAuth 2.0 token exchange (RFC 8693) with the answers of RFC 6749, 5.
//
// What is wrong with the request, or with the form, the audience or the end of
// the identity token, is said before anything was looked up. Whatever else is
// missing, a rule, a claim, a key or the issuer, the answer is one (T3).
package workload

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Path is where the exchange is mounted with protocol.Server.HandleOpen, below
// the root of an organization.
const Path = "/-/token"

// The URNs of RFC 8693, 2.1 and 3.
const (
	GrantType   = "urn:ietf:params:oauth:grant-type:token-exchange"
	IDToken     = "urn:ietf:params:oauth:token-type:id_token" //nolint:gosec // the name of a kind
	JWT         = "urn:ietf:params:oauth:token-type:jwt"
	AccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // the name of a kind
)

// maxBody bounds a request: an identity token and some parameters, in bytes.
const maxBody = idtoken.MaxToken + 8<<10

// Access makes tokens for identities; *access.Service does.
type Access interface {
	Trusts(ctx context.Context, issuer string, registry uuid.UUID) (bool, error)
	ExchangeWorkload(ctx context.Context, in access.WorkloadInput) (secret string, made access.Token, err error)
}

// Identities verifies identity tokens; *idtoken.Verifier does.
type Identities interface {
	Peek(raw, audience string) (issuer string, err error)
	Verify(ctx context.Context, raw, issuer, audience string) (idtoken.Identity, error)
}

// Exchange answers requests for tokens.
type Exchange struct {
	Access     Access
	Identities Identities
	// HomeOf returns the address of an organization as links to it are made.
	// That address, and the one that a request was sent to, are the audiences
	// that identity tokens may have.
	HomeOf   func(slug string) string
	Attempts *protocol.Attempts // refusals by address
}

// ServeHTTP implements http.Handler.
func (e *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	place, ok := protocol.PlaceOf(r.Context())
	if !ok {
		protocol.Problem(w, r, errs.New(errs.NotFound, "workload", "there is nothing here"))
		return
	}
	if r.Method != http.MethodPost {
		protocol.NotAllowed(w, r, http.MethodPost)
		return
	}
	if wait := e.Attempts.Wait(place.IP); wait > 0 {
		refuseForNow(w, r, wait)
		return
	}
	secret, made, err := e.exchange(w, r, place)
	if err != nil {
		// A request that names nobody's identity tries nothing.
		if f := asFailure(err); f.code == invalidGrant {
			e.Attempts.Failed(place.IP)
		}
		refuse(w, r, err)
		return
	}
	answer(w, r, http.StatusOK, granted{Token: secret, Issued: AccessToken, Type: "Bearer", Seconds: int(made.ExpiresAt.Sub(made.CreatedAt) / time.Second), Scope: scopeOf(made)})
}

func scopeOf(t access.Token) string {
	if t.Write {
		return "write"
	}
	return "read"
}

func (e *Exchange) exchange(w http.ResponseWriter, r *http.Request, place protocol.Place) (string, access.Token, error) {
	audiences := e.audiences(place)
	form, err := readForm(w, r)
	if err != nil {
		return "", access.Token{}, err
	}
	readOnly, err := check(form, audiences)
	if err != nil {
		return "", access.Token{}, err
	}
	id, err := e.identity(r.Context(), form.Get("subject_token"), audiences)
	if err != nil {
		return "", access.Token{}, err
	}
	return e.Access.ExchangeWorkload(r.Context(), access.WorkloadInput{Identity: access.Identity(id), ReadOnly: readOnly})
}

// audiences are what identity tokens for the organization may be for.
func (e *Exchange) audiences(place protocol.Place) []string {
	out := []string{place.Home}
	if home := e.HomeOf(place.Org.Slug); home != place.Home {
		out = append(out, home)
	}
	return out
}

// identity verifies the token if its issuer is trusted by any rule of the
// organization: nobody else is asked for keys.
func (e *Exchange) identity(ctx context.Context, raw string, audiences []string) (id idtoken.Identity, err error) {
	audience, issuer, wrong := "", "", error(nil)
	for _, a := range audiences {
		if issuer, err = e.Identities.Peek(raw, a); err == nil {
			audience = a
			break
		}
		if wrong == nil {
			wrong = err
		}
	}
	if audience == "" {
		return id, wrong
	}
	trusted, err := e.Access.Trusts(ctx, issuer, uuid.Nil)
	if err != nil {
		return id, err
	}
	if !trusted {
		return id, access.UnknownWorkload()
	}
	id, err = e.Identities.Verify(ctx, raw, issuer, audience)
	if errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Upstream) {
		slog.WarnContext(ctx, "an identity token was refused", "issuer", issuer, "error", err)
		return id, access.UnknownWorkload()
	}
	return id, err
}

// readForm reads the parameters. They count in the body alone: what stands in
// an address is in every log on the way.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, failure{invalidRequest, "parameters belong into the body, not into the address"}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, failure{invalidRequest, "the body must be a form (application/x-www-form-urlencoded)"}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		return nil, failure{invalidRequest, "the body cannot be read as a form of at most " + strconv.Itoa(maxBody) + " bytes"}
	}
	return r.PostForm, nil
}

// check looks at all parameters but the identity token itself, and tells
// whether a token is wanted that only reads.
func check(form url.Values, audiences []string) (readOnly bool, err error) {
	for name, values := range form {
		if len(values) > 1 && name != "audience" {
			return false, failure{invalidRequest, "the parameter " + protocol.ASCII(name, 40) + " is given more than once"}
		}
	}
	if g := form.Get("grant_type"); g != GrantType {
		if g == "" {
			return false, failure{invalidRequest, "the parameter grant_type is missing; it must be " + GrantType}
		}
		return false, failure{"unsupported_grant_type", "the grant type must be " + GrantType}
	}
	switch t := form.Get("subject_token_type"); {
	case form.Get("subject_token") == "":
		return false, failure{invalidRequest, "the parameter subject_token is missing: the identity token of the job"}
	case t != IDToken && t != JWT:
		return false, failure{invalidRequest, "subject_token_type must be " + IDToken + " or " + JWT}
	case form.Has("actor_token") || form.Has("actor_token_type"):
		return false, failure{invalidRequest, "an actor_token is not supported"}
	case form.Has("requested_token_type") && form.Get("requested_token_type") != AccessToken:
		return false, failure{invalidRequest, "requested_token_type must be " + AccessToken + " or left out"}
	case form.Has("resource"):
		return false, failure{"invalid_target", "a resource cannot be chosen; the trust rule says what the token reaches"}
	}
	for _, a := range form["audience"] {
		if !slices.Contains(audiences, a) {
			return false, failure{"invalid_target", "the audience must be the organization's address, " + strings.Join(audiences, " or ")}
		}
	}
	switch s := form.Get("scope"); s {
	case "", "write":
		return false, nil
	case "read":
		return true, nil
	}
	return false, failure{"invalid_scope", "the scope must be read, or write for all that the trust rule allows"}
}

// Check verifies an identity token of an issuer as an exchange in the context's
// request would, and returns what it says, verified or not, with what is wrong
// with it. It is for people who may see the rule that they test.
func (e *Exchange) Check(ctx context.Context, raw, issuer string) (claims map[string]any, wrong error) {
	place, _ := protocol.PlaceOf(ctx)
	claims = idtoken.Unverified(raw)
	for _, a := range e.audiences(place) {
		named, err := e.Identities.Peek(raw, a)
		if err == nil && named != issuer {
			err = errs.New(errs.Unauthenticated, "workload.Check", "the identity token is of the issuer %.200q; the rule trusts %q", named, issuer)
		}
		if err == nil {
			_, err = e.Identities.Verify(ctx, raw, issuer, a)
			return claims, err
		}
		if wrong == nil {
			wrong = err
		}
	}
	return claims, wrong
}
