package protocol

import (
	"net/netip"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

// Attempts counts failed logins by the address that they came from, so that
// nobody can try secrets for long. It counts on this node alone and remembers a
// bounded number of addresses. It is safe for concurrent use.
type Attempts struct {
	now  func() time.Time
	most int
	per  time.Duration
	by   *otter.Cache[string, *tally]
}

// tally is what one address did since a moment.
type tally struct {
	mu     sync.Mutex
	since  time.Time
	failed int
}

// mostAddresses bounds what is remembered.
const mostAddresses = 50_000

// NewAttempts allows most failures of one address in a period.
func NewAttempts(now func() time.Time, most int, per time.Duration) *Attempts {
	return &Attempts{now, most, per, otter.Must(&otter.Options[string, *tally]{MaximumSize: mostAddresses})}
}

// Wait returns how long an address must wait before it may try again, zero when
// it may now.
func (a *Attempts) Wait(ip string) time.Duration {
	t, ok := a.by.GetIfPresent(network(ip))
	if !ok {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed < a.most {
		return 0
	}
	return max(0, t.since.Add(a.per).Sub(a.now()))
}

// Failed counts a failure.
func (a *Attempts) Failed(ip string) {
	t, _ := a.by.ComputeIfAbsent(network(ip), func() (*tally, bool) { return &tally{}, false })
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := a.now(); now.Sub(t.since) >= a.per {
		t.since, t.failed = now, 0
	}
	t.failed++
}

// network is what counts as one address: of IPv6 the /64, of which everybody
// has a whole one.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Is4() {
		return ip
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}
