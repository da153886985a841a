package pages

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/login"
)

// What the cookies are for; part of their names.
const (
	forSession = "session"
	forFlow    = "login" // a login under way
	forVisit   = "visit" // an organization is about to be chosen

	forOperator = "operator" // a session of an operator, at the platform's own host
)

// secure reports whether cookies may be set at an address: over https, or over
// http on this very machine in development.
func (p *Pages) secure(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	return u.Scheme == "https" || p.Development && u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// home reports whether sessions exist at a place (T6).
func (p *Pages) home(place protocol.Place) bool {
	switch place.Form {
	case protocol.HostForm:
		return p.secure(place.Base)
	case protocol.PathForm:
		return p.Development && !strings.HasPrefix(place.Base, "https:") && p.secure(place.Base)
	}
	return false
}

// cookie returns an empty cookie for a place: bound to the host by its name over
// https (RFC 6265bis, section 4.1.3), and to the organization's path where
// several share a host in development.
func (p *Pages) cookie(place protocol.Place, use string) http.Cookie {
	c := http.Cookie{Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if strings.HasPrefix(place.Base, "https:") {
		c.Name, c.Secure = "__Host-sluice-"+use, true
		return c
	}
	c.Name = "sluice-" + use
	switch {
	case place.Form == protocol.PathForm:
		c.Name += "-" + place.Org.Slug
		c.Path = "/o/" + place.Org.Slug
	case place.Form == protocol.NoForm && use == forOperator:
		c.Path = OperatorPath
	case place.Form == protocol.NoForm:
		c.Path = "/login"
	}
	return c
}

func (p *Pages) set(w http.ResponseWriter, place protocol.Place, use, secret string, lasts time.Duration) {
	c := p.cookie(place, use)
	c.Value, c.MaxAge = secret, int(lasts.Seconds())
	http.SetCookie(w, &c)
}

func (p *Pages) clear(w http.ResponseWriter, place protocol.Place, use string) {
	c := p.cookie(place, use)
	c.MaxAge = -1
	http.SetCookie(w, &c)
}

// secret returns the value of a cookie, "" when there is none, or more than one,
// of which nobody could tell whose each is.
func (p *Pages) secret(r *http.Request, place protocol.Place, use string) string {
	if got := r.CookiesNamed(p.cookie(place, use).Name); len(got) == 1 {
		return got[0].Value
	}
	return ""
}

// Subject implements [protocol.Sessions].
func (p *Pages) Subject(r *http.Request, place protocol.Place) (access.Subject, error) {
	if !p.home(place) {
		return access.Anonymous(), nil
	}
	secret := p.secret(r, place, forSession)
	if secret == "" {
		return access.Anonymous(), nil
	}
	who, err := p.Login.Subject(r.Context(), secret)
	if errs.Is(err, errs.Unauthenticated) {
		return access.Anonymous(), nil
	}
	return who, err
}

// visitor is somebody who looks at a page with a session.
type visitor struct {
	access.Subject
	session login.Session
	form    string // the token that their forms carry
}

// visitor returns who the page is for, and false when the server did not take
// the request for theirs: nobody is logged in, another site asked, or a token
// came along, which is for programs.
func (p *Pages) visitor(r *http.Request, place protocol.Place) (visitor, bool, error) {
	secret := p.secret(r, place, forSession)
	who := access.Of(r.Context())
	if secret == "" || who.Kind != access.KindMember || who.TokenID != uuid.Nil {
		return visitor{}, false, nil
	}
	s, err := p.Login.Session(r.Context(), secret)
	switch {
	case errs.Is(err, errs.Unauthenticated):
		return visitor{}, false, nil
	case err != nil:
		return visitor{}, false, err
	case s.MemberID != who.MemberID:
		return visitor{}, false, nil
	}
	return visitor{who, s, formToken(secret)}, true, nil
}

// formToken is what forms of a session carry: nobody has it who has not got the
// session's secret or one of its pages.
func formToken(secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("sluice form"))
	return hex.EncodeToString(m.Sum(nil))
}

// maxForm bounds a form, in bytes.
const maxForm = 64 << 10

// form reads a form that a page of ours sent: of this origin, and with the token
// where there is a session.
func (p *Pages) form(w http.ResponseWriter, r *http.Request, place protocol.Place, token string) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if !protocol.SameOrigin(r, place) || r.ParseForm() != nil {
		return false
	}
	return hmac.Equal([]byte(r.PostForm.Get("form")), []byte(token))
}
