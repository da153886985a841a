package protocol

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Logins is what the login page needs of logins; *access.Logins is one.
type Logins interface {
	Read(ctx context.Context, page string) (access.LoginRequest, error)
	Approve(ctx context.Context, page string, registry uuid.UUID) (access.Token, error)
}

// Visitor finds out on whose behalf a form was sent. [TokenVisitor] asks for an
// access token in the form; a session is another one, and brings its own proof
// that the form is its page's.
type Visitor interface {
	// Visit returns the subject of a parsed form; errs.Unauthenticated with
	// what to tell the person when it is nobody's.
	Visit(r *http.Request, ip string) (access.Subject, error)
}

// People know who looks at a page with a session; *pages.Pages do. Visit is of
// the form with the token that Greets returned.
type People interface {
	Visitor
	// Greets returns the name of whom the page is for and what its form must
	// carry in the field form; false for nobody.
	Greets(r *http.Request) (name, form string, ok bool)
	// LoginAt is where somebody logs in and then comes back to a path below the
	// organization's root, "" where no sessions exist.
	LoginAt(r *http.Request, back string) string
}

// TokenVisitor is a [Visitor] by the access token in the form's field token.
// The browser sends nothing by itself that would say yes, so that no other site
// can make it do so.
type TokenVisitor struct{ Access Access }

// Visit implements Visitor.
func (v TokenVisitor) Visit(r *http.Request, ip string) (access.Subject, error) {
	return v.Access.Authenticate(r.Context(), r.PostForm.Get("token"), ip)
}

// LoginPage answers /-/login/{secret}: the page on which a person lets a
// command-line client in.
type LoginPage struct {
	Logins     Logins
	Visitor    Visitor
	People     People // nil for none: then only the visitor's way is there
	Access     Access
	Registries Registries
	Attempts   *Attempts
}

// maxForm bounds what the page's form may send, in bytes.
const maxForm = 16 << 10

// ServeHTTP implements http.Handler.
func (p *LoginPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secret := path.Base(r.URL.Path)
	asked, err := p.Logins.Read(r.Context(), secret)
	switch {
	case err != nil:
		loginAnswer(w, r, "none", statusOf(err), view{Problem: errs.Public(err)})
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		p.ask(w, r, http.StatusOK, asked, "")
	case r.Method == http.MethodPost:
		p.answer(w, r, secret, asked)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		loginAnswer(w, r, "none", http.StatusMethodNotAllowed, view{Problem: "Only GET, HEAD and POST work here."})
	}
}

func (p *LoginPage) answer(w http.ResponseWriter, r *http.Request, secret string, asked access.LoginRequest) {
	made, err := p.approve(w, r, secret, asked)
	var later *errLater
	switch {
	case errors.As(err, &later):
		w.Header().Set("Retry-After", strconv.Itoa(int(later.wait.Seconds())+1))
		p.ask(w, r, http.StatusTooManyRequests, asked, later.Error())
	case errs.Is(err, errs.Conflict):
		loginAnswer(w, r, "none", http.StatusConflict, view{Problem: errs.Public(err)})
	case err != nil:
		p.ask(w, r, statusOf(err), asked, errs.Public(err))
	default:
		loginAnswer(w, r, "done", http.StatusOK, view{LoginRequest: asked, Token: made, BySession: p.bySession(r)})
	}
}

// ask shows the form: a button for who is logged in, else the way to log in;
// and the field for a token always.
func (p *LoginPage) ask(w http.ResponseWriter, r *http.Request, status int, asked access.LoginRequest, problem string) {
	v := view{LoginRequest: asked, Problem: problem}
	if p.People != nil {
		if name, form, ok := p.People.Greets(r); ok {
			v.Who, v.Form = name, form
		} else {
			v.LoginAt = p.People.LoginAt(r, r.URL.EscapedPath())
		}
	}
	loginAnswer(w, r, "ask", status, v)
}

// bySession reports whether a parsed form is the button's.
func (p *LoginPage) bySession(r *http.Request) bool { return p.People != nil && r.PostForm.Has("form") }

// errLater refuses to look at a secret for a while.
type errLater struct{ wait time.Duration }

func (e *errLater) Error() string {
	return "too many tokens from this address were wrong; try again in " + (e.wait + time.Second).Truncate(time.Second).String()
}

func (p *LoginPage) approve(w http.ResponseWriter, r *http.Request, secret string, asked access.LoginRequest) (access.Token, error) {
	place, _ := PlaceOf(r.Context())
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return access.Token{}, errs.Wrap(err, errs.Invalid, "protocol.LoginPage", "the form cannot be read; it has %d bytes at most", maxForm)
	}
	who, err := p.visit(r, place.IP)
	if err != nil {
		return access.Token{}, err
	}
	reg, err := ReadableRegistry(r.Context(), p.Registries, p.Access, who, asked.Registry)
	if err != nil {
		return access.Token{}, err
	}
	return p.Logins.Approve(access.As(r.Context(), who, place.IP), secret, reg)
}

// visit finds out who says yes. Nobody guesses a session, since its cookie was
// looked at before; tokens that are wrong are counted.
func (p *LoginPage) visit(r *http.Request, ip string) (access.Subject, error) {
	if p.bySession(r) {
		return p.People.Visit(r, ip)
	}
	if wait := p.Attempts.Wait(ip); wait > 0 {
		return access.Subject{}, &errLater{wait}
	}
	who, err := p.Visitor.Visit(r, ip)
	if errs.Is(err, errs.Unauthenticated) {
		p.Attempts.Failed(ip)
	}
	return who, err
}

