package login

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// Bounds of providers.
const (
	MaxProviders = 20  // of one organization
	MaxDomains   = 50  // of one provider
	MaxScopes    = 20  // of one provider
	MaxMappings  = 500 // of one provider
)

// PlatformName is the name of the platform's provider, which no other one has.
const PlatformName = "platform"

// ProviderInput describes a provider.
type ProviderInput struct {
	Name         string // like okta; for CreateProvider only
	Title        string // the name when empty
	Issuer       string // exactly as the provider writes it
	ClientID     string
	ClientSecret *Secret  // nil keeps the one that is there; "" is a public client
	Scopes       []string // besides openid; nil is profile and email
	Domains      []string // e-mail domains that it speaks for
	Claims       ClaimNames
	Joins        bool
	JoinRole     string // member when empty and Joins is set
	Exclusive    bool
	Enabled      bool
}

var (
	nameForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	scopeForm = regexp.MustCompile(`^[!#-\[\]-~]{1,100}$`) // RFC 6749, appendix A.4
)

func wrong(field, format string, args ...any) error {
	return errs.New(errs.Invalid, "login.Provider", format, args...).On(field)
}

func (in *ProviderInput) normalize(plainHTTP bool) error {
	in.Title = strings.TrimSpace(in.Title)
	if in.Title == "" {
		in.Title = in.Name
	}
	if in.Scopes == nil {
		in.Scopes = []string{"profile", "email"}
	}
	if in.Joins && in.JoinRole == "" {
		in.JoinRole = access.Ordinary
	}
	switch {
	case !nameForm.MatchString(in.Name) || in.Name == PlatformName:
		return wrong("name", "the provider's name %q must be 1 to 32 of a-z, 0-9 and - between them, and not %q; it becomes part of the redirect URI", in.Name, PlatformName)
	case !printable(in.Title, 100):
		return wrong("title", "the title must be at most 100 printable characters")
	case in.ClientID == "" || !printable(in.ClientID, 500):
		return wrong("clientId", "the client id must be 1 to 500 printable characters, as the provider shows it")
	case in.ClientSecret != nil && len(*in.ClientSecret) > 4096:
		return wrong("clientSecret", "the client secret has more than 4096 bytes")
	}
	if err := checkIssuer(in.Issuer, plainHTTP); err != nil {
		return err
	}
	if err := in.checkScopes(); err != nil {
		return err
	}
	for _, claim := range []string{in.Claims.Email, in.Claims.Name, in.Claims.Groups} {
		if !printable(claim, 200) {
			return wrong("claims", "the claim name %.50q must be at most 200 printable characters", claim)
		}
	}
	return in.checkDomains()
}

func (in *ProviderInput) checkScopes() error {
	in.Scopes = slices.DeleteFunc(slices.Clone(in.Scopes), func(s string) bool { return s == "openid" })
	if len(in.Scopes) > MaxScopes {
		return wrong("scopes", "%d scopes are too many; at most %d are allowed", len(in.Scopes), MaxScopes)
	}
	for _, s := range in.Scopes {
		if !scopeForm.MatchString(s) {
			return wrong("scopes", "%.50q is no scope; it must be printable ASCII without spaces and quotes", s)
		}
	}
	return nil
}

func (in *ProviderInput) checkDomains() error {
	out := []string{}
	for _, d := range in.Domains {
		c := org.CanonicalHost(strings.TrimPrefix(strings.TrimSpace(d), "@"))
		if c == "" {
			return wrong("domains", "%.100q is no e-mail domain; it must look like acme.example", d)
		}
		out = append(out, c)
	}
	slices.Sort(out)
	in.Domains = slices.Compact(out)
	if len(in.Domains) > MaxDomains {
		return wrong("domains", "%d domains are too many; at most %d are allowed", len(in.Domains), MaxDomains)
	}
	return nil
}

// checkIssuer follows OpenID Connect Discovery 1.0, section 3: https, and
// neither query nor fragment. The text is compared with what the provider says
// of itself, so that nothing of it is changed.
func checkIssuer(issuer string, plainHTTP bool) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || len(issuer) > 500 || !printable(issuer, 500):
		return wrong("issuer", "the issuer %.100q must be an address like https://id.acme.example", issuer)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(issuer, "#") || u.User != nil:
		return wrong("issuer", "the issuer must have neither query, nor fragment, nor user name")
	case u.Scheme == "https", plainHTTP && u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return wrong("issuer", "the issuer must begin with https://")
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func printable(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
