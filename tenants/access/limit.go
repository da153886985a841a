package access

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Bounds of a token's limits.
const (
	MaxTokenPackages = 100
	MaxTokenNetworks = 50
)

// Write is [Service.Require] for the context's subject that changes one
// package: besides the right to the action, the package must be one that the
// token is limited to. An action that a package-limited token may do here it
// may do by no other way.
func (s *Service) Write(ctx context.Context, a Action, registry uuid.UUID, pkg coord.Package) error {
	who := Of(ctx)
	if len(who.Packages) == 0 {
		return s.Require(ctx, who, a, registry)
	}
	may, err := s.Can(ctx, who, a, registry)
	if err != nil || may {
		return err
	}
	if org, err := scope.Org(ctx); err != nil || who.live == nil || who.org != org {
		return s.Require(ctx, who, a, registry)
	}
	c, err := s.alive(ctx, who)
	if err != nil {
		return err
	}
	if c != nil && c.subject.Write && c.reaches(a, registry) {
		ok, err := c.st.enforce(c.who, a, registry)
		if err != nil {
			return err
		}
		if ok {
			return c.writes(pkg)
		}
	}
	return s.Require(ctx, who, a, registry)
}

// writes refuses a package that the token is not limited to. A pattern that
// names of the package's ecosystem cannot have matches nothing of it.
func (c *credential) writes(pkg coord.Package) error {
	for _, text := range c.subject.Packages {
		if p, err := coord.ParsePattern(pkg.Ecosystem, text); err == nil && p.Match(pkg) {
			return nil
		}
	}
	return errs.New(errs.Forbidden, "access.Write", "the token %q may only write to the packages %s; %s is none of them",
		c.subject.Name, strings.Join(c.subject.Packages, ", "), pkg.Name).On("name")
}

// checkPackages returns the patterns in order and without doubles.
func checkPackages(op string, patterns []string) ([]string, error) {
	out := make([]string, 0, len(patterns))
	for _, p := range patterns {
		p = strings.TrimSpace(p)
		var last error
		known := slices.ContainsFunc(coord.Ecosystems(), func(e coord.Ecosystem) bool {
			_, err := coord.ParsePattern(e, p)
			if e == coord.NPM {
				last = err
			}
			return err == nil
		})
		if !known {
			return nil, errs.New(errs.Invalid, op, "%q is no pattern of package names, such as @acme/* or widgets: %v", p, last).On("packages")
		}
		out = append(out, p)
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > MaxTokenPackages {
		return nil, errs.New(errs.Invalid, op, "the token names %d patterns of packages; at most %d are allowed", len(out), MaxTokenPackages).On("packages")
	}
	return out, nil
}

// checkNetworks returns CIDR ranges in order and without doubles. An address
// alone is the range of itself.
func checkNetworks(op string, networks []string) ([]string, error) {
	out := make([]string, 0, len(networks))
	for _, n := range networks {
		p, err := parseNetwork(strings.TrimSpace(n))
		if err != nil {
			return nil, errs.New(errs.Invalid, op, "%q is no network; want a CIDR range such as 192.0.2.0/24, or one address", n).On("networks")
		}
		out = append(out, p.String())
	}
	slices.Sort(out)
	if out = slices.Compact(out); len(out) > MaxTokenNetworks {
		return nil, errs.New(errs.Invalid, op, "the token names %d networks; at most %d are allowed", len(out), MaxTokenNetworks).On("networks")
	}
	return out, nil
}

// parseNetwork reads a range or an address; IPv4 in IPv6 is IPv4, as addresses
// of clients are.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err == nil && p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("the range %s is wider than all of IPv4", text)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), err
}

func parseNetworks(stored []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range stored {
		p, err := parseNetwork(text)
		if err != nil {
			// Without it, the token would be valid from everywhere.
			return nil, fmt.Errorf("a stored token has the network %q: %w", text, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// comesFrom refuses an address outside of the credential's networks.
func (c *credential) comesFrom(ip string) error {
	if len(c.subject.Networks) == 0 {
		return nil
	}
	if a, err := netip.ParseAddr(ip); err == nil {
		a = a.Unmap().WithZone("")
		if slices.ContainsFunc(c.subject.Networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return nil
		}
	}
	return errs.Wrap(ErrAddress, errs.Unauthenticated, "access.Authenticate", "the token is not valid from the address %s; it is limited to certain networks", orUnknown(ip))
}

func orUnknown(ip string) string {
	if ip == "" {
		return "that it came from, which is not known"
	}
	return ip
}

// boundNetworks lets no token that is made reach further than the one that
// makes it.
func (t *turn) boundNetworks(in *TokenInput) error {
	mine := t.me.subject.Networks
	if len(mine) == 0 {
		return nil
	}
	if len(in.Networks) == 0 {
		for _, p := range mine {
			in.Networks = append(in.Networks, p.String())
		}
		return nil
	}
	for _, text := range in.Networks {
		p, err := parseNetwork(text)
		if err != nil {
			return err
		}
		inside := slices.ContainsFunc(mine, func(m netip.Prefix) bool { return m.Bits() <= p.Bits() && m.Contains(p.Addr()) })
		if !inside {
			return errs.New(errs.Forbidden, "access.CreateToken", "the network %s is not among those that the token which makes this one is limited to", text).On("networks")
		}
	}
	return nil
}
