package pages

import (
	"crypto/hmac"
	"net/http"
	"net/url"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Greets implements [protocol.People].
func (p *Pages) Greets(r *http.Request) (name, form string, ok bool) {
	place, _ := protocol.PlaceOf(r.Context())
	v, ok, err := p.visitor(r, place)
	if err != nil || !ok {
		return "", "", false
	}
	return v.Name, v.form, true
}

// LoginAt implements [protocol.People].
func (p *Pages) LoginAt(r *http.Request, back string) string {
	place, _ := protocol.PlaceOf(r.Context())
	if !p.home(place) {
		return ""
	}
	return place.Home + "/login?" + url.Values{"return": {back}}.Encode()
}

// Visit implements [protocol.Visitor] by the session of whoever sent the form,
// which must be of this origin and carry the session's token: the browser sends
// its cookie along whoever made it ask.
func (p *Pages) Visit(r *http.Request, _ string) (access.Subject, error) {
	place, _ := protocol.PlaceOf(r.Context())
	v, ok, err := p.visitor(r, place)
	switch {
	case err != nil:
		return access.Subject{}, err
	case !ok:
		return access.Subject{}, errs.New(errs.Unauthenticated, "pages.Visit", "you are not logged in any more; log in again, or give a token")
	case !protocol.SameOrigin(r, place) || !hmac.Equal([]byte(r.PostForm.Get("form")), []byte(v.form)):
		return access.Subject{}, errs.New(errs.Forbidden, "pages.Visit", "the form is of another site or session; open the page again")
	}
	return v.Subject, nil
}

// Addresses are what an identity provider must know of an organization: where
// people come back to with a code, where it tells of logouts, and where people
// come back to who logged out there. They are at the address where people log
// in, whatever address asks.
func (p *Pages) Addresses(place protocol.Place, provider string) (redirect, backchannel, afterLogout string) {
	at := place
	if home := p.properHome(place); home != "" && !p.home(place) {
		at.Home = home
	}
	return callbackOf(at, provider), at.Home + "/login/backchannel/" + provider, at.Home + "/login"
}
