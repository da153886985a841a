package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// internal are the ranges that no netip predicate covers and that must not be
// reached from outside (RFC 6890 and the clouds' metadata services).
var internal = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "\"this network\""},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier-grade NAT"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a protocol assignment"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmarking"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved"},
	{netip.MustParsePrefix("fec0::/10"), "a site-local"},
	{netip.MustParsePrefix("100::/64"), "a discard-only"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "a local NAT64"},
	{netip.MustParsePrefix("2001::/32"), "a Teredo"},
}

// metadata are the addresses of the clouds' metadata services. A host name in
// AllowedHosts does not open them.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true,
	netip.MustParseAddr("169.254.170.2"):   true,
	netip.MustParseAddr("169.254.170.23"):  true,
	netip.MustParseAddr("168.63.129.16"):   true,
	netip.MustParseAddr("100.100.100.200"): true,
	netip.MustParseAddr("192.0.0.192"):     true,
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("fd00:ec2::23"):    true,
	netip.MustParseAddr("fd20:ce::254"):    true,
}

// embedders are IPv6 ranges that carry an IPv4 address at a byte offset: what
// they reach is that address.
var embedders = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// class says what kind of internal address a is, with its article, "" for a
// public one.
func class(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	switch {
	case !a.IsValid():
		return "an invalid"
	case metadata[a]:
		return "a metadata"
	case a.IsUnspecified():
		return "an unspecified"
	case a.IsLoopback():
		return "a loopback"
	case a.IsPrivate():
		return "a private"
	case a.IsLinkLocalUnicast():
		return "a link-local"
	case a.IsMulticast():
		return "a multicast"
	}
	for _, r := range internal {
		if r.prefix.Contains(a) {
			return r.what
		}
	}
	for _, e := range embedders {
		if e.prefix.Contains(a) {
			b := a.As16()
			return class(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return ""
}

// allowed is the parsed form of Config.AllowedHosts.
type allowed struct {
	hosts    map[string]bool // host or host:port, lower case
	ports    map[netip.AddrPort]bool
	prefixes []netip.Prefix
}

func parseAllowed(entries []string) (allowed, error) {
	out := allowed{hosts: map[string]bool{}, ports: map[netip.AddrPort]bool{}}
	for _, e := range entries {
		if p, err := netip.ParsePrefix(e); err == nil {
			out.prefixes = append(out.prefixes, p.Masked())
			continue
		}
		if a, err := netip.ParseAddr(strings.Trim(e, "[]")); err == nil {
			a = a.Unmap()
			out.prefixes = append(out.prefixes, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		if ap, err := netip.ParseAddrPort(e); err == nil {
			out.ports[netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())] = true
			continue
		}
		if !hostEntry(e) {
			return allowed{}, fmt.Errorf("allowed host %q is not a host name, host:port, IP address, address:port or CIDR range", e)
		}
		out.hosts[strings.ToLower(e)] = true
	}
	return out, nil
}

// hostEntry reports whether e looks like a host name with an optional port.
func hostEntry(e string) bool {
	host, port, found := strings.Cut(e, ":")
	if found && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	return host != "" && !strings.ContainsAny(host, " /\\@?#[]%") && strings.ContainsAny(strings.ToLower(host), "abcdefghijklmnopqrstuvwxyz")
}

// name reports whether the host (of a dial address host:port) is allowed.
func (al allowed) name(hostport string) bool {
	hostport = strings.ToLower(hostport)
	host, _, err := net.SplitHostPort(hostport)
	return err == nil && (al.hosts[hostport] || al.hosts[host])
}

func (al allowed) addr(ap netip.AddrPort) bool {
	a := ap.Addr().Unmap().WithZone("")
	if al.ports[netip.AddrPortFrom(a, ap.Port())] {
		return true
	}
	for _, p := range al.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// addressError refuses a dialled address (F6). Its text has the address and is
// for logs only: what an internal name resolves to is not for the tenant.
type addressError struct {
	addr  string
	class string
}

func (e *addressError) Error() string {
	return fmt.Sprintf("%s is %s address", e.addr, e.class)
}

// check decides about one dialled address. named tells that the host was
// allowed by name, which opens everything but the metadata services.
func (al allowed) check(address string, named bool) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &addressError{address, "an invalid"}
	}
	what := class(ap.Addr())
	if what == "" || al.addr(ap) {
		return nil
	}
	if named && !metadata[ap.Addr().Unmap().WithZone("")] {
		return nil
	}
	return &addressError{address, what}
}

// dialer returns a DialContext whose every connection attempt is checked on the
// address that the kernel is about to connect to, after name resolution: there
// is no second resolution that could answer differently.
func (al allowed) dialer(timeout time.Duration) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		named := al.name(addr)
		d := &net.Dialer{
			Timeout:   timeout,
			KeepAlive: 30 * time.Second,
			Control: func(_, address string, _ syscall.RawConn) error {
				return al.check(address, named)
			},
		}
		return d.DialContext(ctx, network, addr)
	}
}
