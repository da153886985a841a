// Package operator serves the pages of the people who operate the platform:
// organizations with what they use and what may be done to them, advisory
// feeds, nodes, queues, and what operators did (law T5).
//
// They exist on the platform's own host, and for operators only: everybody else
// gets the answer that any other path gives which does not exist. Nothing here
// is a right inside an organization.
package operator

import (
	"context"
	"crypto/hmac"
	"log/slog"
	"net/http"
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/platform"
)

// Path is where the pages are.
const Path = "/-/operator"

// Sessions knows who asks; *pages.Pages does.
type Sessions interface {
	// Operator returns the session of a request and what its forms carry;
	// Unauthenticated for everybody else.
	Operator(r *http.Request) (login.OperatorSession, string, error)
	// ForgetOperator makes the browser forget the session.
	ForgetOperator(w http.ResponseWriter, r *http.Request)
}

// Config is what the pages are made of.
type Config struct {
	Sessions   Sessions
	Login      *login.Service
	Orgs       *org.Service
	Platform   *platform.Service
	Advisories *advisory.Service
	// Record writes what an operator does to the platform into its audit log,
	// and Events reads that log, the newest first.
	Record func(ctx context.Context, c Change) error
	Events func(ctx context.Context, p LogPage) ([]audit.PlatformEvent, error)
	// LoginAt is an organization's address at which people log in, by its slug
	// and its own host name ("" for none); "" when there is none.
	LoginAt func(slug, host string) string
	// Jobs is River's own interface, below Path/river; nil for none.
	Jobs http.Handler
	Now  func() time.Time
}

// Handler serves the pages. It is safe for concurrent use.
type Handler struct {
	Config
	mux *http.ServeMux
}

// visit is a request of an operator.
type visit struct {
	login.OperatorSession
	form string
	ip   string
}

type visitKey struct{}

// who returns the operator of a request, whom the handler has let in.
func who(r *http.Request) visit {
	v, _ := r.Context().Value(visitKey{}).(visit)
	return v
}

// as is a request's context, in which its operator acts for a reason.
func as(r *http.Request, reason string) context.Context {
	v := who(r)
	return v.As(r.Context(), v.ip, reason)
}

// New returns the pages.
func New(c Config) *Handler {
	h := &Handler{Config: c, mux: http.NewServeMux()}
	for pattern, f := range map[string]http.HandlerFunc{
		"GET " + Path:                                 func(w http.ResponseWriter, _ *http.Request) { send(w, Path+"/") },
		"GET " + Path + "/{$}":                        h.overview,
		"GET " + Path + "/organizations":              h.organizations,
		"GET " + Path + "/organizations/{slug}":       h.organization,
		"GET " + Path + "/organizations/{slug}/{do}":  h.ask,
		"POST " + Path + "/organizations/{slug}/{do}": h.act,
		"GET " + Path + "/feeds":                      h.feeds,
		"GET " + Path + "/nodes":                      h.nodes,
		"GET " + Path + "/queues":                     h.queues,
		"GET " + Path + "/log":                        h.log,
		"GET " + Path + "/sessions":                   h.sessions,
		"POST " + Path + "/sessions":                  h.end,
		"POST " + Path + "/leave":                     h.leave,
		"GET " + Path + "/style.css":                  style,
	} {
		h.mux.HandleFunc(pattern, f)
	}
	if c.Jobs != nil {
		h.mux.HandleFunc(Path+"/river/", h.jobs)
	}
	return h
}

// ServeHTTP implements http.Handler. Whoever is no operator gets the answer of a
// path that does not exist, and so does a change that another page asked for:
// it may be an organization's, whose host is of the same site.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session, form, err := h.Sessions.Operator(r)
	if err != nil {
		if !errs.Is(err, errs.Unauthenticated) {
			slog.ErrorContext(r.Context(), "an operator's session cannot be read", "error", err)
		}
		http.NotFound(w, r)
		return
	}
	place, _ := protocol.PlaceOf(r.Context())
	if !protocol.SameOrigin(r, place) && (r.Method != http.MethodGet || !protocol.Navigates(r)) {
		http.NotFound(w, r)
		return
	}
	v := visit{session, form, place.IP}
	h.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitKey{}, v)))
}

// maxForm bounds a form, in bytes.
const maxForm = 64 << 10

// read reads a form that a page of the operator's session sent; it has answered
// when it returns false.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.ParseForm() != nil || !hmac.Equal([]byte(r.PostForm.Get("form")), []byte(who(r).form)) {
		http.NotFound(w, r)
		return false
	}
	return true
}
