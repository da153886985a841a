package protocol

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/org"
)

// Organizations finds the organization of a request; *org.Resolver is one. An
// organization that does not exist is errs.NotFound.
type Organizations interface {
	BySlug(ctx context.Context, slug string) (org.Ref, error)
	ByHost(ctx context.Context, host string) (ref org.Ref, registry uuid.UUID, err error)
}

// Form tells how a request named its organization (T1).
type Form int

// The forms.
const (
	NoForm       Form = iota // the platform's own host, no organization
	HostForm                 // the organization's own host: its subdomain, or one that it brought
	PathForm                 // the path prefix /o/acme
	RegistryForm             // a host with one registry at its root
)

// Place is where a request was sent to. Its URLs are made of the configuration
// and of what was looked up, never of an unchecked Host header (T1).
type Place struct {
	Form     Form
	Org      org.Ref   // zero for NoForm
	Registry uuid.UUID // set for RegistryForm
	Base     string    // public URL of what is at Path's root, without a final slash
	Home     string    // public URL of the organization's root, without a final slash; differs from Base for RegistryForm only
	Path     string    // escaped path below Base, starting with a slash
	IP       string    // the client's address without port
}

// Addresses says under which names a server is known.
type Addresses struct {
	// PublicURL is the platform's address without path, for example
	// https://sluice.example. Organizations are its subdomains, and below /o/.
	PublicURL string
	// BaseDomains are further hosts, without ports, that work like PublicURL's.
	BaseDomains []string
	// Subdomains tells that wildcard DNS exists, so that links to an
	// organization use its subdomain where the request itself does not say.
	Subdomains bool
	// TrustedProxies may say in headers where a request came from and was sent
	// to. They must overwrite what clients send in those headers.
	TrustedProxies []netip.Prefix
	// Forwarded reads RFC 7239's header instead of the X-Forwarded ones. Only
	// one of the two is read, since proxies pass on the one they do not know.
	Forwarded bool
}

// locator finds a request's place.
type locator struct {
	orgs    Organizations
	scheme  string
	port    string // with colon, or ""
	bases   []string
	public  string // the base of PublicURL
	wild    bool
	proxies proxies
}

func newLocator(a Addresses, orgs Organizations) (*locator, error) {
	u, err := url.Parse(a.PublicURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("the public URL %q must be a scheme and a host without path, for example https://sluice.example", a.PublicURL)
	}
	l := &locator{orgs: orgs, scheme: u.Scheme, public: canonical(u.Hostname()), wild: a.Subdomains,
		proxies: proxies{trusted: a.TrustedProxies, rfc7239: a.Forwarded}}
	l.port = portOf(u.Scheme, u.Port())
	for _, b := range append([]string{u.Hostname()}, a.BaseDomains...) {
		if c := canonical(b); c == "" || strings.ContainsAny(c, "/ @") {
			return nil, fmt.Errorf("the base domain %q is not a host name without port, for example sluice.example", b)
		} else if !slices.Contains(l.bases, c) {
			l.bases = append(l.bases, c)
		}
	}
	// The longest first, so that one below another wins.
	slices.SortFunc(l.bases, func(a, b string) int { return len(b) - len(a) })
	return l, nil
}

// portOf returns ":port", or "" for the scheme's own.
func portOf(scheme, port string) string {
	if port == "" || (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		return ""
	}
	return ":" + port
}

// canonical returns a host name in lower case without brackets and final dot.
func canonical(host string) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// splitHost takes a Host header apart; the port is "" when there is none.
func splitHost(hostport string) (host, port string) {
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		return canonical(h), p
	}
	return canonical(hostport), ""
}

// locate finds the place of a request. A host or organization that does not
// exist is errs.NotFound.
func (l *locator) locate(r *http.Request) (Place, error) {
	via := l.proxies.read(r)
	scheme, port, asked := l.scheme, l.port, r.Host
	if via.proto != "" {
		scheme = via.proto
	}
	host, _ := splitHost(asked)
	if via.host != "" {
		var p string
		host, p = splitHost(via.host)
		port = portOf(scheme, p)
	} else if via.proto != "" && via.proto != l.scheme {
		port = "" // the configured port belongs to the configured scheme
	}
	p := Place{Path: r.URL.EscapedPath(), IP: via.ip}
	origin := func(host string) string {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme + "://" + host + port
	}
	base, label := l.under(host)
	switch {
	case base != "" && label == "":
		return l.byPath(r.Context(), p, origin(host))
	case base != "":
		ref, err := l.orgs.BySlug(r.Context(), label)
		p.Form, p.Org, p.Base, p.Home = HostForm, ref, origin(host), origin(host)
		return p, err
	}
	ref, registry, err := l.orgs.ByHost(r.Context(), host)
	p.Form, p.Org, p.Registry, p.Base, p.Home = HostForm, ref, registry, origin(host), origin(host)
	if registry != uuid.Nil {
		p.Form, p.Home = RegistryForm, l.home(ref.Slug)
	}
	return p, err
}

// under returns the base domain that a host is, or lies under, and the label
// below it. A host two labels below is no organization's.
func (l *locator) under(host string) (base, label string) {
	for _, b := range l.bases {
		if host == b {
			return b, ""
		}
		if rest, ok := strings.CutSuffix(host, "."+b); ok {
			return b, rest
		}
	}
	return "", ""
}

// byPath finds the organization of /o/acme/…; any other path is the platform's.
func (l *locator) byPath(ctx context.Context, p Place, origin string) (Place, error) {
	p.Base, p.Home = origin, origin
	rest, ok := strings.CutPrefix(p.Path, "/o/")
	if !ok {
		return p, nil
	}
	slug, below, _ := strings.Cut(rest, "/")
	ref, err := l.orgs.BySlug(ctx, slug)
	if err != nil {
		return p, err
	}
	p.Form, p.Org, p.Path = PathForm, ref, "/"+below
	p.Base += "/o/" + ref.Slug
	p.Home = p.Base
	return p, nil
}

// home returns the organization's own URL when the request does not show it.
func (l *locator) home(slug string) string {
	host := l.public
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if l.wild {
		return l.scheme + "://" + slug + "." + host + l.port
	}
	return l.scheme + "://" + host + l.port + "/o/" + slug
}

type placeKey struct{}

func withPlace(ctx context.Context, p Place) context.Context {
	return context.WithValue(ctx, placeKey{}, p)
}

// PlaceOf returns where the context's request was sent to, and false outside
// of one.
func PlaceOf(ctx context.Context) (Place, bool) {
	p, ok := ctx.Value(placeKey{}).(Place)
	return p, ok
}