// ReadableRegistry finds the npm registry of a name that the subject may read;
// errs.NotFound when it does not exist or may not be known to (T3).
func ReadableRegistry(ctx context.Context, all Registries, a Access, who access.Subject, name string) (uuid.UUID, error) {
	ref, err := all.ByName(ctx, coord.NPM, name)
	if err == nil {
		var may bool
		if may, err = a.Reads(ctx, who, ref.ID); err == nil && !may {
			err = noRegistry()
		}
	}
	if errs.Is(err, errs.NotFound) {
		return uuid.Nil, noRegistry()
	}
	return ref.ID, err
}

// statusOf is the status of a page: one that asks for a token has no header by
// which a browser could ask for it.
func statusOf(err error) int {
	if errs.Is(err, errs.Unauthenticated) {
		return http.StatusForbidden
	}
	return statuses[errs.KindOf(err)]
}

// view is what the templates show.
type view struct {
	access.LoginRequest
	Token     access.Token
	Problem   string
	Who       string // who is logged in, "" for nobody
	Form      string // what their form carries
	LoginAt   string // where to log in, "" for nowhere
	BySession bool
}

func loginAnswer(w http.ResponseWriter, r *http.Request, name string, status int, v view) {
	h := w.Header()
	Harden(h)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "private, no-store")
	// The address is a secret, which goes to no other site. To its own it does: a
	// browser that tells no referrer tells no Origin either.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = loginPage.ExecuteTemplate(w, name, v)
	}
}

var loginPage = template.Must(template.New("login").Funcs(template.FuncMap{"minute": minute}).Parse(`
{{- define "head"}}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.}}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.4rem;margin:0 0 1rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 0}details{margin-top:2rem}summary{cursor:pointer}code{background:#eef1f5;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}
.why{border-left:4px solid #c0392b;padding:.4rem 1rem;margin:.8rem 0;background:#fdf3f2}
.do{border-left:4px solid #1e8449;padding:.4rem 1rem;margin:.8rem 0;background:#f0f9f3}
label{display:block;margin:1rem 0 .3rem;font-weight:600}
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #97a3b4;border-radius:4px;background:inherit;color:inherit}
button,.button{display:inline-block;font:inherit;font-weight:600;margin-top:1rem;padding:.5rem 1.2rem;border:0;border-radius:4px;background:#1e6fb8;color:#fff;text-decoration:none;cursor:pointer;overflow-wrap:anywhere}
:focus-visible{outline:3px solid #1e6fb8;outline-offset:2px}
small{color:#5b6675}
@media(prefers-color-scheme:dark){body{background:#14181f;color:#e6eaf0}code{background:#252c37}.why{background:#2c1b1a}.do{background:#16281c}small{color:#97a3b4}}
</style></head><body>{{end}}
{{- define "none"}}{{template "head" "No such login"}}
<h1>Nothing waits here</h1>
<div class="why" role="alert">{{.Problem}}</div>
</body></html>
{{end}}
{{- define "done"}}{{template "head" "Logged in"}}
<h1>You are logged in</h1>
<div class="do">The client has the token <strong>{{.Token.Name}}</strong>, which ends in <code>{{.Token.Hint}}</code>
{{- with .Token.ExpiresAt}} and is valid until {{minute .}}{{end}}. Go back to it; you can close this page.</div>
<p><small><code>npm logout</code> ends the token. So does revoking {{if .BySession}}it among your tokens{{else}}the one that you used here{{end}}.</small></p>
</body></html>
{{end}}
{{- define "token"}}<p>The new token works in this registry only, may do there what the token that you give here may do, ends with it, and is valid for 30 days at most.</p>
<form method="post" autocomplete="off">
<label for="token">An access token of yours</label>
<input id="token" name="token" type="password" required{{if .}} autofocus{{end}} spellcheck="false" aria-describedby="hint" placeholder="sluice_…">
<small id="hint">It is used once, to make the new one, and not stored.</small><br>
<button type="submit">Let it in</button>
</form>{{end}}
{{- define "ask"}}{{template "head" "Log in to a registry"}}
<h1>Let a client into the registry <code>{{.Registry}}</code>?</h1>
{{with .Problem}}<div class="why" role="alert">{{.}}</div>
{{end}}<p>Somebody started a login{{with .Client}} with <code>{{.}}</code>{{end}}. If it was not you, close this page.</p>
{{if .Who}}<p>You are logged in as <strong>{{.Who}}</strong>. If you say yes, a new token of yours is made for that client. It works in this registry only, may do there what you may do, and is valid for 30 days.</p>
<form method="post"><input type="hidden" name="form" value="{{.Form}}"><button type="submit">Let npm use a token for {{.Registry}}</button></form>
<details><summary>Or give an access token</summary>
{{template "token" false}}</details>
{{else}}{{with .LoginAt}}<p>Log in, and then say yes here.</p>
<p><a class="button" href="{{.}}">Log in</a></p>
<h2>Or give an access token</h2>
{{end}}{{template "token" (not .LoginAt)}}{{end}}
<p><small>This page is valid until {{minute .Expires}}.</small></p>
</body></html>
{{end}}`))
