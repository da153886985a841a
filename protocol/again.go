package protocol

import (
	"context"
	"net/http"

	"sluice.dev/sluice/tenants/access"
)

// Standing is a [Sessions] that can tell who a browser is logged in as without
// taking that for a use of the session: what only waits for news shall not keep
// a session from running out.
type Standing interface {
	// Standing is Subject of [Sessions] that notes no use.
	Standing(r *http.Request, p Place) (access.Subject, error)
}

// withAgain lets what answers the request over a long time ask who it is from
// once more. That no other site asked was found out when it came.
func (s *Server) withAgain(ctx context.Context, r *http.Request, p Place) context.Context {
	return access.WithAgain(ctx, func(now context.Context) (access.Subject, error) {
		if _, given := secretOf(r.Header); given || s.Sessions == nil {
			return authenticate(now, s.Access, r.Header, p.IP)
		}
		again := r.WithContext(now)
		if st, ok := s.Sessions.(Standing); ok {
			return st.Standing(again, p)
		}
		return s.Sessions.Subject(again, p)
	})
}
