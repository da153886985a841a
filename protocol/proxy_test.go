package protocol

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// TestT1_Forwarding lists what a stranger, a trusted proxy, and a chain of them
// can make the server believe.
func TestT1_Forwarding(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	const stranger, proxy = "203.0.113.9:4711", "10.0.0.1:4711"
	for _, c := range []struct {
		name    string
		rfc7239 bool
		peer    string
		header  http.Header
		want    via
	}{
		{"a stranger's headers", false, stranger, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"a.b"}, "X-Forwarded-For": {"1.1.1.1"}}, via{"", "", "203.0.113.9"}},
		{"a proxy without headers", false, proxy, nil, via{"", "", "10.0.0.1"}},
		{"a proxy", false, proxy, http.Header{"X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"a.b:8443"}, "X-Forwarded-For": {"192.0.2.1"}}, via{"https", "a.b:8443", "192.0.2.1"}},
		{"what a client put first", false, proxy, http.Header{"X-Forwarded-Host": {"evil, a.b"}, "X-Forwarded-Proto": {"http, https"}, "X-Forwarded-For": {"6.6.6.6, 192.0.2.1"}}, via{"https", "a.b", "192.0.2.1"}},
		{"several lines", false, proxy, http.Header{"X-Forwarded-For": {"6.6.6.6", "192.0.2.1, 10.9.9.9"}}, via{"", "", "192.0.2.1"}},
		{"a strange scheme", false, proxy, http.Header{"X-Forwarded-Proto": {"javascript"}}, via{"", "", "10.0.0.1"}},
		{"an address that is none", false, proxy, http.Header{"X-Forwarded-For": {"6.6.6.6, unknown"}}, via{"", "", "10.0.0.1"}},
		{"IPv6 with port", false, "[fd00::1]:80", http.Header{"X-Forwarded-For": {"[2001:db8::1]:4711"}}, via{"", "", "2001:db8::1"}},
		{"a mapped address", false, "[::ffff:10.0.0.1]:80", http.Header{"X-Forwarded-For": {"::ffff:192.0.2.1"}}, via{"", "", "192.0.2.1"}},
		{"the other family is not read", false, proxy, http.Header{"Forwarded": {"for=1.1.1.1;host=a.b;proto=http"}}, via{"", "", "10.0.0.1"}},

		{"RFC 7239", true, proxy, http.Header{"Forwarded": {`for=192.0.2.1;host=a.b;proto=https;by=10.0.0.1`}}, via{"https", "a.b", "192.0.2.1"}},
		{"RFC 7239, quoted", true, proxy, http.Header{"Forwarded": {`For="[2001:db8::1]:99"; Host="a.b:8443"; Proto=http`}}, via{"http", "a.b:8443", "2001:db8::1"}},
		{"RFC 7239, what a client put first", true, proxy, http.Header{"Forwarded": {`for=6.6.6.6;host=evil;proto=http, for=192.0.2.1;host=a.b;proto=https`}}, via{"https", "a.b", "192.0.2.1"}},
		{"RFC 7239, two proxies", true, proxy, http.Header{"Forwarded": {`for=192.0.2.1;host=a.b;proto=https, for=10.0.0.2;host=inner;proto=http`}}, via{"https", "a.b", "192.0.2.1"}},
		{"RFC 7239, broken", true, proxy, http.Header{"Forwarded": {`for="192.0.2.1;host=a.b`}}, via{"", "", "10.0.0.1"}},
		{"RFC 7239 from a stranger", true, stranger, http.Header{"Forwarded": {`for=192.0.2.1;host=a.b`}}, via{"", "", "203.0.113.9"}},
		{"RFC 7239 does not read the others", true, proxy, http.Header{"X-Forwarded-Host": {"a.b"}, "X-Forwarded-Proto": {"http"}}, via{"", "", "10.0.0.1"}},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.header != nil {
			r.Header = c.header
		}
		if got := (proxies{trusted: trusted, rfc7239: c.rfc7239}).read(r); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
