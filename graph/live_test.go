package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/quarantine"
)

const (
	decisionsQuery = `subscription($f: DecisionFilter) { decisionRecorded(filter: $f) { package registry { name } effect } }`
	holdsQuery     = `subscription($r: ID, $f: HoldFilter) { holdChanged(registry: $r, filter: $f) { package open registry { name } } }`
	scansQuery     = `subscription { scanProgress { packages state } }`
	importsQuery   = `subscription { advisoryImportProgress { feed state stored changed { ecosystem packages } } }`
	pullQuery      = `subscription($id: ID!) { pullProgress(id: $id) { source total held failed refused endedAt } }`
)

// refuse records a refusal of a version of the package.
func (w *world) refuse(ctx context.Context, registry uuid.UUID, name, effect string) {
	w.Helper()
	_, err := w.decisions.Refused(ctx, audit.Answer{Registry: registry, Version: coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: name}, Version: "1.0.0"},
		Channel: audit.ChannelFile, Effect: effect, Decision: map[string]any{}})
	w.ok(err)
}

func (w *world) holdOn(ctx context.Context, registry uuid.UUID, name string) uuid.UUID {
	w.Helper()
	h, err := w.quarantine.Hold(ctx, quarantine.HoldInput{Registry: registry, Name: name, Version: "1.0.0", Reason: "odd"})
	w.ok(err)
	return h.ID
}

// says expects the next event to contain the text.
func (s stream) says(want string) {
	s.Helper()
	a, more := s.next()
	if !more || len(a.Errors) > 0 || !strings.Contains(string(a.Data), want) {
		s.Fatalf("%s %v (more %v), want %s", a.Data, a.Errors, more, want)
	}
}

// opened is a stream that follows by now: it has shown a sign of life after it
// joined. The first ping may come before.
func (w *world) opened(ctx context.Context, query string, v vars) stream {
	w.Helper()
	s := w.follow(ctx, query, v)
	for pings := 0; pings < 3 && s.lines.Scan(); {
		if s.lines.Text() == ": ping" {
			pings++
		}
	}
	return s
}

// TestT3_StreamsStayApart: what happens in one organization never arrives in
// the other. What would have come first would have come before what did.
func TestT3_StreamsStayApart(t *testing.T) {
	w := newWorld(t)
	ours, theirs := w.hierarchy(w.ours), w.hierarchy(w.theirs)
	us := w.member(w.ours, "us", access.Place{Role: access.Owner})
	them := w.member(w.theirs, "them", access.Place{Role: access.Owner})
	for name, c := range map[string]struct {
		query string
		act   func(ctx context.Context, at hierarchy, mark string)
	}{
		"decisions": {decisionsQuery, func(ctx context.Context, at hierarchy, mark string) { w.refuse(ctx, at.team, mark, "DENY") }},
		"holds":     {holdsQuery, func(ctx context.Context, at hierarchy, mark string) { w.holdOn(ctx, at.team, mark) }},
		"scans": {scansQuery, func(ctx context.Context, _ hierarchy, mark string) {
			w.ok(w.scanner.Scan(ctx, uuid.Must(uuid.NewV7()), 1, coord.NPM, []string{mark}))
		}},
	} {
		a, b := w.opened(us, c.query, nil), w.opened(them, c.query, nil)
		for i := range 5 {
			c.act(w.theirs, theirs, fmt.Sprintf("theirs-%d", i))
		}
		c.act(w.ours, ours, "ours-1")
		a.says("ours-1")
		for seen := map[byte]bool{}; len(seen) < 5; { // in any order, of the same time
			got, more := b.next()
			_, mark, _ := strings.Cut(string(got.Data), "theirs-")
			if !more || mark == "" || strings.Contains(string(got.Data), "ours") {
				t.Fatalf("%s: %s %v", name, got.Data, got.Errors)
			}
			seen[mark[0]] = true
		}
	}
}

