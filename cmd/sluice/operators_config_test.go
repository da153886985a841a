package main

import (
	"slices"
	"strings"
	"testing"
)

// TestT5_OperatorSettings: nobody operates by default, and a setting that could
// not work says so when the node starts.
func TestT5_OperatorSettings(t *testing.T) {
	t.Parallel()
	with := func(change func(*nodeFlags)) nodeFlags {
		f := nodeFlags{Listen: "127.0.0.1:0", PublicURL: "https://sluice.example", BlobDir: "/blobs", CacheMiB: 1, SecretKeys: []secret{secret(strings.Repeat("5a", 32))},
			OIDC: oidcFlags{Issuer: "https://id.example", ClientID: "sluice"}}
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		change func(*nodeFlags)
		says   string // "" is well
		emails []string
	}{
		"nobody":                 {func(*nodeFlags) {}, "", nil},
		"addresses in any case":  {func(f *nodeFlags) { f.Operators = []string{" Olga@Sluice.Example ", "otto@sluice.example"} }, "", []string{"olga@sluice.example", "otto@sluice.example"}},
		"a group":                {func(f *nodeFlags) { f.OperatorGroup = "ops" }, "", nil},
		"no address":             {func(f *nodeFlags) { f.Operators = []string{"olga"} }, `--operators "olga" is no e-mail address`, nil},
		"a name and an address":  {func(f *nodeFlags) { f.Operators = []string{"Olga <olga@sluice.example>"} }, "is no e-mail address", nil},
		"no provider":            {func(f *nodeFlags) { f.Operators, f.OIDC = []string{"olga@sluice.example"}, oidcFlags{} }, "set --oidc-issuer", nil},
		"a group, no provider":   {func(f *nodeFlags) { f.OperatorGroup, f.OIDC = "ops", oidcFlags{} }, "set --oidc-issuer", nil},
		"without https":          {func(f *nodeFlags) { f.OperatorGroup, f.PublicURL = "ops", "http://sluice.example" }, "need https", nil},
		"development, over http": {func(f *nodeFlags) { f.OperatorGroup, f.PublicURL, f.development = "ops", "http://127.0.0.1:8080", true }, "", nil},
	} {
		f := with(c.change)
		err := f.validate()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		if err != nil {
			continue
		}
		got, err := f.operators()
		if err != nil || !slices.Equal(got.Emails, c.emails) || got.Group != f.OperatorGroup || (got.Issuer != "") != (name != "nobody") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
