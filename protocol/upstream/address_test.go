package upstream

import (
	"net/netip"
	"strings"
	"testing"
)

func TestF6_InternalAddressesAreRecognized(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1":                  "a loopback",
		"127.255.3.4":                "a loopback",
		"::1":                        "a loopback",
		"::ffff:127.0.0.1":           "a loopback",
		"10.1.2.3":                   "a private",
		"172.16.0.1":                 "a private",
		"192.168.1.1":                "a private",
		"::ffff:192.168.1.1":         "a private",
		"fd12::1":                    "a private",
		"169.254.1.1":                "a link-local",
		"fe80::1%eth0":               "a link-local",
		"169.254.169.254":            "a metadata",
		"168.63.129.16":              "a metadata",
		"fd00:ec2::254":              "a metadata",
		"100.64.0.1":                 "a carrier-grade NAT",
		"100.127.255.255":            "a carrier-grade NAT",
		"0.0.0.0":                    "an unspecified",
		"::":                         "an unspecified",
		"0.1.2.3":                    "\"this network\"",
		"224.0.0.1":                  "a multicast",
		"ff02::1":                    "a multicast",
		"255.255.255.255":            "a reserved",
		"198.18.0.1":                 "a benchmarking",
		"64:ff9b::7f00:1":            "a loopback",
		"64:ff9b::a9fe:a9fe":         "a metadata",
		"2002:7f00:1::":              "a loopback",
		"2002:c0a8:101::":            "a private",
		"::7f00:1":                   "a loopback",
		"8.8.8.8":                    "",
		"172.32.0.1":                 "",
		"100.128.0.1":                "",
		"2606:4700::1":               "",
		"64:ff9b::808:808":           "",
		"2002:808:808::":             "",
		"2001:0:4136:e378:8000::f0f": "a Teredo",
	} {
		if got := class(netip.MustParseAddr(addr)); got != want {
			t.Errorf("class(%s) = %q, want %q", addr, got, want)
		}
	}
}

func TestF6_AllowedHostsOpenWhatTheyName(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries string
		host    string // as dialled
		address string // after resolution
		ok      bool
	}{
		{"nothing allowed", "", "10.0.0.1:80", "10.0.0.1:80", false},
		{"public needs no entry", "", "example.org:80", "93.184.216.34:80", true},
		{"address", "10.0.0.1", "10.0.0.1:80", "10.0.0.1:80", true},
		{"address, mapped", "10.0.0.1", "h:80", "[::ffff:10.0.0.1]:80", true},
		{"other address", "10.0.0.1", "10.0.0.2:80", "10.0.0.2:80", false},
		{"address and port", "127.0.0.1:4873", "127.0.0.1:4873", "127.0.0.1:4873", true},
		{"address and other port", "127.0.0.1:4873", "127.0.0.1:5432", "127.0.0.1:5432", false},
		{"IPv6 address and port", "[::1]:4873", "[::1]:4873", "[::1]:4873", true},
		{"range", "10.0.0.0/8", "db.internal:80", "10.200.1.1:80", true},
		{"outside the range", "10.0.0.0/8", "db.internal:80", "192.168.0.1:80", false},
		{"host on any port", "Nexus.Internal", "nexus.internal:8081", "10.0.0.9:8081", true},
		{"host and port", "nexus.internal:8081", "nexus.internal:8081", "10.0.0.9:8081", true},
		{"host and other port", "nexus.internal:8081", "nexus.internal:22", "10.0.0.9:22", false},
		{"another host at the same address", "nexus.internal", "evil.example:8081", "10.0.0.9:8081", false},
		{"a host name never opens metadata", "nexus.internal", "nexus.internal:80", "169.254.169.254:80", false},
		{"metadata named literally", "169.254.169.254", "169.254.169.254:80", "169.254.169.254:80", true},
	} {
		al, err := parseAllowed(strings.Fields(c.entries))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := al.check(c.address, al.name(c.host)); (err == nil) != c.ok {
			t.Errorf("%s: check = %v, want allowed %v", c.name, err, c.ok)
		}
	}
}

func TestAllowedHostsAreValidated(t *testing.T) {
	for _, bad := range []string{"", "http://nexus", "nexus:", "nexus:http", "10.0.0.0/40", "a b", "user@host", "1.2.3"} {
		if _, err := New(Config{AllowedHosts: []string{bad}}); err == nil || !strings.Contains(err.Error(), "CIDR") {
			t.Errorf("New with %q = %v, want an error that says what an entry looks like", bad, err)
		}
	}
}
