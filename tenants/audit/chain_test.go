package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/scope"
)

// say records an event of that number.
func (b *bench) say(ctx context.Context, n int) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) error {
		return audit.New(b.clock.now).Record(ctx, tx, audit.Event{Action: "test:say", ObjectType: "number", ObjectID: fmt.Sprint(n), Registry: b.reg,
			Before: map[string]any{"b": 1.50, "a": "é<"}, After: []int{n}})
	})
}

func (b *bench) seal() int {
	b.Helper()
	n, err := audit.NewSealer(b.db, b.clock.now).Seal(b.Context())
	b.ok(err)
	return n
}

// chained is a bench whose first organization has five sealed events, and its
// second three.
func chained(t *testing.T) *bench {
	b := newBench(t)
	for i := range 5 {
		b.say(b.ours, i+1)
		b.clock.add(time.Second)
		if i == 1 {
			b.seal()
		}
	}
	b.in(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		for range 3 {
			if err := audit.New(b.clock.now).Record(ctx, tx, audit.Event{Action: "test:say", ObjectType: "number", ObjectID: "1"}); err != nil {
				return err
			}
		}
		return nil
	})
	if n := b.seal(); n != 6 {
		t.Fatalf("the second step sealed %d, want 3 of each", n)
	}
	return b
}

func (b *bench) verify(ctx context.Context, kept *audit.Head) audit.Report {
	b.Helper()
	r, err := audit.Verify(ctx, b.db, kept, b.clock.now())
	b.ok(err)
	return r
}

// TestAudit_ChainHolds while nobody touches it, for each organization by itself.
func TestAudit_ChainHolds(t *testing.T) {
	b := chained(t)
	ours, theirs := b.verify(b.ours, nil), b.verify(b.theirs, nil)
	if ours.Sealed != 5 || theirs.Sealed != 3 || len(ours.Faults)+len(theirs.Faults) != 0 || ours.Head == theirs.Head {
		t.Errorf("reports %+v and %+v", ours, theirs)
	}
	if n := b.seal(); n != 0 {
		t.Errorf("sealing again sealed %d", n)
	}
	b.say(b.ours, 6)
	if r := b.verify(b.ours, &ours.Head); r.Waiting != 1 || len(r.Faults) != 0 || r.Head != ours.Head {
		t.Errorf("with one that waits: %+v", r)
	}
	b.seal()
	if r := b.verify(b.ours, &ours.Head); r.Sealed != 6 || len(r.Faults) != 0 {
		t.Errorf("after it was sealed: %+v", r)
	}
	if head, err := audit.NewSealer(b.db, b.clock.now).Head(b.theirs); err != nil || head != theirs.Head {
		t.Errorf("head of globex %v, %v, want %v", head, err, theirs.Head)
	}
	if head, err := audit.ParseHead(ours.Head.String()); err != nil || head != ours.Head {
		t.Errorf("a head does not survive its own text: %v, %v", head, err)
	}
	for _, text := range []string{"", "5", "5:", "5:abc", "0:" + strings.Repeat("0", 64), "x:" + strings.Repeat("0", 64)} {
		if _, err := audit.ParseHead(text); err == nil {
			t.Errorf("%q is taken for a head", text)
		}
	}
}

