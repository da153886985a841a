// Package pace bounds how many requests per second a credential, an address
// without one, and an organization make (law T5). Whoever is refused hears how
// long to wait.
//
// Every node counts by itself and in memory: a limit holds on each of them, and
// counting costs neither the database nor the other nodes anything. What is not
// asked for here is not counted: challenges of clients that send no credential
// at first (Maven, NuGet) are no requests of anybody.
package pace

import (
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

// Rate is how many requests per second may be made in the long run, and how
// many at once after a pause. A zero PerSecond is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Config are the limits. Zero values are replaced by [Defaults]'.
type Config struct {
	Reads     Rate // of one credential
	Writes    Rate // of one credential
	Anonymous Rate // of one address without a credential; of a /64 network with IPv6
	// Most bounds how many credentials and addresses are remembered. One that is
	// forgotten has its whole burst again.
	Most int
	Now  func() time.Time
}

// Defaults are generous: a clean install of a large project asks for some
// thousand documents and files at once.
var Defaults = Config{
	Reads:     Rate{PerSecond: 500, Burst: 10_000},
	Writes:    Rate{PerSecond: 20, Burst: 500},
	Anonymous: Rate{PerSecond: 100, Burst: 3_000},
	Most:      50_000,
	Now:       time.Now,
}

// orgBurst is the burst of an organization, in seconds of its quota.
const orgBurst = 10

// Request is what is to be counted.
type Request struct {
	Org   uuid.UUID
	Quota int       // requests per second of the organization; 0 is no limit
	Who   uuid.UUID // the token, or the member of a session; uuid.Nil for nobody
	IP    string    // the client's address
	Write bool      // it may change something
}

// Limiter counts requests. It is safe for concurrent use.
type Limiter struct {
	Config
	kept *otter.Cache[key, *rate.Limiter]
}

// key is whose requests a limiter counts: an organization's when it has neither
// who nor address.
type key struct {
	org   uuid.UUID
	who   uuid.UUID
	net   netip.Prefix
	write bool
}

// New returns a limiter.
func New(c Config) *Limiter {
	for _, r := range []struct{ have, or *Rate }{{&c.Reads, &Defaults.Reads}, {&c.Writes, &Defaults.Writes}, {&c.Anonymous, &Defaults.Anonymous}} {
		if *r.have == (Rate{}) {
			*r.have = *r.or
		}
	}
	if c.Most == 0 {
		c.Most = Defaults.Most
	}
	if c.Now == nil {
		c.Now = Defaults.Now
	}
	return &Limiter{Config: c, kept: otter.Must(&otter.Options[key, *rate.Limiter]{MaximumSize: c.Most})}
}

// Wait counts a request and returns 0 when it may go on. Else it counts
// nothing and returns how long to wait before the next one.
func (l *Limiter) Wait(r Request) time.Duration {
	now := l.Now()
	own := l.reserve(l.keyOf(r), l.rateOf(r), now)
	if d := own.delay(now); d > 0 {
		return d
	}
	all := l.reserve(key{org: r.Org}, Rate{PerSecond: float64(r.Quota), Burst: r.Quota * orgBurst}, now)
	if d := all.delay(now); d > 0 {
		own.cancel(now)
		return d
	}
	return 0
}

func (l *Limiter) keyOf(r Request) key {
	if r.Who != uuid.Nil {
		return key{org: r.Org, who: r.Who, write: r.Write}
	}
	return key{org: r.Org, net: networkOf(r.IP)}
}

func (l *Limiter) rateOf(r Request) Rate {
	switch {
	case r.Who == uuid.Nil:
		return l.Anonymous
	case r.Write:
		return l.Writes
	}
	return l.Reads
}

// networkOf is the address, or with IPv6 the network that one customer has. An
// address that cannot be read is one that all such share.
func networkOf(ip string) netip.Prefix {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 128)
	}
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 128)
	}
	return p
}

// reservation is a request that was counted; without a limit there is none.
type reservation struct{ *rate.Reservation }

func (l *Limiter) reserve(k key, r Rate, now time.Time) reservation {
	if r.PerSecond <= 0 {
		return reservation{}
	}
	burst := max(r.Burst, 1)
	lim, _ := l.kept.ComputeIfAbsent(k, func() (*rate.Limiter, bool) { return rate.NewLimiter(rate.Limit(r.PerSecond), burst), false })
	if lim.Limit() != rate.Limit(r.PerSecond) || lim.Burst() != burst {
		lim.SetLimitAt(now, rate.Limit(r.PerSecond)) // the quota was changed
		lim.SetBurstAt(now, burst)
	}
	return reservation{lim.ReserveN(now, 1)}
}

// delay returns how long to wait, and takes the request back when that is not 0.
func (r reservation) delay(now time.Time) time.Duration {
	if r.Reservation == nil {
		return 0
	}
	d := r.DelayFrom(now)
	if d > 0 {
		r.CancelAt(now)
	}
	return d
}

func (r reservation) cancel(now time.Time) {
	if r.Reservation != nil {
		r.CancelAt(now)
	}
}

// Kept returns how many credentials, addresses and organizations are remembered.
func (l *Limiter) Kept() int {
	l.kept.CleanUp()
	return l.kept.EstimatedSize()
}
