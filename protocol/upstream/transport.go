package upstream

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// newTransport keeps connections warm: a cold install asks one host for a
// thousand things. It uses no proxy, because the address check would then see
// only the proxy's address.
func newTransport(cfg Config, al allowed) *http.Transport {
	return &http.Transport{
		DialContext:            al.dialer(min(cfg.HeaderTime, 10*time.Second)),
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
		TLSHandshakeTimeout:    min(cfg.HeaderTime, 10*time.Second),
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    cfg.DocumentsPerHost + cfg.FilesPerHost,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		ReadBufferSize:         32 << 10,
		ForceAttemptHTTP2:      true,
		// A dead HTTP/2 connection would otherwise swallow every request to its
		// host until the kernel notices.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		// Encodings are ours to ask for and to bound (F3).
		DisableCompression: true,
	}
}

// errRedirect is a redirect that is not followed. The text is public: it names
// no address.
type errRedirect string

func (e errRedirect) Error() string { return string(e) }

type remoteKey struct{}

// checkRedirect bounds redirects and strips credentials on every hop that
// leaves the configured origin (F3, F6). The address of the new target is
// checked when it is dialled.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirect(fmt.Sprintf("redirected more than %d times", maxRedirects))
	}
	if err := checkTarget(req.URL); err != nil {
		return errRedirect("redirected to an address that is not allowed: " + err.Error())
	}
	if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme == "http" {
		return errRedirect("redirected from https to http")
	}
	// net/http copies headers from hop to hop by rules of its own (subdomains
	// keep them, ports do not count): ours are stricter. The Referer could carry
	// a signed query string to another host.
	req.Header.Del("Referer")
	req.Header.Del("Authorization")
	if r, ok := req.Context().Value(remoteKey{}).(Remote); ok {
		authorize(req, r)
	}
	return nil
}

// checkTarget accepts absolute http and https URLs with a host and without user
// information. Its errors say what is wrong and never repeat the URL.
func checkTarget(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the scheme is neither http nor https")
	case u.Hostname() == "":
		return errors.New("the host is missing")
	case u.User != nil:
		return errors.New("it has a user name in it; credentials have fields of their own")
	}
	return nil
}

// authorize sets the remote's credential when the request goes to exactly the
// configured origin.
func authorize(req *http.Request, r Remote) {
	base, err := url.Parse(r.BaseURL)
	if err != nil || origin(req.URL) != origin(base) {
		return
	}
	switch {
	case r.Token != "":
		req.Header.Set("Authorization", "Bearer "+r.Token)
	case r.Username != "":
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(r.Username+":"+r.Password)))
	}
}

// origin is scheme://host:port with the port always written.
func origin(u *url.URL) string { return u.Scheme + "://" + hostport(u) }

// hostport is host:port in lower case with the port always written.
func hostport(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// fileHost reports whether files of the remote may come from u. An entry
// without a port means the scheme's own port.
func fileHost(u *url.URL, r Remote) bool {
	host := strings.ToLower(u.Hostname())
	full := hostport(u)
	plain := u.Port() == "" || u.Port() == "80" && u.Scheme == "http" || u.Port() == "443" && u.Scheme == "https"
	return slices.ContainsFunc(r.FileHosts, func(e string) bool {
		e = strings.ToLower(e)
		return e == full || plain && e == host
	})
}