// TestAudit_ChainFindsWhatWasTouched: past the role that serves, as somebody who
// owns the database could; each place is named, and nobody else's chain is.
func TestAudit_ChainFindsWhatWasTouched(t *testing.T) {
	event := func(seq int) string {
		return fmt.Sprintf(`(SELECT event_id FROM audit_seals WHERE seq = %d AND org_id = (SELECT id FROM organizations WHERE slug = 'acme'))`, seq)
	}
	const (
		seals    = `FROM audit_seals s USING organizations o WHERE o.id = s.org_id AND o.slug = 'acme' AND s.seq`
		resigned = `UPDATE audit_seals SET hash = decode(repeat('ab', 32), 'hex') WHERE seq = 3 AND org_id = (SELECT id FROM organizations WHERE slug = 'acme')`
	)
	copied := func(columns string) string {
		return `INSERT INTO audit_events SELECT (jsonb_populate_record(NULL::audit_events, to_jsonb(e) || ` + columns + `)).* FROM audit_events e WHERE e.id = ` + event(2)
	}
	for name, c := range map[string]struct {
		sql  []string
		seal bool
		seq  int64
		says string
	}{
		"a reason was changed":   {sql: []string{`UPDATE audit_events SET reason = 'because' WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"a time was changed":     {sql: []string{`UPDATE audit_events SET at = at - interval '1 second' WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"an address was changed": {sql: []string{`UPDATE audit_events SET ip = '192.0.2.66' WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"an actor was changed":   {sql: []string{`UPDATE audit_events SET actor_name = 'eve' WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"a state was changed":    {sql: []string{`UPDATE audit_events SET after = '[4]' WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"a state was removed":    {sql: []string{`UPDATE audit_events SET before = NULL WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"a registry was changed": {sql: []string{`UPDATE audit_events SET registry_id = NULL WHERE id = ` + event(3)}, seq: 3, says: "was changed"},
		"an event was removed":   {sql: []string{`DELETE FROM audit_events WHERE id = ` + event(3)}, seq: 3, says: "the event was removed"},
		"an event and its seal were removed": {
			sql: []string{`DELETE FROM audit_events WHERE id = ` + event(3), `DELETE ` + seals + ` = 3`}, seq: 4, says: "seals 3 to 3 were removed"},
		"the first was removed with its seal": {
			sql: []string{`DELETE FROM audit_events WHERE id = ` + event(1), `DELETE ` + seals + ` = 1`}, seq: 2, says: "seals 1 to 1 were removed"},
		"a seal was removed": {sql: []string{`DELETE ` + seals + ` = 3`}, seq: 4, says: "seals 3 to 3 were removed"},
		"a seal was changed": {sql: []string{resigned}, seq: 3, says: "was changed"},
		"a seal was cut":     {sql: []string{strings.Replace(resigned, "repeat('ab', 32)", "'ab'", 1)}, seq: 3, says: "was changed"},
		"two changed places": {sql: []string{`UPDATE audit_events SET object_id = CASE object_id WHEN '3' THEN '4' WHEN '4' THEN '3' ELSE object_id END`}, seq: 3, says: "was changed"},
		"inserted unseen":    {sql: []string{copied(`jsonb_build_object('id', gen_random_uuid())`)}, seq: 0, says: "was inserted past the audit log"},
		"inserted, back-dated": {seal: true, sql: []string{`SET session_replication_role = origin`,
			copied(`jsonb_build_object('id', gen_random_uuid(), 'at', e.at + interval '1 second')`)}, seq: 6, says: "inserted later"},
	} {
		t.Run(name, func(t *testing.T) {
			b := chained(t)
			b.clock.add(2 * time.Hour)
			// Past the foreign keys and the trigger, as a superuser.
			super := dbtest.Superuser(b, b.db)
			for _, q := range append([]string{`SET session_replication_role = replica`}, c.sql...) {
				_, err := super.Exec(b.Context(), q)
				b.ok(err)
			}
			if c.seal {
				b.seal()
			}
			r := b.verify(b.ours, nil)
			if len(r.Faults) == 0 || r.Faults[0].Seq != c.seq || !strings.Contains(r.Faults[0].String(), c.says) {
				t.Errorf("faults %v, want one at %d that says %q", r.Faults, c.seq, c.says)
			}
			if r := b.verify(b.theirs, nil); len(r.Faults) != 0 {
				t.Errorf("globex's chain is blamed: %v", r.Faults)
			}
		})
	}
}

// TestAudit_KeptHeadFindsARewrittenEnd: what no chain can see by itself.
func TestAudit_KeptHeadFindsARewrittenEnd(t *testing.T) {
	b := chained(t)
	kept := b.verify(b.ours, nil).Head
	cut := func(where string) {
		b.sql(`WITH o AS (SELECT id FROM organizations WHERE slug = 'acme'), s AS (DELETE FROM audit_seals USING o WHERE org_id = o.id AND `+where+` RETURNING event_id)
			SELECT count(*) FROM s`, `DELETE FROM audit_events e USING organizations o WHERE o.slug = 'acme' AND e.org_id = o.id
			AND NOT EXISTS (SELECT 1 FROM audit_seals s WHERE s.event_id = e.id)`)
	}
	cut(`seq = 5`)
	if r := b.verify(b.ours, nil); len(r.Faults) != 0 || r.Sealed != 4 {
		t.Fatalf("without a head it shows nothing: %+v", r)
	}
	if r := b.verify(b.ours, &kept); len(r.Faults) != 1 || !strings.Contains(r.Faults[0].What, "ends at 4") {
		t.Errorf("the cut is not found: %v", r.Faults)
	}
	// Another fifth event, which the chain cannot know from the one that was.
	b.say(b.ours, 55)
	b.seal()
	if r := b.verify(b.ours, nil); len(r.Faults) != 0 || r.Sealed != 5 {
		t.Fatalf("without a head it shows nothing: %+v", r)
	}
	if r := b.verify(b.ours, &kept); len(r.Faults) != 1 || r.Faults[0].Seq != 5 || !strings.Contains(r.Faults[0].What, "kept elsewhere") {
		t.Errorf("the rewritten end is not found: %v", r.Faults)
	}
}

// TestAudit_NodesSealTogether: many writers and several sealing nodes make one
// chain, in which every event is once, and no writer waits for another's
// transaction.
func TestAudit_NodesSealTogether(t *testing.T) {
	b := newBench(t)
	// A writer that does not commit keeps nobody waiting.
	slow, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
			err := audit.New(b.clock.now).Record(ctx, tx, audit.Event{Action: "test:slow", ObjectType: "number", ObjectID: "0"})
			close(slow)
			<-release
			return err
		})
	})
	<-slow
	other := dbtest.Open(t, b.url)
	var writers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		writers.Go(func() {
			for i := range 25 {
				b.say(b.ours, 100*w+i)
			}
		})
	}
	for _, d := range []*db.DB{b.db, other} {
		all.Go(func() {
			for {
				if _, err := audit.NewSealer(d, b.clock.now).Seal(b.Context()); err != nil {
					t.Error(err)
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	writers.Wait()
	close(release)
	close(stop)
	all.Wait()
	b.seal()
	if r := b.verify(b.ours, nil); r.Sealed != 101 || r.Waiting != 0 || len(r.Faults) != 0 {
		t.Errorf("report %+v", r)
	}
	if r := b.verify(b.theirs, nil); r.Sealed != 0 || len(r.Faults) != 0 {
		t.Errorf("globex: %+v", r)
	}
}

// TestAudit_ExportIsTheChain and can be verified without the database.
func TestAudit_ExportIsTheChain(t *testing.T) {
	b := chained(t)
	b.say(b.ours, 6) // not sealed
	export := func(ctx context.Context, q audit.ExportQuery) (lines []audit.Line, text string) {
		t.Helper()
		var out bytes.Buffer
		n, err := audit.Export(ctx, b.db, q, &out)
		b.ok(err)
		for _, l := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
			var line audit.Line
			if l != "" {
				b.ok(json.Unmarshal([]byte(l), &line))
				lines = append(lines, line)
			}
		}
		if n != len(lines) {
			t.Errorf("%d lines, and %d were said", len(lines), n)
		}
		return lines, out.String()
	}
	all := audit.Reach{All: true}
	lines, text := export(b.ours, audit.ExportQuery{Reach: all})
	if len(lines) != 6 || lines[0].Seq != 1 || lines[4].ObjectID != "5" || lines[5].Seq != 0 || lines[5].Hash != nil {
		t.Fatalf("lines %+v", lines)
	}
	r, err := audit.VerifyExport(strings.NewReader(text))
	if err != nil || r.Sealed != 5 || r.Waiting != 1 || len(r.Faults) != 0 || r.Head != b.verify(b.ours, nil).Head {
		t.Errorf("report %+v, %v", r, err)
	}
	byLine := strings.SplitAfter(text, "\n")
	for name, changed := range map[string]string{
		"a changed line":  strings.Replace(text, `"after":[3]`, `"after":[4]`, 1),
		"a removed line":  byLine[0] + byLine[1] + byLine[3],
		"a moved line":    byLine[0] + byLine[2] + byLine[1],
		"a repeated line": byLine[0] + byLine[1] + byLine[1],
	} {
		if changed == text {
			t.Fatalf("%s: nothing changed in %s", name, text)
		}
		if r, err := audit.VerifyExport(strings.NewReader(changed)); err != nil || len(r.Faults) == 0 {
			t.Errorf("%s is not found: %+v, %v", name, r, err)
		}
	}
	if _, err := audit.VerifyExport(strings.NewReader("nonsense\n")); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("nonsense: %v", err)
	}
	// The zero reach is nothing; one registry's is its own; times bound.
	if lines, _ := export(b.ours, audit.ExportQuery{}); len(lines) != 0 {
		t.Errorf("without reach %d lines", len(lines))
	}
	if lines, _ := export(b.ours, audit.ExportQuery{Reach: audit.Reach{Registries: []uuid.UUID{b.reg}}}); len(lines) != 6 {
		t.Errorf("of the registry %d lines", len(lines))
	}
	if lines, _ := export(b.ours, audit.ExportQuery{Reach: audit.Reach{Registries: []uuid.UUID{b.foreign}}}); len(lines) != 0 {
		t.Errorf("of another organization's registry %d lines", len(lines))
	}
	if lines, _ := export(b.ours, audit.ExportQuery{Reach: all, From: lines[1].At, To: lines[3].At}); len(lines) != 2 {
		t.Errorf("between two times %d lines", len(lines))
	}
	if lines, _ := export(b.theirs, audit.ExportQuery{Reach: all}); len(lines) != 3 {
		t.Errorf("of globex %d lines", len(lines))
	}
	if _, err := audit.Export(context.Background(), b.db, audit.ExportQuery{Reach: all}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), scope.ErrNoOrg.Error()) {
		t.Errorf("without an organization: %v", err)
	}
}

// TestAudit_NoSecretGetsIn whatever a service hands over: the trail is
// append-only, and many may read it.
func TestAudit_NoSecretGetsIn(t *testing.T) {
	b := newBench(t)
	const token = "sluice_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	secrets := []string{token, "sluice_invitation_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "hunter2", "tok-3n", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
		"npm_0123456789abcdefghijklmnopqrstuvwxyz", "MIIEvQIBADANBgkq"}
	type remote struct {
		URL        string
		Credential struct{ Bearer, User, Password string }
	}
	r := remote{URL: "https://ana:hunter2@npm.example/x"}
	r.Credential.Bearer, r.Credential.Password = "tok-3n", "hunter2"
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		ctx = scope.WithActor(ctx, scope.Actor{Kind: scope.ActorToken, Name: token, IP: "192.0.2.7"})
		return audit.New(b.clock.now).Record(ctx, tx, audit.Event{Action: "remote:update", ObjectType: "remote", ObjectID: token, Reason: "was " + token + ", see ftp://ana:hunter2@x.example",
			Before: r, After: map[string]any{"apiKey": "tok-3n", "client_secret": []string{"hunter2"}, "note": "use " + secrets[4], "deep": []any{map[string]any{"Set-Cookie": "hunter2"}},
				"text": []string{secrets[1], secrets[5], "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----"},
				"name": "ana", "size": 1.50, "secretsRotated": 3, "credentialChanged": true, "password": "", token: 1}})
	})
	got := b.events(b.ours)[0]
	text := fmt.Sprint(got.ActorName, got.ObjectID, got.Reason, string(got.Before), string(got.After))
	for _, s := range secrets {
		if strings.Contains(text, s) {
			t.Errorf("%s got in: %s", s, text)
		}
	}
	for _, kept := range []string{`https://***@npm.example/x`, `"name": "ana"`, `"size": 1.5`, `"secretsRotated": 3`, `"credentialChanged": true`, `"password": ""`} {
		if !strings.Contains(text, kept) {
			t.Errorf("%s is lost: %s", kept, text)
		}
	}
	if n := len(b.events(b.theirs)); n != 0 {
		t.Errorf("globex has %d events", n)
	}
}