// TestStreams_Filters: what is not asked for is not sent.
func TestStreams_Filters(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	denied := w.opened(owner, decisionsQuery, vars{"f": vars{"effect": "DENY", "registry": id("Registry", h.team)}})
	w.refuse(w.ours, h.team, "warned", "WARN")
	w.refuse(w.ours, h.firewall, "elsewhere", "DENY")
	w.refuse(w.ours, h.team, "denied", "DENY")
	denied.says(`"package":"denied"`)
	holds := w.opened(owner, holdsQuery, vars{"r": id("Registry", h.team)})
	w.holdOn(w.ours, h.firewall, "above")
	one := w.holdOn(w.ours, h.team, "here")
	holds.says(`"package":"here","open":true`)
	_, err := w.quarantine.Release(w.ours, one, "fine")
	w.ok(err)
	holds.says(`"package":"here","open":false`)
}

// TestA2_StreamsEnd: a stream narrows and ends with the right, the token, and
// the organization, and says why.
func TestA2_StreamsEnd(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	both := w.member(w.ours, "both", access.Place{Role: access.Security, Registry: h.team}, access.Place{Role: access.Security, Registry: h.firewall})
	who := access.MemberPrincipal(access.Of(both).MemberID)
	s := w.opened(both, decisionsQuery, nil)
	w.refuse(w.ours, h.firewall, "first", "DENY")
	s.says("first")
	w.ok(w.access.Revoke(w.ours, who, access.Security, h.firewall))
	w.refuse(w.ours, h.firewall, "second", "DENY")
	w.refuse(w.ours, h.team, "third", "DENY")
	s.says("third")
	w.ok(w.access.Revoke(w.ours, who, access.Security, h.team))
	s.ends("FORBIDDEN")

	secret, token, err := w.access.CreateToken(w.ours, access.TokenInput{Name: "ci", Roles: []access.Place{{Role: access.Auditor}}})
	w.ok(err)
	subject, err := w.access.Authenticate(w.ours, secret, "192.0.2.7")
	w.ok(err)
	streams := map[string]stream{}
	for name, query := range map[string]string{"decisions": decisionsQuery, "holds": holdsQuery, "scans": scansQuery, "imports": importsQuery} {
		streams[name] = w.opened(access.As(w.ours, subject, ""), query, nil)
	}
	w.ok(w.access.RevokeToken(w.ours, token.ID))
	for name, s := range streams {
		if a, more := s.next(); !more || len(a.Errors) != 1 {
			t.Errorf("%s goes on without its token: %s %v", name, a.Data, a.Errors)
		}
	}
	last := w.opened(w.member(w.ours, "last", access.Place{Role: access.Owner}), holdsQuery, nil)
	_, err = org.New(w.db, audit.New(func() time.Time { return w.now }), func() time.Time { return w.now }).Suspend(w.ours)
	w.ok(err)
	if a, more := last.next(); !more || len(a.Errors) != 1 {
		t.Errorf("a suspended organization still hears: %s %v", a.Data, a.Errors)
	}
}

// TestA2_StreamsAskAgain: a login that has ended ends its streams, although the
// member has every right.
func TestA2_StreamsAskAgain(t *testing.T) {
	w := newWorld(t)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	ended := make(chan struct{})
	ctx := access.WithAgain(owner, func(context.Context) (access.Subject, error) {
		select {
		case <-ended:
			return access.Anonymous(), nil
		default:
			return access.Of(owner), nil
		}
	})
	s := w.openedAs(ctx, holdsQuery)
	close(ended)
	s.ends("UNAUTHENTICATED")
}

// TestF3_StreamsAreBounded: one subject has so many, and a place is free when a
// stream ends.
func TestF3_StreamsAreBounded(t *testing.T) {
	w := newWorldWaiting(t, time.Millisecond, func(d *graph.Deps) { d.Streams.PerSubject, d.Streams.PerOrganization = 2, 3 })
	h := w.hierarchy(w.ours)
	pulled := w.pullOf(h)
	a := w.member(w.ours, "a", access.Place{Role: access.Owner})
	b := w.member(w.ours, "b", access.Place{Role: access.Owner})
	w.opened(a, holdsQuery, nil)
	ending := w.opened(a, pullQuery, vars{"id": id("Pull", pulled)})
	if got := w.open(a, holdsQuery, nil, true); got.code() != "UNAVAILABLE" || !strings.Contains(got.Errors[0].Message, "2 things") {
		t.Errorf("a third: %s %v", got.Data, got.Errors)
	}
	w.opened(b, holdsQuery, nil)
	if got := w.open(b, holdsQuery, nil, true); got.code() != "UNAVAILABLE" || !strings.Contains(got.Errors[0].Message, "3 streams") {
		t.Errorf("a fourth of all: %s %v", got.Data, got.Errors)
	}
	w.opened(w.member(w.theirs, "c", access.Place{Role: access.Owner}), holdsQuery, nil) // nobody else waits
	w.finishPull(pulled)
	for more := true; more; {
		_, more = ending.next()
	}
	w.opened(a, holdsQuery, nil)
}

