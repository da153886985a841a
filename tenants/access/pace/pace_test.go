package pace_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access/pace"
)

var acme, globex, ana, bob = uuid.New(), uuid.New(), uuid.New(), uuid.New()

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time      { return time.Unix(0, c.at.Load()) }
func (c *clock) add(d time.Duration) { c.at.Add(int64(d)) }

func newLimiter(most int) (*pace.Limiter, *clock) {
	c := &clock{}
	c.add(1_000_000 * time.Second)
	return pace.New(pace.Config{Reads: pace.Rate{PerSecond: 10, Burst: 20}, Writes: pace.Rate{PerSecond: 1, Burst: 2},
		Anonymous: pace.Rate{PerSecond: 2, Burst: 4}, Most: most, Now: c.now}), c
}

// through counts how many of n requests go on.
func through(l *pace.Limiter, r pace.Request, n int) (passed int) {
	for range n {
		if l.Wait(r) == 0 {
			passed++
		}
	}
	return passed
}

func TestT5_CredentialsHaveABurstAndARate(t *testing.T) {
	l, c := newLimiter(0)
	read := pace.Request{Org: acme, Who: ana}
	if n := through(l, read, 50); n != 20 {
		t.Errorf("%d of 50 at once, want the burst of 20", n)
	}
	if d := l.Wait(read); d != 100*time.Millisecond {
		t.Errorf("wait %s, want a tenth of a second", d)
	}
	c.add(99 * time.Millisecond)
	if l.Wait(read) == 0 {
		t.Error("goes on before the time that was given")
	}
	c.add(time.Millisecond)
	if d := l.Wait(read); d != 0 {
		t.Errorf("still waits %s after the time that was given: refusals count", d)
	}
	c.add(time.Second)
	if n := through(l, read, 50); n != 10 {
		t.Errorf("%d in a second, want 10", n)
	}
	for name, r := range map[string]pace.Request{
		"its writes": {Org: acme, Who: ana, Write: true}, "another credential": {Org: acme, Who: bob},
		"the same in another organization": {Org: globex, Who: ana}, "nobody": {Org: acme, IP: "192.0.2.1"},
	} {
		if d := l.Wait(r); d != 0 {
			t.Errorf("%s waits %s for what others did", name, d)
		}
	}
}

func TestT5_AddressesWithoutCredential(t *testing.T) {
	l, _ := newLimiter(0)
	nobody := func(ip string) pace.Request { return pace.Request{Org: acme, IP: ip, Write: true} }
	if n := through(l, nobody("192.0.2.1"), 9); n != 4 {
		t.Errorf("%d, want the burst of 4", n)
	}
	for ip, want := range map[string]int{
		"::ffff:192.0.2.1": 0, // the same one
		"192.0.2.2":        1,
		"nonsense":         1,
	} {
		if n := through(l, nobody(ip), 1); n != want {
			t.Errorf("%s: %d, want %d", ip, n, want)
		}
	}
	through(l, nobody("2001:db8::1"), 4)
	if through(l, nobody("2001:db8::ffff"), 1) != 0 || through(l, nobody("2001:db8:0:1::1"), 1) != 1 {
		t.Error("IPv6 is not counted by /64")
	}
}

func TestT5_OrganizationQuota(t *testing.T) {
	l, c := newLimiter(0)
	passed := 0
	for range 100 { // more credentials than one
		passed += through(l, pace.Request{Org: acme, Quota: 5, Who: uuid.New()}, 2)
	}
	if passed != 50 {
		t.Errorf("%d of 200, want ten seconds' worth", passed)
	}
	if d := l.Wait(pace.Request{Org: acme, Quota: 5, Who: ana}); d != 200*time.Millisecond {
		t.Errorf("wait %s, want a fifth of a second", d)
	}
	if n := through(l, pace.Request{Org: globex, Quota: 5, Who: bob}, 20); n != 20 {
		t.Errorf("the other organization gets %d of 20", n)
	}
	// What the organization refused did not count against the credential.
	if n := through(l, pace.Request{Org: acme, Who: ana}, 30); n != 20 {
		t.Errorf("without a quota %d, want the whole burst of 20", n)
	}
	c.add(time.Second)
	if n := through(l, pace.Request{Org: acme, Quota: 50, Who: uuid.New()}, 20); n < 5 {
		t.Errorf("%d pass after the quota was raised", n)
	}
}

func TestF3_MemoryIsBounded(t *testing.T) {
	l, _ := newLimiter(100)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 5_000 {
				l.Wait(pace.Request{Org: acme, IP: fmt.Sprintf("10.%d.%d.%d", w, i/250, i%250)})
			}
		})
	}
	all.Wait()
	if n := l.Kept(); n > 100 {
		t.Errorf("%d addresses are remembered, want 100 at most", n)
	}
}

func BenchmarkWait(b *testing.B) {
	l := pace.New(pace.Config{Reads: pace.Rate{PerSecond: 1e9, Burst: 1 << 30}})
	r := pace.Request{Org: acme, Quota: 1 << 20, Who: ana}
	b.ReportAllocs()
	for b.Loop() {
		l.Wait(r)
	}
}
