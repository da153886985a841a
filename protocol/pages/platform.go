package pages

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/scope"
)

// continuePath is where the platform's own host answers a flow of an
// organization.
func continuePath(slug, state string) string {
	return "/login/continue?" + url.Values{"organization": {slug}, "state": {state}}.Encode()
}

var (
	slugForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	stateForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

// wanted reads a continuePath's values; "" and "" when they are none.
func wanted(r *http.Request) (slug, state string) {
	q := r.URL.Query()
	slug, state = q.Get("organization"), q.Get("state")
	if !slugForm.MatchString(slug) || !stateForm.MatchString(state) {
		return "", ""
	}
	return slug, state
}

// platformChoose shows the organizations of whoever logged in at the platform,
// or the way to log in. Nobody has a session here (T6).
func (p *Pages) platformChoose(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	secret := p.secret(r, place, forVisit)
	who, err := p.Login.Visitor(r.Context(), secret)
	if errs.Is(err, errs.Forbidden) {
		p.show(w, r, http.StatusOK, "platform", map[string]any{"Provider": p.Platform.Provider.Title, "SignsUp": p.signsUp()})
		return
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	choices, err := p.Login.Organizations(r.Context(), who)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	var links []link
	var names []string
	for _, c := range choices {
		if home := p.addressOf(c); home != "" {
			to := home + "/login"
			if !c.Exclusive {
				to = home + "/login/start?provider=" + login.PlatformName
			}
			links = append(links, link{c.Name, to})
		} else {
			names = append(names, c.Name)
		}
	}
	p.show(w, r, http.StatusOK, "organizations", map[string]any{"Who": nameOf(who), "Links": links, "Unreachable": names, "Form": formToken(secret),
		"SignsUp": p.signsUp(), "Operates": p.Login.IsOperator(who)})
}

func nameOf(who login.Claims) string {
	for _, s := range []string{who.Email, who.Name} {
		if s != "" {
			return s
		}
	}
	return "this account"
}

// addressOf is where people log in to an organization, "" when it has no host of
// its own.
func (p *Pages) addressOf(c login.Choice) string {
	switch {
	case p.Subdomains, p.Development:
		return p.HomeOf(c.Slug)
	case c.Host != "":
		scheme, rest, _ := strings.Cut(p.PublicURL, "://")
		port := ""
		if u, err := url.Parse(scheme + "://" + rest); err == nil && u.Port() != "" {
			port = ":" + u.Port()
		}
		return scheme + "://" + c.Host + port
	}
	return ""
}

// platformStart sends the person to the platform's provider.
func (p *Pages) platformStart(w http.ResponseWriter, r *http.Request) {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.start", "a %s asks", dest))
		return
	}
	p.askPlatform(w, r, "/login")
}

func (p *Pages) askPlatform(w http.ResponseWriter, r *http.Request, back string) {
	place, _ := protocol.PlaceOf(r.Context())
	begun, err := p.Login.BeginPlatform(r.Context(), back, p.PublicURL+"/login/callback")
	if err != nil {
		p.fail(w, r, err)
		return
	}
	to, err := p.Platform.Client.AuthURL(r.Context(), p.Platform.Provider, begun)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.set(w, place, forFlow, begun.Browser, login.FlowTime)
	p.send(w, to)
}

// platformCallback is where the platform's provider sends the person back to.
func (p *Pages) platformCallback(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	answer := r.URL.Query()
	browser := p.secret(r, place, forFlow)
	p.clear(w, place, forFlow)
	f, err := p.Login.TakePlatform(r.Context(), answer.Get("state"), browser)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	who, err := p.Platform.Client.Exchange(r.Context(), p.Platform.Provider, f, answer)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	secret, err := p.Login.Visit(r.Context(), who)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.set(w, place, forVisit, secret, login.VisitTime)
	p.send(w, p.PublicURL+f.Return)
}

// platformContinue answers a flow of an organization with a ticket, if the
// person is a member there or comes as a guest, and forgets who they are: the next
// one at the browser must not come in by a click when they have logged out. An
// organization that does not exist is refused like one that does not know the
// person (T3).
func (p *Pages) platformContinue(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	slug, state := wanted(r)
	if slug == "" {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.continue", "no organization or state is named"))
		return
	}
	secret := p.secret(r, place, forVisit)
	who, err := p.Login.Visitor(r.Context(), secret)
	if errs.Is(err, errs.Forbidden) || err == nil && who.Issuer != p.Platform.Provider.Issuer {
		p.askPlatform(w, r, continuePath(slug, state))
		return
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	choices, err := p.Login.Organizations(r.Context(), who)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	for _, c := range choices {
		if c.Slug == slug && !c.Exclusive {
			p.giveTicket(w, r, answer{c.ID, state, secret, who, nil})
			return
		}
	}
	// Whoever is no member may be a guest, with the state of a guest's login.
	ref, err := p.Organizations.BySlug(r.Context(), slug)
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.Forbidden, "pages.continue", "the account is no member of %q", slug)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.giveTicket(w, r, answer{ref.ID, state, secret, who, func(f login.Flow) bool { return forGuests(f.Return) }})
}

// answer is what a visit to the platform says to an organization's flow.
type answer struct {
	org    uuid.UUID
	state  string // of the flow
	secret string // of the visit
	who    login.Claims
	fits   func(login.Flow) bool // nil = any
}

// giveTicket answers a flow of an organization, if it fits, and ends the visit.
func (p *Pages) giveTicket(w http.ResponseWriter, r *http.Request, a answer) {
	ctx := scope.With(r.Context(), a.org)
	_, exclusive, err := p.Login.Choices(ctx)
	if err == nil && exclusive {
		err = errs.New(errs.Forbidden, "pages.continue", "the organization lets people in by its own provider only")
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	ticket, f, err := p.Login.Ticket(ctx, a.state, a.who, a.fits)
	if err == nil {
		err = p.Login.Leave(r.Context(), a.secret)
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	place, _ := protocol.PlaceOf(r.Context())
	p.clear(w, place, forVisit)
	p.send(w, f.RedirectURI+"?"+url.Values{"state": {a.state}, "ticket": {ticket}}.Encode())
}

// platformLeave forgets the visit, so that another account can be used.
func (p *Pages) platformLeave(w http.ResponseWriter, r *http.Request) {
	place, _ := protocol.PlaceOf(r.Context())
	secret := p.secret(r, place, forVisit)
	if !p.form(w, r, place, formToken(secret)) {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.leave", "the form is of another site"))
		return
	}
	if err := p.Login.Leave(r.Context(), secret); err != nil {
		p.fail(w, r, err)
		return
	}
	p.clear(w, place, forVisit)
	p.send(w, p.PublicURL+"/login")
}
