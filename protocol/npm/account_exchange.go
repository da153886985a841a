package npm

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// exchange answers the request of a build for a token to publish one package,
// against an identity token of its CI service. What is wrong with the token
// itself is said before anything was looked up; everything else is one answer
// (T3).
func (a *Accounts) exchange(w http.ResponseWriter, r *http.Request, v protocol.Visit, escaped string) {
	secret, made, err := a.exchanged(r, v, escaped)
	if err != nil {
		refuseExchange(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusCreated, map[string]any{"token": secret, "token_type": "oidc", "created": made.CreatedAt, "expires": made.ExpiresAt})
}

func (a *Accounts) exchanged(r *http.Request, v protocol.Visit, escaped string) (string, access.Token, error) {
	fail := func(err error) (string, access.Token, error) { return "", access.Token{}, err }
	segs, err := segments("/" + escaped)
	if err != nil || len(segs) == 0 {
		return fail(nothingHere())
	}
	pkg, rest, err := takeName(segs)
	if err != nil || len(rest) > 0 {
		return fail(nothingHere())
	}
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return fail(errs.New(errs.Unauthenticated, "npm.exchange", "an identity token is needed as Authorization: Bearer"))
	}
	audience := "npm:" + hostOf(v.BaseURL)
	issuer, err := a.Identities.Peek(raw, audience)
	if err != nil {
		return fail(err)
	}
	registry := uuid.Nil
	if v.Registry != "" {
		ref, err := v.Find(r.Context())
		if errs.Is(err, errs.NotFound) {
			return fail(access.NotTrusted())
		}
		if err != nil {
			return fail(err)
		}
		registry = ref.ID
	}
	id, err := a.identity(r, raw, issuer, audience, registry)
	if err != nil {
		return fail(err)
	}
	return a.Access.Exchange(r.Context(), access.ExchangeInput{Identity: access.Identity(id), Package: npmPackage(pkg), Registry: registry})
}

// identity verifies the token if its issuer is trusted by any rule: nobody else
// is asked for keys.
func (a *Accounts) identity(r *http.Request, raw, issuer, audience string, registry uuid.UUID) (id idtoken.Identity, err error) {
	trusted, err := a.Access.Trusts(r.Context(), issuer, registry)
	if err != nil {
		return id, err
	}
	if !trusted {
		return id, access.NotTrusted()
	}
	id, err = a.Identities.Verify(r.Context(), raw, issuer, audience)
	if errs.Is(err, errs.Unauthenticated) || errs.Is(err, errs.Upstream) {
		slog.WarnContext(r.Context(), "an identity token was refused", "issuer", issuer, "error", err)
		return id, access.NotTrusted()
	}
	return id, err
}

// refuseExchange answers with 4xx and a message, which is what npm logs before
// it goes on without a token.
func refuseExchange(w http.ResponseWriter, r *http.Request, err error) {
	status := map[errs.Kind]int{errs.Unauthenticated: http.StatusUnauthorized, errs.NotFound: http.StatusNotFound,
		errs.Conflict: http.StatusConflict, errs.Unavailable: http.StatusTooManyRequests}[errs.KindOf(err)]
	if status == 0 {
		protocol.Problem(w, r, err)
		return
	}
	message := errs.Public(err)
	body, _ := json.Marshal(map[string]string{"message": message, "error": message}) // strings always encode
	h := w.Header()
	protocol.Harden(h)
	h["Content-Type"] = typeJSON
	h.Set("Cache-Control", "private, no-store")
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="Sluice trusted publishing"`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// ExchangeAtRoot answers exchanges at the root of an organization's host, where
// npm sends them whatever the path of the registry. Which registry is meant is
// the one that trusts the identity. Mount it with HandleOpen at
// [ExchangePrefix].
func (h *Handler) ExchangeAtRoot() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, ok := protocol.PlaceOf(r.Context())
		if !ok || h.Accounts == nil {
			protocol.Problem(w, r, nothingHere())
			return
		}
		if r.Method != http.MethodPost {
			protocol.NotAllowed(w, r, http.MethodPost)
			return
		}
		h.Accounts.exchange(w, r, protocol.Visit{OrgSlug: place.Org.Slug, BaseURL: place.Base, OrgURL: place.Home, Path: place.Path, IP: place.IP},
			strings.TrimPrefix(r.URL.EscapedPath(), exchangePath))
	})
}

// ExchangePrefix is where [Handler.ExchangeAtRoot] belongs.
const ExchangePrefix = exchangePath
