package protocol

import (
	"net/http"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Sessions finds who a browser is logged in as. Mounts ask it for requests that
// carry no token; package routes never do (T6).
type Sessions interface {
	// Subject returns the subject of the request's session, the anonymous one
	// when it has none that is alive. The context is bound to the organization.
	Subject(r *http.Request, p Place) (access.Subject, error)
}

// subject returns who a mount's request is from: by its token, else by its
// session. A browser sends a session along whoever made it ask, so that one
// counts only where the organization's own pages asked, or where a person goes
// to a page; a change that other pages asked for is an error (CSRF).
func (s *Server) subject(r *http.Request, p Place) (access.Subject, error) {
	if _, given := secretOf(r.Header); given || s.Sessions == nil {
		return authenticate(r.Context(), s.Access, r.Header, p.IP)
	}
	who, err := s.Sessions.Subject(r, p)
	if err != nil || who.IsAnonymous() || SameOrigin(r, p) {
		return who, err
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return access.Anonymous(), errs.New(errs.Forbidden, "protocol.Server", "the request came from a page of another site")
	}
	if Navigates(r) {
		return who, nil
	}
	return access.Anonymous(), nil
}

// SameOrigin reports whether a page of the very origin that the request was sent
// to asked, or the person by hand. Another organization's subdomain is another
// origin. Whoever says nothing about that is believed for GET and HEAD only,
// for browsers from before Sec-Fetch-Site; all of them send Origin with the
// rest.
func SameOrigin(r *http.Request, p Place) bool {
	origin := r.Header.Values("Origin")
	if len(origin) > 1 || len(origin) == 1 && origin[0] != originOf(p) {
		return false
	}
	switch site := r.Header.Values("Sec-Fetch-Site"); {
	case len(site) > 1:
		return false
	case len(site) == 1:
		return site[0] == "same-origin" || site[0] == "none"
	}
	return len(origin) == 1 || r.Method == http.MethodGet || r.Method == http.MethodHead
}

// originOf is the origin of what is at the place, as browsers write it.
func originOf(p Place) string {
	for i, slashes := 0, 0; i < len(p.Base); i++ {
		if p.Base[i] == '/' {
			if slashes++; slashes == 3 {
				return p.Base[:i]
			}
		}
	}
	return p.Base
}

// Navigates reports whether a person goes to the address with a window of their
// own: no image, frame or script of another page.
func Navigates(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}
