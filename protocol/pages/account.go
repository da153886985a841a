package pages

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// who returns whom a page is for; nobody is sent to log in and comes back.
func (p *Pages) who(w http.ResponseWriter, r *http.Request) (visitor, protocol.Place, bool) {
	place, _ := protocol.PlaceOf(r.Context())
	v, ok, err := p.visitor(r, place)
	switch {
	case err != nil:
		p.fail(w, r, err)
	case !ok && r.Method == http.MethodGet:
		p.send(w, place.Home+"/login?"+url.Values{"return": {r.URL.RequestURI()}}.Encode())
	case !ok:
		p.send(w, place.Home+"/login")
	case r.Method != http.MethodGet && !p.form(w, r, place, v.form):
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.form", "the form is of another site or session"))
		ok = false
	}
	return v, place, ok && err == nil
}

func (p *Pages) account(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	p.send(w, place.Home+"/account/sessions")
}

// sessions lists one's own, or everybody's for those who may end them.
func (p *Pages) sessions(w http.ResponseWriter, r *http.Request) {
	v, _, ok := p.who(w, r)
	if !ok {
		return
	}
	manages, err := p.Access.Can(r.Context(), v.Subject, access.MemberManage, uuid.Nil)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	all := manages && r.URL.Query().Has("all")
	list, err := p.Login.Sessions(r.Context(), all)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, "sessions", map[string]any{"Who": v.Name, "Form": v.form, "Sessions": list, "Current": v.session.ID, "All": all, "Manages": manages})
}

func (p *Pages) endSession(w http.ResponseWriter, r *http.Request) {
	v, place, ok := p.who(w, r)
	if !ok {
		return
	}
	back := "/account/sessions"
	if r.PostForm.Has("others") {
		if _, err := p.Login.EndOthers(r.Context(), v.session.ID); err != nil {
			p.fail(w, r, err)
			return
		}
		p.send(w, place.Home+back)
		return
	}
	id, err := uuid.Parse(r.PostForm.Get("session"))
	if err == nil {
		err = p.Login.End(r.Context(), id)
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		p.fail(w, r, err)
		return
	}
	if r.PostForm.Has("all") {
		back += "?all"
	}
	p.send(w, place.Home+back)
}

// tokens lists one's own tokens that are valid, and has the form for a new one.
func (p *Pages) tokens(w http.ResponseWriter, r *http.Request) {
	if v, _, ok := p.who(w, r); ok {
		p.showTokens(w, r, v, http.StatusOK, nil)
	}
}

func (p *Pages) showTokens(w http.ResponseWriter, r *http.Request, v visitor, status int, data map[string]any) {
	registries, err := p.Registries(r.Context())
	if err != nil {
		p.fail(w, r, err)
		return
	}
	own, err := p.ownTokens(r, v)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if data == nil {
		data = map[string]any{}
	}
	names := map[uuid.UUID]string{}
	for _, g := range registries {
		names[g.ID] = g.Name
	}
	data["Who"], data["Form"], data["Tokens"], data["Registries"], data["Names"], data["Days"] = v.Name, v.form, own, registries, names, tokenDays
	if data["Typed"] == nil {
		data["Typed"] = typedToken{Access: "read", Days: "90"}
	}
	p.show(w, r, status, "tokens", data)
}

// ownTokens reads every page of the list: for some, it has everybody's.
func (p *Pages) ownTokens(r *http.Request, v visitor) (out []access.Token, err error) {
	now := p.Now()
	for after := uuid.Nil; ; {
		page, err := p.Access.Tokens(r.Context(), access.Page{After: after, Limit: 200})
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, t := range page {
			if t.MemberID == v.MemberID && t.RevokedAt == nil && (t.ExpiresAt == nil || t.ExpiresAt.After(now)) {
				out = append(out, t)
			}
		}
		after = page[len(page)-1].ID
	}
}

func (p *Pages) revokeToken(w http.ResponseWriter, r *http.Request) {
	v, place, ok := p.who(w, r)
	if !ok {
		return
	}
	id, err := uuid.Parse(r.PostForm.Get("token"))
	if err == nil {
		err = p.revokeOwn(r, v, id)
	}
	if err != nil && !errs.Is(err, errs.NotFound) && !errors.Is(err, errNotMine) {
		p.fail(w, r, err)
		return
	}
	p.send(w, place.Home+"/account/tokens")
}

var errNotMine = errors.New("the token is not one's own")

// revokeOwn revokes what the page lists: who may revoke everybody's tokens does
// that elsewhere, not by a number in a form.
func (p *Pages) revokeOwn(r *http.Request, v visitor, id uuid.UUID) error {
	own, err := p.ownTokens(r, v)
	if err != nil {
		return err
	}
	for _, t := range own {
		if t.ID == id {
			return p.Access.RevokeToken(r.Context(), id)
		}
	}
	return errNotMine
}
