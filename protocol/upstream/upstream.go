// Package upstream is the guarded HTTP client for remotes. Whatever an
// organization or a remote chose as an address goes through it (laws R3, F3,
// F6):
//
//   - the dialled IP is checked, so that neither a literal address, nor a host
//     name, nor a redirect reaches loopback, link-local, private or metadata
//     addresses that the operator has not allowed;
//   - credentials go only to the origin that they were configured for;
//   - sizes, times, redirects and the number of concurrent requests are
//     bounded, and an error names the bound that was reached;
//   - a remote that fails repeatedly is left alone for a while (circuit
//     breaker), and a request that can be repeated is repeated a few times.
//
// It knows no package protocol. All errors are of kind errs.Upstream, name the
// remote and never contain a credential or a query string. [IsOutage] tells a
// remote that could not be asked from one that answered something unwelcome.
package upstream

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"time"
)

// Config is the operator's part of the client. The zero value of a field means
// its default.
type Config struct {
	// AllowedHosts exempts targets from the address check. An entry is a host
	// name, host:port, an IP address, address:port, or a CIDR range. A host name
	// never opens the cloud metadata addresses: those need a literal entry.
	AllowedHosts []string
	UserAgent    string         // default "sluice"
	RootCAs      *x509.CertPool // nil = those of the system

	HeaderTime   time.Duration // from dialling until the response headers, redirects included; default 30 s
	IdleTime     time.Duration // without a byte while a body is read; default 30 s
	DocumentTime time.Duration // for one whole document; default 5 min
	FileTime     time.Duration // for one whole file; default 2 h
	QueueTime    time.Duration // waiting for a free request slot of the host; default 15 s

	MaxDocument int64 // bytes of a document, after decoding and on the wire; default 128 MiB
	MaxFile     int64 // bytes of a file; default 5 GiB

	DocumentsPerHost int // concurrent document requests to one host; default 32
	FilesPerHost     int // concurrent file requests to one host; default 64

	Attempts     int           // of one request, the first included; default 3
	Backoff      time.Duration // before the second attempt, doubled for each further one; default 100 ms
	BreakerAfter int           // consecutive failed attempts that open a remote's breaker; default 6
	BreakerDelay time.Duration // until an open breaker lets one request through; default 15 s
}

// maxRedirects bounds the hops of one request (F3).
const maxRedirects = 5

func (c *Config) setDefaults() {
	if c.UserAgent == "" {
		c.UserAgent = "sluice"
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&c.HeaderTime, 30 * time.Second},
		{&c.IdleTime, 30 * time.Second},
		{&c.DocumentTime, 5 * time.Minute},
		{&c.FileTime, 2 * time.Hour},
		{&c.QueueTime, 15 * time.Second},
		{&c.Backoff, 100 * time.Millisecond},
		{&c.BreakerDelay, 15 * time.Second},
	} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	for _, n := range []struct {
		at  *int
		def int
	}{
		{&c.DocumentsPerHost, 32},
		{&c.FilesPerHost, 64},
		{&c.Attempts, 3},
		{&c.BreakerAfter, 6},
	} {
		if *n.at <= 0 {
			*n.at = n.def
		}
	}
	if c.MaxDocument <= 0 {
		c.MaxDocument = 128 << 20
	}
	if c.MaxFile <= 0 {
		c.MaxFile = 5 << 30
	}
}

// Remote is who is asked. ID and BaseURL together identify its circuit breaker.
type Remote struct {
	ID        string
	Name      string   // for error messages
	BaseURL   string   // absolute http or https URL without user information
	Token     string   // bearer credential, "" for none
	Username  string   // basic credential together with Password, "" for none
	Password  string   //
	FileHosts []string // host or host:port from which files may come, besides BaseURL's own host
}

// String names the remote and nothing else, so that a credential cannot get
// into a log by formatting a Remote.
func (r Remote) String() string { return "remote " + r.Name }

// GoString is String, for %#v.
func (r Remote) GoString() string { return r.String() }

func (r Remote) hasCredential() bool { return r.Token != "" || r.Username != "" }

// Request is one GET.
type Request struct {
	Remote Remote
	URL    string // absolute; a document's must lie on BaseURL's origin
	Accept string // "" sends none

	// ETag and LastModified make the request conditional when not empty.
	ETag, LastModified string
}

// Document is a remote's answer for a document. At most one of NotModified and
// NotFound is set; otherwise Body is the document.
type Document struct {
	NotModified bool
	NotFound    bool   // 404 or 410: an answer, which evicts (R3)
	Body        []byte // decoded from gzip
	ContentType string // as sent, unchecked
	ETag        string
	// LastModified is the header as sent, "" when there was none.
	LastModified string
}

// Client asks remotes. It is safe for concurrent use; one serves a whole node.
type Client struct {
	cfg    Config
	http   *http.Client
	guards *guards
}

// New returns a client, or an error that names the entry of AllowedHosts which
// cannot be understood.
func New(cfg Config) (*Client, error) {
	cfg.setDefaults()
	allowed, err := parseAllowed(cfg.AllowedHosts)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	c := &Client{cfg: cfg, guards: newGuards(cfg)}
	c.http = &http.Client{Transport: newTransport(cfg, allowed), CheckRedirect: checkRedirect}
	return c, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
