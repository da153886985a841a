package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"sluice.dev/sluice/tenants/access/pace"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/registry"
)

// secret is a flag value that never prints.
type secret string

// String hides the value.
func (s secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// databaseFlags name an operator's PostgreSQL.
type databaseFlags struct {
	DatabaseURL   secret `help:"Database URL of the role sluice_app, which cannot bypass row-level security." env:"SLUICE_DATABASE_URL" placeholder:"postgres://…"`
	DatabaseConns int32  `help:"Most database connections of this node." default:"20" env:"SLUICE_DATABASE_CONNS"`
}

// nodeFlags configure a node.
type nodeFlags struct {
	Listen         string    `help:"Address to listen on." default:"127.0.0.1:8080" env:"SLUICE_LISTEN"`
	PublicURL      string    `help:"The platform's address as clients see it, without path; default: http:// and the listen address." env:"SLUICE_PUBLIC_URL"`
	BaseDomain     []string  `help:"Further hosts whose subdomains are organizations." default:"localhost" env:"SLUICE_BASE_DOMAINS"`
	Subdomains     bool      `help:"Wildcard DNS exists: links to an organization use its subdomain." env:"SLUICE_SUBDOMAINS"`
	TrustedProxies []string  `help:"CIDR ranges of proxies whose X-Forwarded headers are believed." env:"SLUICE_TRUSTED_PROXIES"`
	AllowRemote    []string  `help:"Private hosts or ranges that remotes may be on (host, host:port or CIDR)." env:"SLUICE_ALLOW_REMOTES"`
	BlobDir        string    `help:"Folder of the package files." env:"SLUICE_BLOB_DIR" type:"path"`
	SecretKeys     []secret  `help:"Keys that seal stored secrets, 64 hexadecimal digits each, the newest first." env:"SLUICE_SECRET_KEYS"`
	OIDC           oidcFlags `embed:"" prefix:"oidc-" envprefix:"SLUICE_OIDC_"`
	PersistedOnly  bool      `help:"With a login, only the console's built-in GraphQL documents can be run; tokens run any." env:"SLUICE_PERSISTED_ONLY"`
	Operators      []string  `help:"E-mail addresses of those who operate the platform, as its provider verified them; nobody by default." env:"SLUICE_OPERATORS" placeholder:"ops@sluice.example"`
	OperatorGroup  string    `help:"Group of the platform's provider whose people operate the platform; none by default." env:"SLUICE_OPERATOR_GROUP"`
	NodeName       string    `help:"Name of this node on the operators' pages; default: the machine's." env:"SLUICE_NODE_NAME"`
	SignUp         bool      `help:"People with a verified identity may make organizations themselves; else only the operator does." env:"SLUICE_SIGN_UP"`
	RequestRate    float64   `help:"Most requests per second of one credential on this node; 0 for no limit. Changes may be a twenty-fifth of that, and an address without credential a fifth." default:"500" env:"SLUICE_REQUEST_RATE"`
	CacheMiB       int64     `name:"cache-mib" help:"Memory for decoded documents and for rendered answers, each." default:"128" env:"SLUICE_CACHE_MIB"`

	// development is `sluice dev`: sessions work over http on this machine, and
	// in the path form.
	development bool
}

// oidcFlags name the platform's identity provider, with which people log in
// whose organizations have none of their own.
type oidcFlags struct {
	Issuer       string   `help:"Issuer of the platform's OpenID Connect provider; its redirect URI is the public URL and /login/callback." env:"ISSUER" placeholder:"https://…"`
	ClientID     string   `name:"client-id" help:"Client id there." env:"CLIENT_ID"`
	ClientSecret secret   `help:"Client secret there; none for a public client." env:"CLIENT_SECRET"`
	Title        string   `help:"Name of the provider on the login page." default:"the platform's account" env:"TITLE"`
	Scopes       []string `help:"Scopes besides openid." default:"profile,email" env:"SCOPES"`
}

// provider returns the platform's provider, nil for none.
func (f oidcFlags) provider(development bool) (*login.Provider, error) {
	if f.Issuer == "" && f.ClientID == "" && f.ClientSecret == "" {
		return nil, nil
	}
	u, err := url.Parse(f.Issuer)
	switch {
	case f.Issuer == "" || f.ClientID == "":
		return nil, errors.New("--oidc-issuer and --oidc-client-id belong together; give both or neither")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !(development && u.Scheme == "http"):
		return nil, fmt.Errorf("--oidc-issuer %q must be an https address without query and fragment, exactly as the provider writes it", f.Issuer)
	}
	return &login.Provider{Name: login.PlatformName, Title: f.Title, Issuer: f.Issuer, ClientID: f.ClientID, ClientSecret: login.Secret(f.ClientSecret),
		HasSecret: f.ClientSecret != "", Scopes: f.Scopes, Enabled: true}, nil
}

// validate returns all mistakes at once.
func (f *nodeFlags) validate() error {
	var bad []error
	host, port, err := net.SplitHostPort(f.Listen)
	if err != nil || port == "" {
		bad = append(bad, fmt.Errorf("--listen %q is no address; want host:port, for example 127.0.0.1:8080", f.Listen))
	}
	if f.PublicURL == "" && err == nil {
		if host == "" || net.ParseIP(host) != nil && net.ParseIP(host).IsUnspecified() {
			host = "localhost"
		}
		f.PublicURL = "http://" + net.JoinHostPort(host, port)
	}
	if u, err := url.Parse(f.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		bad = append(bad, fmt.Errorf("--public-url %q must be a scheme and a host without path, for example https://sluice.example", f.PublicURL))
	}
	if f.BlobDir == "" {
		bad = append(bad, errors.New("--blob-dir is missing: the folder of the package files"))
	}
	if _, err := f.proxies(); err != nil {
		bad = append(bad, err)
	}
	if _, err := f.sealer(); err != nil {
		bad = append(bad, err)
	}
	if !(f.RequestRate >= 0 && f.RequestRate <= 1e6) {
		bad = append(bad, fmt.Errorf("--request-rate %v must be between 0 and 1000000", f.RequestRate))
	}
	if _, err := f.OIDC.provider(f.development); err != nil {
		bad = append(bad, err)
	}
	if _, err := f.operators(); err != nil {
		bad = append(bad, err)
	}
	if f.CacheMiB < 1 || f.CacheMiB > 1<<20 {
		bad = append(bad, fmt.Errorf("--cache-mib %d must be between 1 and 1048576", f.CacheMiB))
	}
	return errors.Join(bad...)
}

func (f *nodeFlags) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, p := range f.TrustedProxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, fmt.Errorf("--trusted-proxies %q is no CIDR range, for example 10.0.0.0/8", p)
		}
		out = append(out, prefix)
	}
	return out, nil
}

