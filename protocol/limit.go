package protocol

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/access/pace"
)

// Limits bounds how many requests are answered (T5); *pace.Limiter does.
type Limits interface {
	// Wait counts a request; 0 lets it go on, else it is how long the client
	// should wait.
	Wait(r pace.Request) time.Duration
}

// refusedForNow counts a request that was authenticated and may read what it
// asks for, and answers it with 429 when there are too many. Before that
// nothing is counted: a 401 is how some clients ask for a credential's turn
// (Maven, NuGet), and what is refused costs little.
func (s *Server) refusedForNow(w http.ResponseWriter, r *http.Request, p Place, who access.Subject) bool {
	if s.Limits == nil {
		return false
	}
	req := pace.Request{Org: p.Org.ID, Quota: p.Org.Requests, Who: who.TokenID, IP: p.IP,
		Write: r.Method == http.MethodPut || r.Method == http.MethodDelete || r.Method == http.MethodPatch}
	if req.Who == uuid.Nil {
		req.Who = who.MemberID
	}
	wait := s.Limits.Wait(req)
	if wait > 0 {
		tooMany(w, r, wait)
	}
	return wait > 0
}

// tooMany answers 429 with whole seconds to wait, which is what Retry-After has
// and clients keep to (RFC 9110 10.2.3).
func tooMany(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	seconds := int64(math.Ceil(wait.Seconds()))
	message := fmt.Sprintf("too many requests at once; try again in %d s", seconds)
	h := w.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	status := http.StatusTooManyRequests
	answer(w, r, problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: message, Error: message, Code: "TOO_MANY_REQUESTS"},
		problemPhrase(status, message))
}
