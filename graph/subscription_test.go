package graph_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/cascade"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// stream is a subscription over a real connection.
type stream struct {
	*world
	lines *bufio.Scanner
}

func (w *world) follow(ctx context.Context, query string, v vars) stream {
	w.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		who := access.Of(ctx)
		own := access.As(withOrg(r.Context(), ctx), who, "")
		if _, known, _ := access.Again(ctx); known {
			own = access.WithAgain(own, func(context.Context) (access.Subject, error) {
				now, _, err := access.Again(ctx)
				return now, err
			})
		}
		w.handler.ServeHTTP(rw, r.WithContext(own))
	}))
	body, err := json.Marshal(map[string]any{"query": query, "variables": v})
	w.ok(err)
	life, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r, err := http.NewRequestWithContext(life, http.MethodPost, srv.URL+"/graphql", strings.NewReader(string(body)))
	w.ok(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	w.ok(err)
	w.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
		srv.Close()
	})
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		w.Fatalf("the content type is %q", got)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	return stream{w, lines}
}

// next returns the next event's data, false when the stream is complete.
func (s stream) next() (answer, bool) {
	s.Helper()
	for s.lines.Scan() {
		switch line := s.lines.Text(); {
		case line == "event: complete":
			return answer{}, false
		case strings.HasPrefix(line, "data: "):
			var a answer
			s.ok(json.Unmarshal([]byte(line[len("data: "):]), &a))
			return a, true
		}
	}
	s.Fatalf("the stream broke off: %v", s.lines.Err())
	return answer{}, false
}

// open starts a stream and returns its first answer; without one that must
// come, the empty answer when the stream stays quiet.
func (w *world) open(ctx context.Context, query string, v vars, must bool) answer {
	w.Helper()
	s := w.follow(ctx, query, v)
	if must {
		a, more := s.next()
		if !more {
			w.Fatal("the stream ended without a word")
		}
		return a
	}
	for pings := 0; pings < 5 && s.lines.Scan(); {
		switch line := s.lines.Text(); {
		case line == ": ping":
			pings++
		case strings.HasPrefix(line, "data: "):
			var a answer
			w.ok(json.Unmarshal([]byte(line[len("data: "):]), &a))
			return a
		}
	}
	return answer{Data: []byte("{}")}
}

// ends expects the stream's last answer, with the code, and its end.
func (s stream) ends(code string) {
	s.Helper()
	a, more := s.next()
	if !more || a.code() != code {
		s.Fatalf("the stream ended with %s %v (more %v), want %s", a.Data, a.Errors, more, code)
	}
	if a, more := s.next(); more {
		s.Errorf("after the end: %s %v", a.Data, a.Errors)
	}
}

const progressQuery = `subscription($id: ID!) { cascadeProgress(id: $id) { total done finishedAt hold { package inherited(first: 1) { totalCount } } registry { name } } }`

type progressAnswer struct {
	CascadeProgress struct {
		Total, Done int
		FinishedAt  *time.Time
		Hold        struct {
			Package   string
			Inherited struct{ TotalCount int }
		}
	}
}

