package registry_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

func TestRemotes_BadAddresses(t *testing.T) {
	b := newBench(t)
	before := b.all()
	for bad, word := range map[string]string{
		"":                             "absolute http or https URL",
		"npm.example":                  "absolute http or https URL",
		"//npm.example/x":              "absolute http or https URL",
		"ftp://npm.example":            "absolute http or https URL",
		"file:///etc/passwd":           "absolute http or https URL",
		"https:npm.example":            "absolute http or https URL",
		"https://":                     "absolute http or https URL",
		"https://:443/x":               "no host name",
		"https://npm example/":         "absolute http or https URL",
		"https://ann:pw@npm.example/":  "user name",
		"https://ann@npm.example/":     "user name",
		"https://ann:pw@npm example/":  "absolute http or https URL",
		"https://npm.example/?a=b":     "query or fragment",
		"https://npm.example/?":        "query or fragment",
		"https://npm.example/#x":       "query or fragment",
		"https://npm.example/#":        "query or fragment",
		"https://npm.example:0/":       "port 0",
		"https://npm.example:70000/":   "port 70000",
		"https://npm.example:x/":       "absolute http or https URL",
		"https://npm_internal.example": "no host name",
		"https://[::1/":                "absolute http or https URL",
		"javascript:alert(1)":          "absolute http or https URL",
	} {
		_, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: "r", BaseURL: bad})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(errs.Public(err), word) {
			t.Errorf("%q: %v, want %q", bad, err, word)
		}
		if strings.Contains(errs.Public(err), "pw") {
			t.Errorf("%q: the message tells the password", bad)
		}
	}
	for _, c := range []struct {
		in   registry.RemoteInput
		word string
	}{
		{registry.RemoteInput{Ecosystem: "RUBY", Name: "r"}, `"RUBY" is no ecosystem`},
		{registry.RemoteInput{Ecosystem: coord.NuGet, Name: "r"}, "the NUGET protocol is not built yet, so a remote of it"},
		{registry.RemoteInput{Ecosystem: coord.NPM, Name: "R!"}, "no remote name"},
		{registry.RemoteInput{Ecosystem: coord.NPM, Name: "r", FileHosts: []string{"cdn.example", "https://cdn.example"}}, `"https://cdn.example" is no host name`},
		{registry.RemoteInput{Ecosystem: coord.NPM, Name: "r", FileHosts: []string{""}}, "no host name"},
	} {
		c.in.BaseURL = "https://npm.example"
		_, err := b.svc.CreateRemote(b.ours, c.in)
		b.is(err, errs.Invalid, c.word)
	}
	if b.all() != before {
		t.Error("a refused remote left an audit event")
	}
}

func TestRemotes_Addresses(t *testing.T) {
	b := newBench(t)
	for i, c := range []struct{ given, kept string }{
		{"https://npm.example/", "https://npm.example"},
		{" https://npm.example/a/b// ", "https://npm.example/a/b"},
		{"http://127.0.0.1:4873", "http://127.0.0.1:4873"},
		{"http://[::1]:4873/x", "http://[::1]:4873/x"},
		{"https://npm.example/a%2Fb/", "https://npm.example/a%2Fb"},
	} {
		r, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: fmt.Sprint("r", i), BaseURL: c.given})
		b.ok(err)
		if r.BaseURL != c.kept {
			t.Errorf("%q is kept as %q, want %q", c.given, r.BaseURL, c.kept)
		}
	}
	_, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: "r0", BaseURL: "https://x.example"})
	b.is(err, errs.Conflict, `"r0" exists already`)
	_, err = b.svc.CreateRemote(b.theirs, registry.RemoteInput{Ecosystem: coord.NPM, Name: "r0", BaseURL: "https://x.example"})
	b.ok(err)
}

// TestRemotes_CredentialIsSealed: the database, the audit and formatted output
// never show it; the snapshot has it.
func TestRemotes_CredentialIsSealed(t *testing.T) {
	b := newBench(t)
	cred := registry.Credential{Username: "ann", Password: "hunter2"}
	r, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: "private", BaseURL: "https://npm.example", Credential: cred, Internal: true, FileHosts: []string{"cdn.example"}})
	b.ok(err)
	id := b.registry("r")
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Remote: r.ID})
	b.ok(err)
	if bytes.Contains(*b.stored(r).Credential, []byte("hunter2")) {
		t.Error("the credential is stored in the clear")
	}
	for _, e := range append(b.events(b.ours, "remote:create"), b.events(b.ours, "upstream:add")...) {
		if bytes.Contains(e.After, []byte("hunter2")) {
			t.Errorf("the audit shows the credential: %s", e.After)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", cred, cred, cred); strings.Contains(text, "hunter2") {
		t.Errorf("formatted: %s", text)
	}
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if got := snap.Node(id).Edges[0].Remote; got.Credential != cred || !got.Internal || got.FileHosts[0] != "cdn.example" || got.BaseURL != "https://npm.example" {
		t.Errorf("the snapshot has %+v", got)
	}
}

func (b *bench) stored(r *ent.Remote) (out *ent.Remote) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.Remote.Get(ctx, r.ID)
		return err
	})
	return out
}

// TestF6_CredentialStaysWithItsOrigin: moving a remote on its host keeps the
// credential; moving it anywhere else forgets it, so that nobody gets it who
// was not meant to.
func TestF6_CredentialStaysWithItsOrigin(t *testing.T) {
	b := newBench(t)
	for i, c := range []struct {
		to    string
		keeps bool
	}{
		{"https://npm.example/elsewhere", true},
		{"https://NPM.example/other", true},
		{"https://evil.example/", false},
		{"http://npm.example/", false},
		{"https://npm.example:8443/", false},
	} {
		r, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: fmt.Sprint("r", i), BaseURL: "https://npm.example", Credential: registry.Credential{Bearer: "secret"}})
		b.ok(err)
		b.is(b.svc.MoveRemote(b.theirs, r.ID, c.to), errs.NotFound)
		b.ok(b.svc.MoveRemote(b.ours, r.ID, c.to))
		if got := b.stored(r); (got.Credential != nil && len(*got.Credential) > 0) != c.keeps {
			t.Errorf("moved to %s: the credential is kept: %v, want %v", c.to, !c.keeps, c.keeps)
		}
		e := b.events(b.ours, "remote:update")
		if last := decoded(t, e[len(e)-1].After); last["credential"] != c.keeps {
			t.Errorf("moved to %s: the audit says %v", c.to, last)
		}
	}
	r := b.remote("plain")
	before := b.all()
	b.ok(b.svc.MoveRemote(b.ours, r, "https://npm.example/plain/"))
	if b.all() != before {
		t.Error("a move to where it is left an audit event")
	}
	b.is(b.svc.MoveRemote(b.ours, r, "nowhere"), errs.Invalid)
}
