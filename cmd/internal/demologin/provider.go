// Package demologin is a real OpenID Connect provider whose people need no
// password: for `sluice dev`, and for tests of a whole login. It is built on
// zitadel/oidc and keeps everything in memory.
//
// Whoever reaches it can be anybody that it knows, so that it must listen on
// loopback only, and what trusts it must hold nothing but a demonstration.
package demologin

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Person is somebody whom a provider vouches for.
type Person struct {
	ID     string // the subject; never changes
	Name   string
	Email  string
	About  string // what the login page says of them
	Groups []string
}

// Config is what a provider is made of.
type Config struct {
	Issuer    string // http://127.0.0.1:port and a path of its own
	Title     string
	ClientID  string
	Secret    string
	Redirects []string // exact redirect URIs
	Leave     []string // exact addresses to go to after a logout
	People    []Person
}

// Provider is an http.Handler for everything below its issuer's path.
type Provider struct {
	Config
	http.Handler

	key  signingKey
	mu   sync.Mutex
	asks map[string]*ask // logins under way, by id
	code map[string]string
}

// most bounds the logins under way; the oldest are forgotten together.
const most = 1000

// New returns a provider with a fresh key.
func New(c Config) (*Provider, error) {
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	p := &Provider{Config: c, key: signingKey{uuid.NewString(), rsaKey}, asks: map[string]*ask{}, code: map[string]string{}}
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true, DefaultLogoutRedirectURI: c.Issuer + "/people"}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, err
	}
	provider, err := op.NewProvider(config, storage{p}, op.StaticIssuer(c.Issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, fmt.Errorf("the demonstration's identity provider: %w", err)
	}
	mux := http.NewServeMux()
	interceptor := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	back := op.AuthCallbackURL(provider)
	mux.HandleFunc("GET /people", p.choose)
	mux.HandleFunc("POST /people", interceptor.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.chosen(r.PostFormValue("login"), r.PostFormValue("person")) {
			http.Error(w, "this login is over; begin again", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, back(r.Context(), r.PostFormValue("login")), http.StatusSeeOther)
	}))
	mux.Handle("/", provider)
	p.Handler = http.StripPrefix(u.Path, p.onlyHere(u.Host, mux))
	return p, nil
}

// onlyHere answers under its own name only, so that no name that somebody points
// at this machine reaches it.
func (p *Provider) onlyHere(host string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "this is another host", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
button{font:inherit;display:block;width:100%;text-align:left;padding:.6rem .9rem;margin:.5rem 0;cursor:pointer}small{display:block;opacity:.75}</style></head><body>
<h1>{{.Title}}</h1>
<p>A provider for trying Sluice: nobody has a password. {{if .Login}}Who are you?{{else}}You are logged out.{{end}}</p>
{{if .Login}}<form method="post"><input type="hidden" name="login" value="{{.Login}}">
{{range .People}}<button name="person" value="{{.ID}}">{{.Name}}<small>{{.Email}}{{with .About}}: {{.}}{{end}}</small></button>
{{end}}</form>{{end}}</body></html>
`))

func (p *Provider) choose(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, map[string]any{"Title": p.Title, "People": p.People, "Login": r.URL.Query().Get("login")})
}

// chosen says who a login under way is.
func (p *Provider) chosen(login, person string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.asks[login]
	if a == nil || p.person(person) == nil {
		return false
	}
	a.person, a.at = person, time.Now()
	return true
}

func (p *Provider) person(id string) *Person {
	for i := range p.People {
		if p.People[i].ID == id {
			return &p.People[i]
		}
	}
	return nil
}

// ask is a login under way; it implements op.AuthRequest.
type ask struct {
	*oidc.AuthRequest
	id     string
	person string // "" until somebody chose
	at     time.Time
}

func (a *ask) GetID() string                      { return a.id }
func (a *ask) GetACR() string                     { return "" }
func (a *ask) GetAMR() []string                   { return nil }
func (a *ask) GetAudience() []string              { return []string{a.ClientID} }
func (a *ask) GetAuthTime() time.Time             { return a.at }
func (a *ask) GetClientID() string                { return a.ClientID }
func (a *ask) GetNonce() string                   { return a.Nonce }
func (a *ask) GetRedirectURI() string             { return a.RedirectURI }
func (a *ask) GetResponseType() oidc.ResponseType { return a.ResponseType }
func (a *ask) GetResponseMode() oidc.ResponseMode { return a.ResponseMode }
func (a *ask) GetScopes() []string                { return a.Scopes }
func (a *ask) GetState() string                   { return a.State }
func (a *ask) GetSubject() string                 { return a.person }
func (a *ask) Done() bool                         { return a.person != "" }
func (a *ask) GetCodeChallenge() *oidc.CodeChallenge {
	if a.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: a.CodeChallenge, Method: a.CodeChallengeMethod}
}
