package pages

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// What became of an invitation that cannot be accepted, as the page says it.
const (
	invitationNone    = "none"
	invitationRevoked = "revoked"
	invitationUsed    = "used"
	invitationExpired = "expired"
	invitationOther   = "other" // it is for another e-mail address
	invitationNoEmail = "no-email"
)

// invitation is where the link in the mail leads: it says what the invitation
// is, lets the person log in, and then asks. Opening the link alone changes
// nothing, since programs open links too.
func (p *Pages) invitation(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	inv, ok := p.openInvitation(w, r)
	if !ok {
		return
	}
	g, known, err := p.guest(r, place)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	data := map[string]any{"Invitation": inv, "At": p.at(r)}
	if known {
		p.askGuest(w, r, inv, g, data)
		return
	}
	links, err := p.ways(r, place, p.at(r))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	data["Links"] = links
	p.show(w, r, http.StatusOK, "invitation", data)
}

// at is the path of an invitation's page.
func (p *Pages) at(r *http.Request) string { return InvitationPath(r.PathValue("secret")) }

// askGuest asks whether the person accepts, or says why they cannot.
func (p *Pages) askGuest(w http.ResponseWriter, r *http.Request, inv access.Invitation, g guest, data map[string]any) {
	data["Who"], data["Form"] = g.called(), g.form
	switch g.Person.Email {
	case inv.Email:
		p.show(w, r, http.StatusOK, "invitation", data)
	case "":
		data["State"] = invitationNoEmail
		p.show(w, r, http.StatusForbidden, "invitation-not", data)
	default:
		data["State"] = invitationOther
		p.show(w, r, http.StatusForbidden, "invitation-not", data)
	}
}

// openInvitation finds the invitation of the address. One that cannot be
// accepted has a page that says why; whoever has its secret may know.
func (p *Pages) openInvitation(w http.ResponseWriter, r *http.Request) (access.Invitation, bool) {
	inv, err := p.Access.InvitationOf(r.Context(), r.PathValue("secret"))
	status := http.StatusGone
	var state string
	switch {
	case errs.Is(err, errs.NotFound):
		status, state = http.StatusNotFound, invitationNone
	case err != nil:
		p.fail(w, r, err)
		return inv, false
	case inv.AcceptedAt != nil:
		state = invitationUsed
	case inv.RevokedAt != nil:
		state = invitationRevoked
	case !p.Now().Before(inv.ExpiresAt):
		state = invitationExpired
	default:
		return inv, true
	}
	p.show(w, r, status, "invitation-not", map[string]any{"State": state, "Invitation": inv})
	return inv, false
}

// acceptInvitation makes the guest a member and opens their session.
func (p *Pages) acceptInvitation(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	g, known, err := p.guest(r, place)
	switch {
	case err != nil:
		p.fail(w, r, err)
		return
	case !known: // the five minutes are over: the page asks to log in again
		p.send(w, place.Home+p.at(r))
		return
	case !p.form(w, r, place, g.form):
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.acceptInvitation", "the form is of another site or guest"))
		return
	}
	inv, ok := p.openInvitation(w, r)
	if !ok {
		return
	}
	a := login.Arrival{IP: place.IP, Agent: r.UserAgent(), Old: p.secret(r, place, forSession)}
	secret, s, err := p.Login.AcceptInvitation(r.Context(), g.secret, r.PathValue("secret"), a)
	switch {
	case errs.Is(err, errs.NotFound) && g.Person.Email != inv.Email:
		p.askGuest(w, r, inv, g, map[string]any{"Invitation": inv, "At": p.at(r)})
	case errs.Is(err, errs.NotFound):
		// Whoever invited them could not do so now.
		p.show(w, r, http.StatusGone, "invitation-not", map[string]any{"State": invitationNone})
	case errs.Is(err, errs.Invalid), errs.Is(err, errs.Conflict):
		p.show(w, r, http.StatusConflict, "invitation-not", map[string]any{"Problem": sentence(errs.Public(err)), "Who": g.called(), "Form": g.form, "At": p.at(r)})
	case err != nil:
		p.fail(w, r, err)
	default:
		p.clear(w, place, forGuest)
		p.welcome(w, place, secret, s, "")
	}
}