// TestC3_Progress follows a cascade of two pages: now, after each page, and the
// end.
func TestC3_Progress(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	w.manyTeams(h, quarantine.Page+20)
	_, err := w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: h.firewall, Name: "left-pad", Version: "1.0.0", Reason: "odd"})
	w.ok(err)
	ids, err := w.quarantine.Unfinished(w.ours)
	w.ok(err)
	s := w.follow(w.member(w.ours, "owner", access.Place{Role: access.Owner}), progressQuery, vars{"id": id("Cascade", ids[0])})
	want := []struct{ done, inherited int }{{0, 0}, {quarantine.Page, quarantine.Page}, {quarantine.Page + 21, quarantine.Page + 21}}
	for i, step := range want {
		a, more := s.next()
		var out progressAnswer
		if !more || len(a.Errors) > 0 || json.Unmarshal(a.Data, &out) != nil {
			t.Fatalf("step %d: %s %v", i, a.Data, a.Errors)
		}
		p := out.CascadeProgress
		if p.Done != step.done || p.Hold.Inherited.TotalCount != step.inherited || (p.FinishedAt != nil) != (i == 2) || p.Hold.Package != "left-pad" {
			t.Fatalf("step %d: %+v", i, p)
		}
		if i < 2 {
			_, err := w.quarantine.Step(w.ours, ids[0])
			w.ok(err)
		}
	}
	if a, more := s.next(); more {
		t.Errorf("after the end: %s", a.Data)
	}
	again := w.follow(w.ours, progressQuery, vars{"id": id("Cascade", ids[0])})
	if _, more := again.next(); !more {
		t.Error("a cascade that is done is shown once")
	}
	if _, more := again.next(); more {
		t.Error("a cascade that is done does not go on")
	}
}

// manyTeams are registries below the firewall that hold the version.
func (w *world) manyTeams(h hierarchy, n int) {
	w.Helper()
	ids := make([]uuid.UUID, n)
	w.ok(w.db.InTx(w.ours, func(ctx context.Context, tx *db.Tx) error {
		made := make([]*ent.RegistryCreate, n)
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7())
			made[i] = tx.Ent.Registry.Create().SetID(ids[i]).SetEcosystem(coord.NPM).SetKind(registry.PackageRegistry).SetName(fmt.Sprintf("team-%d", i)).SetCreatedAt(w.now)
		}
		if err := tx.Ent.Registry.CreateBulk(made...).Exec(ctx); err != nil {
			return err
		}
		edges := make([]*ent.UpstreamCreate, n)
		for i, id := range ids {
			edges[i] = tx.Ent.Upstream.Create().SetRegistryID(id).SetPosition(0).SetSourceRegistryID(h.firewall).SetCreatedAt(w.now)
		}
		return tx.Ent.Upstream.CreateBulk(edges...).Exec(ctx)
	}))
	w.hold(w.ours, h.remote, "left-pad", "1.0.0", ids...)
}

// TestC3_ProgressEndsWithTheRight: who may not see the cascade any more hears
// no more of it, and who never might hears nothing.
func TestC3_ProgressEndsWithTheRight(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	_, err := w.quarantine.Hold(w.ours, quarantine.HoldInput{Registry: h.firewall, Name: "left-pad", Version: "1.0.0", Reason: "odd"})
	w.ok(err)
	cascadeID := w.cascades(w.ours)[0]
	for name, ctx := range map[string]context.Context{"another organization": w.theirs, "nobody": w.anonymous(w.ours), "a reader elsewhere": w.member(w.ours, "x", access.Place{Role: access.Reader, Registry: h.team})} {
		a, more := w.follow(ctx, progressQuery, vars{"id": id("Cascade", cascadeID)}).next()
		if !more || len(a.Errors) != 1 || strings.Contains(string(a.Data), "left-pad") {
			t.Errorf("%s: %s %v", name, a.Data, a.Errors)
		}
	}
	leaving := w.member(w.ours, "leaving", access.Place{Role: access.Security, Registry: h.firewall})
	s := w.follow(leaving, progressQuery, vars{"id": id("Cascade", cascadeID)})
	if a, more := s.next(); !more || len(a.Errors) > 0 {
		t.Fatalf("%s %v", a.Data, a.Errors)
	}
	w.ok(w.access.Revoke(w.ours, access.MemberPrincipal(access.Of(leaving).MemberID), access.Security, h.firewall))
	w.work(w.ours)
	s.ends("NOT_FOUND")
}

func (w *world) cascades(ctx context.Context) (ids []uuid.UUID) {
	w.Helper()
	w.ok(w.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		ids, err = tx.Ent.Cascade.Query().Order(ent.Asc(cascade.FieldStartedAt)).IDs(ctx)
		return err
	}))
	return ids
}
