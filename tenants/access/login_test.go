package access_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

func logins(b *bench, svc *access.Service) *access.Logins {
	b.Helper()
	s, err := registry.NewSealer(bytes.Repeat([]byte{7}, 32))
	b.ok(err)
	return access.NewLogins(svc, s)
}

// rows counts all logins of an organization.
func (b *bench) logins(ctx context.Context) (n int) {
	b.Helper()
	b.ok(b.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.LoginRequest.Query().Count(ctx)
		return err
	}))
	return n
}

// TestA2_WebLogin: a client waits, a person says yes on another node, and the
// client gets the token once.
func TestA2_WebLogin(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	l, there := logins(b, b.svc), logins(b, otherNode(b))
	_, by := b.service(b.ours, access.TokenInput{Write: true, Roles: []access.Place{{Role: access.Publisher, Registry: reg}}})

	waiting, page, err := l.Start(b.ours, "team", "npm/11 from 192.0.2.7")
	b.ok(err)
	if b.logins(b.ours) != 0 {
		t.Error("a request that nobody answered is stored")
	}
	_, err = l.Collect(b.ours, waiting)
	if !errors.Is(err, access.ErrWaiting) {
		t.Fatalf("before the yes: %v", err)
	}
	asked, err := there.Read(b.ours, page)
	b.ok(err)
	if asked.Registry != "team" || asked.Client != "npm/11 from 192.0.2.7" || !asked.Expires.Equal(b.clock.now().Add(10*time.Minute)) {
		t.Errorf("asked = %+v", asked)
	}
	made, err := there.Approve(b.as(b.ours, by), page, reg)
	b.ok(err)
	if !made.Write || made.Parent != by.TokenID || made.Registries[0] != reg || !made.ExpiresAt.Equal(b.clock.now().Add(30*24*time.Hour)) {
		t.Errorf("made = %+v", made)
	}
	_, err = l.Approve(b.as(b.ours, by), page, reg)
	b.is(err, errs.Conflict)

	// Several pollers at once: one of them gets it.
	var got sync.Map
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if secret, err := l.Collect(b.ours, waiting); err == nil {
				got.Store(i, secret)
			} else if !errs.Is(err, errs.NotFound) {
				t.Errorf("poller %d: %v", i, err)
			}
		})
	}
	all.Wait()
	n := 0
	got.Range(func(_, secret any) bool {
		n++
		who, err := b.svc.Authenticate(b.ours, secret.(string), "")
		b.ok(err)
		b.ok(b.svc.Write(b.as(b.ours, who), access.VersionPublish, reg, pkg("w")))
		return true
	})
	if n != 1 {
		t.Errorf("the token was handed out %d times", n)
	}
	var sealed int
	b.ok(b.db.InSnapshot(b.ours, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM login_requests WHERE token_sealed IS NOT NULL`).Scan(&sealed)
	}))
	if sealed != 0 {
		t.Error("the secret is still stored after it was collected")
	}
}

// TestT3_Logins: secrets that were guessed, changed, mixed up, are foreign or
// too old are one answer.
func TestT3_Logins(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	l := logins(b, b.svc)
	_, by := b.service(b.ours, access.TokenInput{Write: true, Roles: []access.Place{{Role: access.Publisher, Registry: reg}}})
	waiting, page, err := l.Start(b.ours, "team", "")
	b.ok(err)
	ghost, ghostPage, err := l.Start(b.ours, "nothing-of-that-name", "")
	b.ok(err)
	changed := []byte(waiting)
	changed[20] ^= 1
	for name, secret := range map[string]string{"empty": "", "guessed": strings.Repeat("A", 200), "changed": string(changed), "the page's": page, "not base64": "%%%"} {
		if _, err := l.Collect(b.ours, secret); !errs.Is(err, errs.NotFound) {
			t.Errorf("collecting with a secret that is %s: %v", name, err)
		}
	}
	for name, secret := range map[string]string{"empty": "", "the client's": waiting} {
		if _, err := l.Read(b.ours, secret); !errs.Is(err, errs.NotFound) {
			t.Errorf("a page whose secret is %s: %v", name, err)
		}
	}
	// Another organization's.
	_, err = l.Read(b.theirs, page)
	b.is(err, errs.NotFound)
	_, err = l.Collect(b.theirs, waiting)
	b.is(err, errs.NotFound)
	_, theirs := b.service2(b.theirs)
	_, err = l.Approve(b.as(b.theirs, theirs), page, reg)
	b.is(err, errs.NotFound)
	// A registry that does not exist looks the same to who waits.
	_, err = l.Collect(b.ours, ghost)
	if !errors.Is(err, access.ErrWaiting) {
		t.Errorf("waiting for a registry that does not exist: %v", err)
	}
	_, err = l.Read(b.ours, ghostPage)
	b.ok(err)
	// What the person may not reach cannot be let into.
	_, err = l.Approve(b.as(b.ours, by), page, b.registry(b.ours, "hidden"))
	b.is(err, errs.NotFound)
	_, err = l.Approve(b.as(b.ours, by), page, uuid.New())
	b.is(err, errs.NotFound)
	_, err = l.Approve(b.as(b.ours, access.Anonymous()), page, reg)
	b.is(err, errs.Unauthenticated)
	if b.logins(b.ours) != 0 || b.logins(b.theirs) != 0 {
		t.Error("a login that failed is stored")
	}
	b.clock.add(10 * time.Minute)
	_, err = l.Collect(b.ours, waiting)
	b.is(err, errs.NotFound)
	_, err = l.Approve(b.as(b.ours, by), page, reg)
	b.is(err, errs.NotFound)
}

// service2 is a service token of another organization.
func (b *bench) service2(ctx context.Context) (string, access.Subject) {
	b.Helper()
	return b.service(ctx, access.TokenInput{Write: true, Roles: []access.Place{{Role: access.Admin}}})
}

// TestA2_LoginsEnd: nothing is left of a login that nobody collected, and a
// login's token ends no later than the one that it was made with.
func TestA2_LoginsEnd(t *testing.T) {
	b := newBench(t)
	reg := b.registry(b.ours, "team")
	l := logins(b, b.svc)
	end := b.clock.now().Add(time.Hour)
	_, by := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Publisher, Registry: reg}}, ExpiresAt: end})
	waiting, page, err := l.Start(b.ours, "team", "")
	b.ok(err)
	made, err := l.Approve(b.as(b.ours, by), page, reg)
	b.ok(err)
	if made.Write || !made.ExpiresAt.Equal(end) {
		t.Errorf("made = %+v, wider than the token that made it", made)
	}
	if n, err := b.svc.Sweep(b.ours); err != nil || n != 0 {
		t.Errorf("a sweep too early removed %d, %v", n, err)
	}
	b.clock.add(11 * time.Minute)
	_, err = l.Collect(b.ours, waiting)
	b.is(err, errs.NotFound)
	for i, want := range []int{1, 0} {
		if n, err := b.svc.Sweep(b.ours); err != nil || n != want {
			t.Errorf("sweep %d: %d, %v, want %d", i+1, n, err, want)
		}
	}
	all, err := b.svc.Tokens(b.ours, access.Page{})
	b.ok(err)
	revoked := false
	for _, k := range all {
		revoked = revoked || k.ID == made.ID && k.RevokedAt != nil
	}
	if !revoked {
		t.Error("a token that nobody collected is still valid")
	}
}

// TestA2_LoginWithoutAKey: a node that cannot seal starts no login.
func TestA2_LoginWithoutAKey(t *testing.T) {
	b := newBench(t)
	l := access.NewLogins(access.New(b.db, audit.New(b.clock.now), b.clock.now), (*registry.Sealer)(nil))
	if _, _, err := l.Start(b.ours, "team", ""); err == nil {
		t.Error("a login was started without a key")
	}
}
