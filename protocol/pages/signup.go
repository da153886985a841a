package pages

import (
	"errors"
	"net/http"
	"net/url"
	"unicode"
	"unicode/utf8"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
)

// signUpPage is on the platform's own host.
const signUpPage = "/login/sign-up"

// signsUp reports whether people may make organizations here: the operator lets
// them, and a new organization would have an address to log in at.
func (p *Pages) signsUp() bool {
	return p.Orgs != nil && p.Orgs.OpenSignUp && (p.Subdomains || p.Development)
}

// signUp shows the form for a new organization to a visitor.
func (p *Pages) signUp(w http.ResponseWriter, r *http.Request) {
	if who, form, ok := p.founder(w, r); ok {
		p.showSignUp(w, r, http.StatusOK, who, form, nil)
	}
}

// founder returns the visitor who makes an organization; nobody is sent to log
// in and comes back.
func (p *Pages) founder(w http.ResponseWriter, r *http.Request) (who login.Claims, form string, ok bool) {
	if !p.signsUp() {
		p.show(w, r, http.StatusNotFound, "sign-up", map[string]any{"Closed": true})
		return who, "", false
	}
	place, _ := protocol.PlaceOf(r.Context())
	secret := p.secret(r, place, forVisit)
	who, err := p.Login.Visitor(r.Context(), secret)
	switch {
	case errs.Is(err, errs.Forbidden) || err == nil && who.Issuer != p.Platform.Provider.Issuer:
		p.askPlatform(w, r, signUpPage)
	case err != nil:
		p.fail(w, r, err)
	default:
		ok = true
	}
	return who, formToken(secret), ok
}

func (p *Pages) showSignUp(w http.ResponseWriter, r *http.Request, status int, who login.Claims, form string, data map[string]any) {
	if data == nil {
		data = map[string]any{}
	}
	data["Who"], data["Form"], data["NoEmail"] = nameOf(who), form, who.Person().Email == ""
	data["Example"] = p.HomeOf("acme")
	p.show(w, r, status, "sign-up", data)
}

// found makes the organization with the visitor as its owner, and leads them
// in.
func (p *Pages) found(w http.ResponseWriter, r *http.Request) {
	who, form, ok := p.founder(w, r)
	if !ok {
		return
	}
	place, _ := protocol.PlaceOf(r.Context())
	if !p.form(w, r, place, form) {
		p.refuse(w, r, errs.New(errs.Forbidden, "pages.signUp", "the form is of another site or visitor"))
		return
	}
	in := org.Input{Slug: r.PostForm.Get("slug"), Name: r.PostForm.Get("name")}
	made, _, err := p.Access.SignUp(r.Context(), p.Orgs, in, who.Person(), p.Login.Bind)
	var e *errs.Error
	switch {
	case err == nil:
		// A page leads there: a form may lead to its own origin only.
		to := p.HomeOf(made.Slug) + "/login/start?" + url.Values{"provider": {login.PlatformName}}.Encode()
		p.show(w, r, http.StatusOK, "signed-up", map[string]any{"Next": to, "Made": made.Name, "Address": p.HomeOf(made.Slug)})
	case errors.As(err, &e) && (e.Kind == errs.Invalid || e.Kind == errs.Conflict):
		status := http.StatusUnprocessableEntity
		if e.Kind == errs.Conflict {
			status = http.StatusConflict
		}
		p.showSignUp(w, r, status, who, form, map[string]any{"Slug": in.Slug, "Name": in.Name, "Problem": problemOf(err)})
	default:
		p.fail(w, r, err)
	}
}

// problem is what is wrong with a form, and which field has it; "" is the whole.
type problem struct{ Field, Text string }

// On returns the text if the problem is the field's.
func (p *problem) On(field string) string {
	if p == nil || p.Field != field {
		return ""
	}
	return p.Text
}

// Whole returns the text unless it is one of the fields' own.
func (p *problem) Whole(fields ...string) string {
	if p == nil {
		return ""
	}
	for _, f := range fields {
		if p.Field == f {
			return ""
		}
	}
	return p.Text
}

func problemOf(err error) *problem {
	out := &problem{Text: sentence(errs.Public(err))}
	var e *errs.Error
	if errors.As(err, &e) {
		out.Field = e.Field
	}
	return out
}

// sentence begins a message with a capital letter, since here it stands alone.
func sentence(message string) string {
	first, size := utf8.DecodeRuneInString(message)
	return string(unicode.ToUpper(first)) + message[size:]
}
