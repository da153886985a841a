package pages

import (
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/oidc"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// logout ends the session here and offers to end the one at the provider, if it
// has an address for that. A page leads there: a form may lead to its own origin
// only.
func (p *Pages) logout(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	secret := p.secret(r, place, forSession)
	if !p.form(w, r, place, formToken(secret)) {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.logout", "the form is of another site or session"))
		return
	}
	left, err := p.Login.Logout(r.Context(), secret)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.clear(w, place, forSession)
	data := map[string]any{}
	provider, client, back := left.Provider, p.Client, place.Home+"/login"
	if left.Platform && p.Platform != nil {
		provider, client, back = p.Platform.Provider, p.Platform.Client, p.PublicURL+"/login"
	}
	if provider.Issuer != "" {
		// Logged out here whatever the provider does.
		if next, err := client.EndSession(r.Context(), provider, left.IDToken, back); err == nil && next != "" {
			data["Next"], data["Provider"] = next, provider.Title
		}
	}
	w.Header().Set("Clear-Site-Data", `"cache"`)
	p.show(w, r, http.StatusOK, "logged-out", data)
}

// backchannel takes logout tokens of an organization's provider. It needs no
// session and works in the path form too: programs call it.
func (p *Pages) backchannel(w http.ResponseWriter, r *http.Request) {
	provider, err := p.Login.ProviderToAsk(r.Context(), r.PathValue("provider"))
	if err != nil {
		p.answerProvider(w, r, err)
		return
	}
	l, err := logoutOf(w, r, p.Client, provider)
	if err == nil {
		_, err = p.Login.ProviderLoggedOut(r.Context(), provider, l)
	}
	p.answerProvider(w, r, err)
}

func (p *Pages) platformBackchannel(w http.ResponseWriter, r *http.Request) {
	if p.Platform == nil {
		p.answerProvider(w, r, errs.New(errs.NotFound, "pages.backchannel", "the platform has no provider"))
		return
	}
	l, err := logoutOf(w, r, p.Platform.Client, p.Platform.Provider)
	if err == nil {
		_, err = p.Login.PlatformLoggedOut(r.Context(), l)
	}
	p.answerProvider(w, r, err)
}

// logoutOf reads the form of a provider (Back-Channel Logout 1.0, section 2.5).
func logoutOf(w http.ResponseWriter, r *http.Request, c *oidc.Client, provider login.Provider) (login.ProviderLogout, error) {
	bad := errs.New(errs.Invalid, "pages.backchannel", "the body must be a form with one logout_token")
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return login.ProviderLogout{}, bad
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return login.ProviderLogout{}, bad
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 {
		return login.ProviderLogout{}, bad
	}
	return c.Logout(r.Context(), provider, form.Get("logout_token"))
}

// answerProvider says that a logout was taken, or refuses it with one answer for
// every reason (section 2.8).
func (p *Pages) answerProvider(w http.ResponseWriter, r *http.Request, err error) {
	h := w.Header()
	harden(h)
	h.Set("Cache-Control", "no-store")
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	slog.InfoContext(r.Context(), "logout token refused", "path", r.URL.Path, "error", err)
	h.Set("Content-Type", "application/json")
	switch errs.KindOf(err) {
	case errs.Upstream, errs.Unavailable, errs.Internal:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":"temporarily_unavailable"}`+"\n")
	default:
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"invalid_request"}`+"\n")
	}
}
