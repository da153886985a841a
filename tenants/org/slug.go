package org

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice.dev/sluice/tenants/errs"
)

// MaxName bounds the names of organizations, in characters.
const MaxName = 100

// isLabel reports whether s is one label of a host name in lower case (RFC 1123
// 2.1). It is asked on every request.
func isLabel(s string) bool {
	if len(s) == 0 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// reserved are the subdomains and first path segments that mean something to
// the platform, its operators or to mail and browsers.
var reserved = map[string]bool{}

func init() {
	for _, s := range strings.Fields(`
		o www www1 www2 web api app apps admin administrator root system operator console dashboard portal static assets
		cdn media files download downloads img images js css graphql explorer playground auth login logout sso oidc
		oauth saml account accounts signup register billing pay status health healthz readyz livez metrics debug
		docs doc help support blog about legal security abuse postmaster hostmaster webmaster noreply mail email smtp
		imap pop pop3 mx ftp sftp ssh vpn ns ns1 ns2 ns3 dns autoconfig autodiscover wpad isatap localhost local
		internal intranet public private test staging dev proxy gateway registry registries packages npm pypi maven
		nuget sluice`) {
		reserved[s] = true
	}
}

// Reserved reports whether a slug is kept for the platform.
func Reserved(slug string) bool { return reserved[slug] }

func checkSlug(slug string) error {
	wrong := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "org.Create", format, args...).On("slug")
	}
	switch {
	case slug == "":
		return wrong("the slug is empty; it becomes the subdomain, for example acme")
	case len(slug) > 63:
		return wrong("the slug has %d characters; a subdomain has 63 at most", len(slug))
	case !isLabel(slug):
		return wrong("the slug %q is not a subdomain: use a-z, 0-9 and - between them, for example acme-labs", slug)
	case len(slug) > 3 && slug[2:4] == "--":
		// RFC 5891 4.2.3.1 keeps these for encodings such as xn--.
		return wrong("the slug %q has -- at its third character, which host names keep for encodings; remove one -", slug)
	case reserved[slug]:
		return wrong("the slug %q is reserved for the platform; choose another one", slug)
	}
	return nil
}

func checkName(name string) error {
	wrong := func(format string, args ...any) error {
		return errs.New(errs.Invalid, "org", format, args...).On("name")
	}
	if strings.TrimSpace(name) == "" {
		return wrong("the name is empty")
	}
	if !utf8.ValidString(name) {
		return wrong("the name is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(name); n > MaxName {
		return wrong("the name has %d characters; at most %d are allowed", n, MaxName)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
		return wrong("the name has an unprintable character at byte %d", i)
	}
	return nil
}