// limits bound requests; without a rate only the quotas of organizations do.
func (f *nodeFlags) limits() *pace.Limiter {
	none := pace.Rate{PerSecond: -1}
	if f.RequestRate == 0 {
		return pace.New(pace.Config{Reads: none, Writes: none, Anonymous: none})
	}
	at := func(r pace.Rate) pace.Rate {
		by := f.RequestRate / pace.Defaults.Reads.PerSecond
		return pace.Rate{PerSecond: r.PerSecond * by, Burst: int(float64(r.Burst)*by) + 1}
	}
	return pace.New(pace.Config{Reads: at(pace.Defaults.Reads), Writes: at(pace.Defaults.Writes), Anonymous: at(pace.Defaults.Anonymous)})
}

func (f *nodeFlags) sealer() (*registry.Sealer, error) {
	if len(f.SecretKeys) == 0 {
		return nil, errors.New("--secret-keys is missing: 64 hexadecimal digits, for example from `openssl rand -hex 32`")
	}
	keys := make([][]byte, len(f.SecretKeys))
	for i, k := range f.SecretKeys {
		b, err := hex.DecodeString(string(k))
		if err != nil || len(b) != 32 {
			return nil, fmt.Errorf("--secret-keys: key %d is not 64 hexadecimal digits", i+1)
		}
		keys[i] = b
	}
	return registry.NewSealer(keys...)
}
