package access_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

func pkg(name string) coord.Package { return coord.Package{Ecosystem: coord.NPM, Name: name} }

// TestA2_PackageLimit: a token that is limited to packages writes to those, in
// the registries of its scope and by its own rights, and changes nothing else.
func TestA2_PackageLimit(t *testing.T) {
	b := newBench(t)
	reg, other := b.registry(b.ours, "team"), b.registry(b.ours, "other")
	_, who := b.service(b.ours, access.TokenInput{Write: true, Packages: []string{"@acme/*", "widgets", "widgets"},
		Roles: []access.Place{{Role: access.Publisher, Registry: reg}, {Role: access.Reader, Registry: other}}})
	if want := []string{"@acme/*", "widgets"}; !slices.Equal(who.Packages, want) {
		t.Fatalf("the subject has %v, want %v", who.Packages, want)
	}
	for _, c := range []struct {
		name   string
		action access.Action
		reg    uuid.UUID
		pkg    string
		want   errs.Kind // Internal: allowed
		says   string
	}{
		{"in scope", access.VersionPublish, reg, "@acme/a", errs.Internal, ""},
		{"by name", access.TagUpdate, reg, "widgets", errs.Internal, ""},
		{"reading is not limited", access.VersionRead, reg, "lodash", errs.Internal, ""},
		{"another package", access.VersionPublish, reg, "widgets2", errs.Forbidden, "may only write to the packages @acme/*, widgets; widgets2 is none of them"},
		{"another scope", access.VersionPublish, reg, "@acme2/a", errs.Forbidden, "is none of them"},
		{"a right that it lacks", access.VersionDelete, reg, "widgets", errs.Forbidden, "version:delete"},
		{"where it only reads", access.VersionPublish, other, "widgets", errs.Forbidden, "version:publish"},
		{"a registry that is not there", access.VersionPublish, uuid.New(), "widgets", errs.NotFound, "the registry does not exist"},
	} {
		err := b.svc.Write(b.as(b.ours, who), c.action, c.reg, pkg(c.pkg))
		if c.want == errs.Internal {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if !errs.Is(err, c.want) || !strings.Contains(errs.Public(err), c.says) {
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.says)
		}
	}
	// Without a package nothing can be changed, by no way of asking.
	if b.can(b.ours, who, access.VersionPublish, reg) {
		t.Error("Can allows publishing without a package")
	}
	allowed, err := b.svc.Allowed(b.ours, who, reg)
	b.ok(err)
	if slices.ContainsFunc(allowed, func(a access.Action) bool { return !a.Reading() }) {
		t.Errorf("Allowed lists %v", allowed)
	}
	if where, err := b.svc.Where(b.ours, who, access.VersionPublish); err != nil || where.All || len(where.Registries) > 0 {
		t.Errorf("Where = %+v, %v", where, err)
	}
	b.is(b.svc.Require(b.ours, who, access.VersionPublish, reg), errs.Forbidden)
	// Elsewhere it is nobody (T3), and the limit ends with the token.
	b.is(b.svc.Write(b.as(b.theirs, who), access.VersionPublish, reg, pkg("widgets")), errs.NotFound)
	b.ok(b.svc.RevokeToken(b.ours, who.TokenID))
	b.is(b.svc.Write(b.as(b.ours, who), access.VersionPublish, reg, pkg("widgets")), errs.NotFound)
}

// TestA2_WriteWithoutLimit: Write is Require for everybody else.
func TestA2_WriteWithoutLimit(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	_, who := b.service(b.ours, access.TokenInput{Write: true, Roles: []access.Place{{Role: access.Publisher, Registry: reg}}})
	_, reads := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Publisher, Registry: reg}}})
	_, limited := b.service(b.ours, access.TokenInput{Packages: []string{"widgets"}, Roles: []access.Place{{Role: access.Publisher, Registry: reg}}})
	b.ok(b.svc.Write(b.as(b.ours, who), access.VersionPublish, reg, pkg("anything")))
	b.ok(b.svc.Write(b.ours, access.VersionPublish, reg, pkg("anything"))) // the system
	b.is(b.svc.Write(b.as(b.ours, reads), access.VersionPublish, reg, pkg("anything")), errs.Forbidden)
	b.is(b.svc.Write(b.as(b.ours, limited), access.VersionPublish, reg, pkg("widgets")), errs.Forbidden)
	b.is(b.svc.Write(b.as(b.ours, access.Anonymous()), access.VersionPublish, reg, pkg("widgets")), errs.Unauthenticated)
	b.is(b.svc.Write(b.as(b.theirs, who), access.VersionPublish, reg, pkg("anything")), errs.NotFound)
}

