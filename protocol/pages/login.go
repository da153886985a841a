package pages

import (
	"log/slog"
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// link is one provider on the login page.
type link struct{ Title, URL string }

// choose shows which providers there are.
func (p *Pages) choose(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	links, err := p.ways(r, place, login.LocalPath(r.URL.Query().Get("return")))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	takes, err := p.takesRequests(r)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	data := map[string]any{"Links": links, "Joins": takes && len(links) > 0}
	if v, ok, err := p.visitor(r, place); err == nil && ok {
		data["Who"], data["Form"] = v.Name, v.form
	}
	p.show(w, r, http.StatusOK, "login", data)
}

func (p *Pages) platformHere() bool { return p.Platform != nil && p.secure(p.PublicURL) }

// start begins a login and sends the person to the provider. It changes nothing
// but that, so that a link can lead here; a frame or picture cannot.
func (p *Pages) start(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.start", "a %s asks", dest))
		return
	}
	name, back := r.URL.Query().Get("provider"), r.URL.Query().Get("return")
	if name == login.PlatformName && p.platformHere() {
		p.startAtPlatform(w, r, place, back)
		return
	}
	provider, err := p.Login.ProviderToAsk(r.Context(), name)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	begun, err := p.Login.Begin(r.Context(), provider.ID, back, callbackOf(place, provider.Name))
	if err != nil {
		p.fail(w, r, err)
		return
	}
	to, err := p.Client.AuthURL(r.Context(), provider, begun)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.set(w, place, forFlow, begun.Browser, login.FlowTime)
	p.send(w, to)
}

// startAtPlatform sends the person to the platform's own host, which its
// provider knows, with the state of a flow that waits here.
func (p *Pages) startAtPlatform(w http.ResponseWriter, r *http.Request, place protocol.Place, back string) {
	_, exclusive, err := p.Login.Choices(r.Context())
	if err == nil && exclusive {
		err = errs.New(errs.Forbidden, "pages.start", "the organization lets people in by its own provider only")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	begun, err := p.Login.Begin(r.Context(), p.Platform.Provider.ID, back, place.Home+"/login/enter")
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.set(w, place, forFlow, begun.Browser, login.FlowTime)
	p.send(w, p.PublicURL+continuePath(place.Org.Slug, begun.State))
}

// callbackOf is the redirect URI of a provider: one of its own, so that another
// one's answer comes to another address (RFC 9700, section 4.4.2).
func callbackOf(place protocol.Place, name string) string {
	return place.Home + "/login/callback/" + name
}

// callback is where an organization's provider sends the person back to.
func (p *Pages) callback(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	answer := r.URL.Query()
	browser := p.secret(r, place, forFlow)
	p.clear(w, place, forFlow)
	f, err := p.Login.Take(r.Context(), answer.Get("state"), browser)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	provider, err := p.Login.ProviderToAsk(r.Context(), r.PathValue("provider"))
	switch {
	case err != nil:
	case provider.ID != f.Provider:
		err = errs.New(errs.Forbidden, "pages.callback", "the answer came to the address of another provider")
	case f.RedirectURI != callbackOf(place, provider.Name):
		err = errs.New(errs.Forbidden, "pages.callback", "the login began at another address")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	claims, err := p.Client.Exchange(r.Context(), provider, f, answer)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.arrive(w, r, place, login.Arrival{Provider: provider, Claims: claims}, f.Return)
}

// enter is where the platform's own host sends the person back to.
func (p *Pages) enter(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	q := r.URL.Query()
	browser := p.secret(r, place, forFlow)
	p.clear(w, place, forFlow)
	f, who, err := p.Login.TakeTicket(r.Context(), q.Get("state"), browser, q.Get("ticket"))
	switch {
	case err != nil:
	case !p.platformHere() || who.Issuer != p.Platform.Provider.Issuer:
		err = errs.New(errs.Forbidden, "pages.enter", "the platform's provider is another one now")
	case f.RedirectURI != place.Home+"/login/enter":
		err = errs.New(errs.Forbidden, "pages.enter", "the login began at another address")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.arrive(w, r, place, login.Arrival{Provider: p.Platform.Provider, Claims: who}, f.Return)
}

// arrive goes on with whom a provider vouched for: as a guest where the path is
// for guests, else with a session.
func (p *Pages) arrive(w http.ResponseWriter, r *http.Request, place protocol.Place, a login.Arrival, back string) {
	if forGuests(back) {
		p.receive(w, r, place, a, back)
		return
	}
	p.letIn(w, r, place, a, back)
}

// letIn opens the session and leads on. A local path is joined to the
// organization's own address, so that it leads nowhere else.
func (p *Pages) letIn(w http.ResponseWriter, r *http.Request, place protocol.Place, a login.Arrival, back string) {
	a.IP, a.Agent, a.Old = place.IP, r.UserAgent(), p.secret(r, place, forSession)
	secret, s, err := p.Login.Enter(r.Context(), a)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.welcome(w, place, secret, s, back)
}

func (p *Pages) welcome(w http.ResponseWriter, place protocol.Place, secret string, s login.Session, back string) {
	p.set(w, place, forSession, secret, s.ExpiresAt.Sub(s.CreatedAt))
	if back = login.LocalPath(back); back == "" {
		back = landing
	}
	p.send(w, place.Home+back)
}

// askBreakGlass shows a button: what opens links by itself must not use one up.
func (p *Pages) askBreakGlass(w http.ResponseWriter, r *http.Request) {
	p.show(w, r, http.StatusOK, "break-glass", map[string]any{"Secret": r.URL.Query().Get("link")})
}

func (p *Pages) breakGlass(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	if !p.form(w, r, place, "") {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.breakGlass", "the form is of another site"))
		return
	}
	a := login.Arrival{IP: place.IP, Agent: r.UserAgent(), Old: p.secret(r, place, forSession)}
	secret, s, err := p.Login.EnterByLink(r.Context(), r.PostForm.Get("link"), a)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	slog.WarnContext(r.Context(), "an owner came in by a break-glass link", "organization", place.Org.Slug, "ip", place.IP)
	p.welcome(w, place, secret, s, "")
}
