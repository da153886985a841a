package pages

import (
	"net/http"
	"net/url"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// Pages for people who have no membership yet.
const (
	joinPage       = "/join"
	invitationPage = "/invitation/"
)

// forGuest is the cookie of somebody who was vouched for and has no session.
const forGuest = "guest"

// InvitationPath is where the link of an invitation leads, below the
// organization's own address.
func InvitationPath(secret string) string { return invitationPage + url.PathEscape(secret) }

// forGuests reports whether a login that goes on to a path is a guest's: it
// opens no session, and needs no membership.
func forGuests(back string) bool {
	page, _, _ := strings.Cut(back, "?")
	return page == joinPage || strings.HasPrefix(page, invitationPage) && len(page) > len(invitationPage)
}

// receive lets somebody whom a provider vouched for go on as a guest. Whatever
// guest the browser was before is none any more.
func (p *Pages) receive(w http.ResponseWriter, r *http.Request, place protocol.Place, a login.Arrival, back string) {
	if err := p.Login.Dismiss(r.Context(), p.secret(r, place, forGuest)); err != nil {
		p.fail(w, r, err)
		return
	}
	secret, err := p.Login.Receive(r.Context(), a.Provider, a.Claims)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.set(w, place, forGuest, secret, login.VisitTime)
	p.send(w, place.Home+back)
}

// guest is a guest who looks at a page.
type guest struct {
	login.Guest
	secret string
	form   string // the token that their forms carry
}

// guest returns whom a page is for, and false when nobody was vouched for, or
// not lately, or by a provider that is the platform's no more.
func (p *Pages) guest(r *http.Request, place protocol.Place) (guest, bool, error) {
	secret := p.secret(r, place, forGuest)
	g, err := p.Login.Guest(r.Context(), secret)
	switch {
	case errs.Is(err, errs.Forbidden):
		return guest{}, false, nil
	case err != nil:
		return guest{}, false, err
	case g.Provider.Name == login.PlatformName && (!p.platformHere() || g.Claims.Issuer != p.Platform.Provider.Issuer):
		return guest{}, false, nil
	}
	return guest{g, secret, formToken(secret)}, true, nil
}

// called is how a page names the guest.
func (g guest) called() string {
	if g.Person.Email != "" {
		return g.Person.Email
	}
	return nameOf(g.Claims)
}

// ways are the links by which somebody logs in and comes back to a path.
func (p *Pages) ways(r *http.Request, place protocol.Place, back string) ([]link, error) {
	own, exclusive, err := p.Login.Choices(r.Context())
	if err != nil {
		return nil, err
	}
	var links []link
	add := func(title, name string) {
		q := url.Values{"provider": {name}}
		if back != "" {
			q.Set("return", back)
		}
		links = append(links, link{title, place.Home + "/login/start?" + q.Encode()})
	}
	for _, c := range own {
		add(c.Title, c.Name)
	}
	if p.platformHere() && !exclusive {
		add(p.Platform.Provider.Title, login.PlatformName)
	}
	return links, nil
}

// leaveGuest forgets who the guest is, so that another account can be used.
func (p *Pages) leaveGuest(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	secret := p.secret(r, place, forGuest)
	if !p.form(w, r, place, formToken(secret)) {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.leaveGuest", "the form is of another site or guest"))
		return
	}
	if err := p.Login.Dismiss(r.Context(), secret); err != nil {
		p.fail(w, r, err)
		return
	}
	p.clear(w, place, forGuest)
	back := login.LocalPath(r.PostForm.Get("return"))
	if !forGuests(back) {
		back = "/login"
	}
	p.send(w, place.Home+back)
}
