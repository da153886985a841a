package pages

import (
	"log/slog"
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// OperatorPath is where operators' pages are, on the platform's own host.
const OperatorPath = "/-/operator"

// atPublicURL reports whether a request was sent to the platform's one address.
func (p *Pages) atPublicURL(place protocol.Place) bool {
	return place.Form == protocol.NoForm && place.Base == p.PublicURL && p.platformHere()
}

// operate turns a visit of an operator into a session of theirs. To everybody
// else there is nothing here, whatever the platform has.
func (p *Pages) operate(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	if r.Method != http.MethodPost || !p.atPublicURL(place) {
		http.NotFound(w, r)
		return
	}
	visit := p.secret(r, place, forVisit)
	if visit == "" || !p.form(w, r, place, formToken(visit)) {
		http.NotFound(w, r)
		return
	}
	secret, _, err := p.Login.Operate(r.Context(), visit, r.UserAgent(), place.IP)
	if err != nil {
		if !errs.Is(err, errs.Forbidden) {
			slog.ErrorContext(r.Context(), "an operator could not log in", "error", err)
		}
		http.NotFound(w, r)
		return
	}
	if old, _, err := p.Operator(r); err == nil {
		// A secret never outlives a login (fixation).
		if err := p.Login.EndOperator(old.As(r.Context(), place.IP, "logged in again"), old.ID); err != nil && !errs.Is(err, errs.NotFound) {
			slog.WarnContext(r.Context(), "an operator's old session could not be ended; it ends by itself", "error", err)
		}
	}
	p.set(w, place, forOperator, secret, login.OperatorTime)
	p.send(w, p.PublicURL+OperatorPath+"/")
}

// Operator returns the session of the operator who asks, and what their forms
// carry. Nobody is Unauthenticated, also whoever asks elsewhere than at the
// platform's one address.
func (p *Pages) Operator(r *http.Request) (login.OperatorSession, string, error) {
	place, _ := protocol.PlaceOf(r.Context())
	secret := ""
	if p.atPublicURL(place) {
		secret = p.secret(r, place, forOperator)
	}
	s, err := p.Login.Operator(r.Context(), secret)
	return s, formToken(secret), err
}

// ForgetOperator makes the browser forget the session.
func (p *Pages) ForgetOperator(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	p.clear(w, place, forOperator)
}