// TestF3_SlowReader: who reads too slowly is cut off, and what waits for them
// is bounded.
func TestF3_SlowReader(t *testing.T) {
	w := newWorldWaiting(t, time.Millisecond, func(d *graph.Deps) {
		d.Streams.PerSubject, d.Streams.Waiting, d.Streams.Write = 1, 5, 100*time.Millisecond
	})
	h := w.hierarchy(w.ours)
	slow := w.member(w.ours, "slow", access.Place{Role: access.Owner})
	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, "r%d: reason ", i)
	}
	s := w.opened(slow, `subscription { holdChanged { `+many.String()+`} }`, nil)
	for i := range 30 {
		_, err := w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: h.team, Name: fmt.Sprintf("p%d", i), Version: "1.0.0", Reason: strings.Repeat("x", 1900)})
		w.ok(err)
	}
	// It holds the only place until it is cut off.
	deadline := time.Now().Add(20 * time.Second)
	for {
		if a := w.open(slow, holdsQuery, nil, false); a.code() == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a client that does not read keeps its stream")
		}
	}
	_ = s
}

// TestStreams_Progress follows a pull, a scan and an import from beginning to
// end.
func TestStreams_Progress(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	pulled := w.pullOf(h)
	p := w.opened(owner, pullQuery, vars{"id": id("Pull", pulled)})
	p.says(`"total":1,"held":0`)
	w.finishPull(pulled)
	var last string
	for a, more := p.next(); more; a, more = p.next() {
		last = string(a.Data)
	}
	if !strings.Contains(last, `"held":1`) || strings.Contains(last, `"endedAt":null`) {
		t.Errorf("the pull ended with %s", last)
	}
	scans := w.opened(owner, scansQuery, nil)
	w.ok(w.scanner.Scan(w.ours, uuid.Must(uuid.NewV7()), 1, coord.NPM, []string{"left-pad"}))
	for a, more := scans.next(); !strings.Contains(string(a.Data), `"state":"DONE"`); a, more = scans.next() {
		if !more || len(a.Errors) > 0 {
			t.Fatalf("the scan: %s %v", a.Data, a.Errors)
		}
	}
	imports := w.opened(owner, importsQuery, nil)
	_, err := w.importer.ImportDemo(w.ours, w.now)
	w.ok(err)
	for {
		a, more := imports.next()
		var out struct {
			AdvisoryImportProgress struct {
				Feed, State string
				Stored      int
				Changed     []struct{ Packages int }
			}
		}
		if !more || len(a.Errors) > 0 || json.Unmarshal(a.Data, &out) != nil {
			t.Fatalf("the import: %s %v", a.Data, a.Errors)
		}
		if i := out.AdvisoryImportProgress; i.State == "DONE" {
			if i.Feed != "demo" || i.Stored == 0 || len(i.Changed) == 0 {
				t.Errorf("%s", a.Data)
			}
			break
		}
	}
}

// TestStreams_NeedAStream: a subscription as an ordinary request is refused
// before it holds anything.
func TestStreams_NeedAStream(t *testing.T) {
	w := newWorld(t)
	if a := w.ask(w.ours, holdsQuery, nil); a.code() != "INVALID" || !strings.Contains(a.Errors[0].Message, "text/event-stream") {
		t.Errorf("%s %v", a.Data, a.Errors)
	}
	s := w.follow(w.ours, `{ viewer { name } }`, nil)
	s.says("test")
	if _, more := s.next(); more {
		t.Error("a query in a stream ends with its answer")
	}
}
