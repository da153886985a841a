package protocol

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxies reads what trusted reverse proxies say about a request (T1).
type proxies struct {
	trusted []netip.Prefix
	rfc7239 bool
}

// via is what is known of a request's way. Proto and host are "" unless a
// trusted proxy said them.
type via struct {
	proto string // http or https
	host  string // with port if it has one
	ip    string // of the client
}

func (p proxies) trusts(ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for _, t := range p.trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// read believes the headers only when the peer itself is a trusted proxy.
func (p proxies) read(r *http.Request) via {
	peer := bareIP(r.RemoteAddr)
	v := via{ip: peer}
	switch {
	case !p.trusts(peer):
		return v
	case p.rfc7239:
		p.readForwarded(r.Header, &v)
	default:
		p.readXForwarded(r.Header, &v)
	}
	return v
}

// readXForwarded takes the last value of each list: the one that the nearest
// proxy wrote. The client is the last address that is not a trusted proxy.
func (p proxies) readXForwarded(h http.Header, v *via) {
	v.proto = proto(last(h, "X-Forwarded-Proto"))
	v.host = last(h, "X-Forwarded-Host")
	for hops := values(h, "X-Forwarded-For"); len(hops) > 0 && p.trusts(v.ip); hops = hops[:len(hops)-1] {
		ip := bareIP(hops[len(hops)-1])
		if ip == "" {
			return
		}
		v.ip = ip
	}
}

// readForwarded walks RFC 7239's elements from the nearest proxy outwards, as
// long as trusted ones wrote them.
func (p proxies) readForwarded(h http.Header, v *via) {
	for hops := values(h, "Forwarded"); len(hops) > 0 && p.trusts(v.ip); hops = hops[:len(hops)-1] {
		e := element(hops[len(hops)-1])
		if x := proto(e["proto"]); x != "" {
			v.proto = x
		}
		if x := e["host"]; x != "" {
			v.host = x
		}
		ip := bareIP(e["for"])
		if ip == "" {
			return
		}
		v.ip = ip
	}
}

// element reads one element of a Forwarded header. Quoted values lose their
// quotes; a quoted comma or semicolon, which no host or address has, makes the
// element unreadable and thus empty.
func element(s string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return nil
		}
		if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
			v = v[1 : len(v)-1]
		}
		if strings.ContainsAny(v, `"\`) {
			return nil
		}
		out[strings.ToLower(k)] = v
	}
	return out
}

func values(h http.Header, name string) (out []string) {
	for _, line := range h.Values(name) {
		for v := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func last(h http.Header, name string) string {
	if v := values(h, name); len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func proto(s string) string {
	switch s = strings.ToLower(s); s {
	case "http", "https":
		return s
	}
	return ""
}

// bareIP returns the address without port and brackets, "" when it is none.
func bareIP(s string) string {
	if h, _, err := net.SplitHostPort(s); err == nil {
		s = h
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return ""
	}
	return a.Unmap().WithZone("").String()
}