// TestA2_AddressLimit: a token works from its networks only.
func TestA2_AddressLimit(t *testing.T) {
	b := newBench(t)
	secret, made, err := b.svc.CreateToken(b.ours, access.TokenInput{Name: "office", Networks: []string{"192.0.2.77/24", "2001:db8::/32", "198.51.100.9", "::ffff:203.0.113.0/120"}})
	b.ok(err)
	if want := []string{"192.0.2.0/24", "198.51.100.9/32", "2001:db8::/32", "203.0.113.0/24"}; !slices.Equal(made.Networks, want) {
		t.Errorf("networks = %v, want %v", made.Networks, want)
	}
	for ip, ok := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "2001:db8:1::1": true, "198.51.100.9": true, "203.0.113.200": true,
		"192.0.3.1": false, "198.51.100.10": false, "2001:db9::1": false, "": false, "nonsense": false,
	} {
		_, err := b.svc.Authenticate(b.ours, secret, ip)
		if (err == nil) != ok {
			t.Errorf("from %q: %v", ip, err)
		}
		if err != nil && (!errors.Is(err, access.ErrAddress) || !errs.Is(err, errs.Unauthenticated)) {
			t.Errorf("from %q: %v is not about the address", ip, err)
		}
	}
	_, err = b.svc.Authenticate(b.theirs, secret, "192.0.2.1")
	b.is(err, errs.Unauthenticated)
	if errors.Is(err, access.ErrAddress) {
		t.Error("a foreign token tells of its networks")
	}
}

// TestA4_NetworksAreHandedOn: what a limited token makes is limited as it is.
func TestA4_NetworksAreHandedOn(t *testing.T) {
	b := newBench(t)
	ana := b.member(b.ours, "ana", access.Place{Role: access.Ordinary})
	secret, _, err := b.svc.CreateToken(b.as(b.ours, ana), access.TokenInput{Name: "limited", MemberID: ana.MemberID, Write: true, Networks: []string{"192.0.2.0/24"}})
	b.ok(err)
	who, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	in := access.TokenInput{Name: "made", MemberID: ana.MemberID}
	_, made, err := b.svc.CreateToken(b.as(b.ours, who), in)
	b.ok(err)
	if !slices.Equal(made.Networks, []string{"192.0.2.0/24"}) {
		t.Errorf("the new token has the networks %v", made.Networks)
	}
	in.Networks = []string{"192.0.2.128/25"}
	_, _, err = b.svc.CreateToken(b.as(b.ours, who), in)
	b.ok(err)
	in.Networks = []string{"192.0.0.0/16"}
	_, _, err = b.svc.CreateToken(b.as(b.ours, who), in)
	b.is(err, errs.Forbidden)
}

// TestF5_TokenLimits: bad patterns and networks are named.
func TestF5_TokenLimits(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		in   access.TokenInput
		says string
	}{
		{access.TokenInput{Packages: []string{"a b"}}, `"a b" is no pattern of package names`},
		{access.TokenInput{Packages: []string{""}}, "is no pattern"},
		{access.TokenInput{Networks: []string{"192.0.2.0/33"}}, `"192.0.2.0/33" is no network; want a CIDR range such as 192.0.2.0/24`},
		{access.TokenInput{Networks: []string{"office"}}, `"office" is no network`},
		{access.TokenInput{Networks: []string{"::ffff:0:0/90"}}, "is no network"},
	} {
		c.in.Name = "x"
		_, _, err := b.svc.CreateToken(b.ours, c.in)
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), c.says) {
			t.Errorf("%+v: %v, want %q", c.in, err, c.says)
		}
	}
}
