package pages

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// takesRequests reports whether strangers may ask to become members here.
func (p *Pages) takesRequests(r *http.Request) (bool, error) {
	if p.Orgs == nil {
		return false, nil
	}
	o, err := p.Orgs.Get(r.Context())
	return err == nil && o.JoinRequests, err
}

// join lets a person log in and then ask to become a member.
func (p *Pages) join(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	takes, err := p.takesRequests(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if !takes {
		p.show(w, r, http.StatusNotFound, "join", map[string]any{"Closed": true})
		return
	}
	g, known, err := p.guest(r, place)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if known {
		p.showJoin(w, r, http.StatusOK, g, nil)
		return
	}
	links, err := p.ways(r, place, joinPage)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, "join", map[string]any{"Links": links})
}

func (p *Pages) showJoin(w http.ResponseWriter, r *http.Request, status int, g guest, data map[string]any) {
	if data == nil {
		data = map[string]any{}
	}
	data["Who"], data["Form"], data["At"], data["Most"] = g.called(), g.form, joinPage, access.MaxJoinMessage
	data["NoEmail"] = g.Person.Email == ""
	p.show(w, r, status, "join", data)
}

// requestToJoin asks. Asking again shows the same page and changes nothing.
func (p *Pages) requestToJoin(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	g, known, err := p.guest(r, place)
	switch {
	case err != nil:
		p.fail(w, r, err)
		return
	case !known:
		p.send(w, place.Home+joinPage)
		return
	case !p.form(w, r, place, g.form):
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.requestToJoin", "the form is of another site or guest"))
		return
	}
	message := r.PostForm.Get("message")
	_, err = p.Login.RequestToJoin(r.Context(), g.secret, message)
	switch {
	case errs.Is(err, errs.Invalid):
		p.showJoin(w, r, http.StatusUnprocessableEntity, g, map[string]any{"Problem": sentence(errs.Public(err)), "Message": message})
	case errs.Is(err, errs.Conflict):
		p.showJoin(w, r, http.StatusConflict, g, map[string]any{"Problem": sentence(errs.Public(err)), "Message": message})
	case err != nil:
		p.fail(w, r, err)
	default:
		p.showJoin(w, r, http.StatusOK, g, map[string]any{"Asked": true})
	}
}
