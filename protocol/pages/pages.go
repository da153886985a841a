// Package pages serves what people need to log in (law A1), as plain HTML
// without scripts: the choice of providers, the way to a provider and back, the
// choice of an organization after a login at the platform, one's sessions and
// one's tokens; and what leads to a membership: an invitation, a request to
// join, and the making of an organization.
//
// Sessions exist only on an organization's own host, and in `sluice dev` on the
// path form too (T6). The cookie's secret is bound to that host by its name
// (__Host-), so that no other organization's subdomain can read, set or use it.
package pages

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/oidc"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
)

// Registry is one that a token may be limited to.
type Registry struct {
	ID   uuid.UUID
	Name string // as a person reads it, for example "npm/team-a"
}

// Platform is the operator's provider.
type Platform struct {
	Provider login.Provider // its ID is uuid.Nil
	Client   *oidc.Client   // which may reach where the operator's provider is
}

// Config is what the pages are made of.
type Config struct {
	Login    *login.Service
	Access   *access.Service
	Client   *oidc.Client // for the organizations' own providers
	Platform *Platform    // nil for none
	// PublicURL is the platform's own address without path, where its provider
	// sends people back to.
	PublicURL string
	// Organizations finds an organization by its slug.
	Organizations protocol.Organizations
	// HomeOf returns the URL of an organization by its slug, and Subdomains tells
	// that this is a host of its own.
	HomeOf     func(slug string) string
	Subdomains bool
	// Development allows sessions in the path form and over http, on loopback
	// names only.
	Development bool
	// Orgs makes organizations for people who sign up, and knows which take
	// requests to join; nil for neither.
	Orgs *org.Service
	// Registries lists those that the context's subject may read, by name.
	Registries func(ctx context.Context) ([]Registry, error)
	Now        func() time.Time
}

// Pages serve the pages. They are safe for concurrent use.
type Pages struct {
	Config
	organization, platform *http.ServeMux
}

// New returns the pages.
func New(c Config) *Pages {
	p := &Pages{Config: c, organization: http.NewServeMux(), platform: http.NewServeMux()}
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /login":                     p.choose,
		"GET /login/start":               p.start,
		"GET /login/callback/{provider}": p.callback,
		"GET /login/enter":               p.enter,
		"GET /login/break-glass":         p.askBreakGlass,
		"POST /login/break-glass":        p.breakGlass,
		"POST /logout":                   p.logout,
		"GET /account":                   p.account,
		"GET /account/{$}":               p.account,
		"GET /account/sessions":          p.sessions,
		"POST /account/sessions":         p.endSession,
		"GET /account/tokens":            p.tokens,
		"POST /account/tokens":           p.createToken,
		"POST /account/tokens/revoke":    p.revokeToken,
		"GET /invitation/{secret}":       p.invitation,
		"POST /invitation/{secret}":      p.acceptInvitation,
		"GET /join":                      p.join,
		"POST /join":                     p.requestToJoin,
		"POST /login/guest":              p.leaveGuest,
	} {
		p.organization.Handle(pattern, p.atHome(h))
	}
	p.organization.HandleFunc("POST /login/backchannel/{provider}", p.backchannel)
	p.organization.HandleFunc("GET /login/style.css", style)
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /login":          p.platformChoose,
		"GET /login/start":    p.platformStart,
		"GET /login/callback": p.platformCallback,
		"GET /login/continue": p.platformContinue,
		"POST /login/leave":   p.platformLeave,
		"GET " + signUpPage:   p.signUp,
		"POST " + signUpPage:  p.found,
	} {
		p.platform.Handle(pattern, p.atPlatform(h))
	}
	p.platform.HandleFunc("POST /login/backchannel", p.platformBackchannel)
	p.platform.HandleFunc("/login/operate", p.operate)
	p.platform.HandleFunc("GET /login/style.css", style)
	return p
}

// Mount mounts the pages of organizations.
func (p *Pages) Mount(s *protocol.Server) {
	for _, prefix := range []string{"/login", "/login/", "/logout", "/account", "/account/", joinPage, invitationPage} {
		s.Handle(prefix, p.organization)
	}
}

// AtPlatform returns the pages of the platform's own host, below /login.
func (p *Pages) AtPlatform() http.Handler { return p.platform }

// atHome lets a page be served only where sessions exist.
func (p *Pages) atHome(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, _ := protocol.PlaceOf(r.Context()) // the server sets it before it calls a mount
		if !p.home(place) {
			p.show(w, r, http.StatusNotFound, "nowhere", map[string]any{"Home": p.properHome(place)})
			return
		}
		next(w, r)
	})
}

// properHome is where somebody who came to the wrong address can log in, "" when
// that is not known.
func (p *Pages) properHome(place protocol.Place) string {
	if p.Subdomains && place.Form == protocol.PathForm {
		return p.HomeOf(place.Org.Slug)
	}
	return ""
}

// atPlatform keeps the platform's pages to its one address, which its provider
// knows.
func (p *Pages) atPlatform(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		place, _ := protocol.PlaceOf(r.Context())
		switch {
		case p.Platform == nil || !p.secure(p.PublicURL):
			p.show(w, r, http.StatusNotFound, "no-platform", nil)
		case place.Base != p.PublicURL:
			http.Redirect(w, r, p.PublicURL+r.URL.RequestURI(), http.StatusFound)
		default:
			next(w, r)
		}
	})
}

// landing is where people go who wanted nothing in particular.
const landing = "/account"
