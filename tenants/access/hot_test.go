package access_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// TestQ2_WarmReadsAskNothing counts what a download costs once warm. It is not
// parallel, since allocations are counted for the whole process.
func TestQ2_WarmReadsAskNothing(t *testing.T) {
	b := newBenchTB(t)
	one := b.registry(b.ours, "one")
	secret, _ := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: one}}})
	before := b.db.Pool.Stat().AcquireCount()
	for range 1000 {
		if s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7"); err != nil || !b.reads(b.ours, s, one) {
			t.Fatal(err)
		}
	}
	// The feed's beats use the pool too, and its echo of what was just made
	// drops what was remembered once more.
	if used := b.db.Pool.Stat().AcquireCount() - before; used > 20 {
		t.Errorf("1000 warm requests used the database %d times", used)
	}
	s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.ok(err)
	if n := testing.AllocsPerRun(100, func() { _, _ = b.svc.Reads(b.ours, s, one) }); n > 0 {
		t.Errorf("Reads allocates %v times", n)
	}
}

func TestA2_InventedTokensDoNotReachTheDatabaseTwice(t *testing.T) {
	b := newBench(t)
	secret, _ := b.service(b.theirs, access.TokenInput{})
	_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
	b.is(err, errs.Unauthenticated)
	before := b.db.Pool.Stat().AcquireCount()
	for range 1000 {
		_, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
		b.is(err, errs.Unauthenticated)
	}
	if used := b.db.Pool.Stat().AcquireCount() - before; used > 20 {
		t.Errorf("1000 wrong tokens used the database %d times", used)
	}
}

// TestA4_OwnersCannotRemoveEachOtherAtOnce tries it from both sides at the same
// time: exactly one may win, or nobody could make an owner any more.
func TestA4_OwnersCannotRemoveEachOtherAtOnce(t *testing.T) {
	b := newBench(t)
	one := b.member(b.ours, "one", access.Place{Role: access.Owner})
	two := b.member(b.ours, "two", access.Place{Role: access.Owner})
	results := make([]error, 2)
	var both sync.WaitGroup
	for i, c := range []struct{ by, whom access.Subject }{{one, two}, {two, one}} {
		both.Go(func() {
			results[i] = b.svc.Revoke(b.as(b.ours, c.by), access.MemberPrincipal(c.whom.MemberID), access.Owner, uuid.Nil)
		})
	}
	both.Wait()
	if (results[0] == nil) == (results[1] == nil) {
		t.Errorf("results: %v", errors.Join(results...))
	}
}

func BenchmarkAuthenticateAndRead(bm *testing.B) {
	b := newBenchTB(bm)
	one := b.registry(b.ours, "one")
	secret, _ := b.service(b.ours, access.TokenInput{Roles: []access.Place{{Role: access.Reader, Registry: one}}})
	bm.ReportAllocs()
	for bm.Loop() {
		s, err := b.svc.Authenticate(b.ours, secret, "192.0.2.7")
		if err != nil || !b.reads(b.ours, s, one) {
			bm.Fatal(err)
		}
	}
}

func BenchmarkCan(bm *testing.B) {
	b := newBenchTB(bm)
	one := b.registry(b.ours, "one")
	_, s := b.service(b.ours, access.TokenInput{Write: true, Roles: []access.Place{{Role: access.Publisher, Registry: one}}})
	bm.ReportAllocs()
	for bm.Loop() {
		if !b.can(b.ours, s, access.VersionPublish, one) {
			bm.Fatal("refused")
		}
	}
}
