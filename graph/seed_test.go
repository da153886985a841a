package graph_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

func blobDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// seeded is an organization that has one of everything, by the words that the
// examples use for them.
type seeded struct {
	hierarchy
	words map[string]string
	slug  string

	someone uuid.UUID // who is logged in, an owner
}

func (w *world) seed(ctx context.Context) seeded {
	w.Helper()
	s := seeded{hierarchy: w.hierarchy(ctx), words: map[string]string{}, slug: w.slug(ctx)}
	s.words["firewall"], s.words["team"], s.words["remote"] = id("Registry", s.firewall), id("Registry", s.team), id("Remote", s.remote)
	s.words["version"] = api.ID{Type: "Version", UUID: s.firewall, Text: "left-pad\n1.0.0"}.String()
	s.words["advisory"] = "GHSA-35jh-r3h4-6jhm"
	_, err := w.importer.ImportDemo(ctx, w.now)
	w.ok(err)
	w.seedRegistries(ctx, &s)
	w.seedQuarantine(ctx, &s)
	w.seedOwn(ctx, &s)
	w.seedRecords(ctx, &s)
	w.seedPeople(ctx, &s)
	w.seedLogin(ctx, &s)
	w.seedTrust(ctx, &s)
	return s
}

func (w *world) seedRegistries(ctx context.Context, s *seeded) {
	w.Helper()
	remote, err := w.registries.CreateRemote(ctx, registry.RemoteInput{Ecosystem: coord.NPM, Name: "other", BaseURL: "https://other.example"})
	w.ok(err)
	lib, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "lib"})
	w.ok(err)
	spare, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "spare"})
	w.ok(err)
	a, err := w.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: spare.ID, Source: lib.ID})
	w.ok(err)
	b, err := w.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: spare.ID, Remote: remote.ID})
	w.ok(err)
	deleted, err := w.registries.Create(ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: "deleted"})
	w.ok(err)
	w.ok(w.registries.Delete(ctx, deleted.ID))
	rule, err := w.registries.AddRule(ctx, s.team, policy.Rule{Name: "critical ones", Kind: policy.KindVulnerability, Mode: policy.Enforce, Effect: policy.Warn,
		Applies: policy.NewAndHeld, OnViolation: policy.Hide, Unknown: policy.UnknownAllow, Params: policy.Params{MinSeverity: policy.SeverityCritical}})
	w.ok(err)
	s.words["otherRemote"], s.words["spare"], s.words["deleted"] = id("Remote", remote.ID), id("Registry", spare.ID), id("Registry", deleted.ID)
	s.words["upstreamA"], s.words["upstreamB"], s.words["rule"] = id("Upstream", a.ID), id("Upstream", b.ID), id("Rule", rule.ID)
}

func (w *world) seedQuarantine(ctx context.Context, s *seeded) {
	w.Helper()
	hold := func(name, version string) uuid.UUID {
		h, err := w.quarantine.Hold(ctx, quarantine.HoldInput{Registry: s.firewall, Name: name, Version: version, Reason: "looks odd"})
		w.ok(err)
		return h.ID
	}
	s.words["hold"] = id("Hold", hold("left-pad", "1.1.0"))
	cascades, err := w.quarantine.Unfinished(ctx)
	w.ok(err)
	s.words["cascade"] = id("Cascade", cascades[0])
	hold("left-pad", "1.0.0")
	hold("evil", "6.6.6")
	gone, err := w.quarantine.Delete(ctx, s.firewall, "evil", "6.6.6", "it is evil")
	w.ok(err)
	s.words["tombstone"] = id("Tombstone", gone.Tombstone.ID)
	w.work(ctx)
}

// work carries every cascade to its end, as a worker would.
func (w *world) work(ctx context.Context) {
	w.Helper()
	ids, err := w.quarantine.Unfinished(ctx)
	w.ok(err)
	for _, id := range ids {
		for done := false; !done; {
			done, err = w.quarantine.Step(ctx, id)
			w.ok(err)
		}
	}
}

func (w *world) seedRecords(ctx context.Context, s *seeded) {
	w.Helper()
	_, token, err := w.access.CreateToken(ctx, access.TokenInput{Name: "old ci", Registries: []uuid.UUID{s.team}})
	w.ok(err)
	v := coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "left-pad"}, Version: "1.0.0"}
	verdict := policy.Verdict{RegistryName: "firewall", RuleName: "quarantine", Kind: policy.KindHold, Mode: policy.Enforce, Effect: policy.Quarantine, Reason: "looks odd"}
	reference, err := w.decisions.Refused(ctx, audit.Answer{Registry: s.team, Token: token.ID, Version: v, Channel: audit.ChannelFile, Effect: "QUARANTINE", Kind: "HOLD",
		Decision: map[string]any{"registry": "team", "instead": "2.0.0", "decision": policy.Decision{Effect: policy.Quarantine, Decisive: &verdict, Verdicts: []policy.Verdict{verdict}}}})
	w.ok(err)
	for range 3 {
		w.ok(w.decisions.Allowed(ctx, s.team, token.ID, v))
	}
	w.ok(w.decisions.Allowed(ctx, s.firewall, uuid.Nil, v))
	w.ok(w.decisions.Flush(ctx))
	s.words["token"], s.words["decision"] = id("Token", token.ID), reference
	scan := uuid.Must(uuid.NewV7())
	w.ok(w.scanner.Scan(ctx, scan, 1, coord.NPM, []string{"left-pad"}))
	s.words["scan"] = id("Scan", scan)
	w.finding(ctx, "left-pad", "1.1.0")
	_, err = w.hosts.Bind(ctx, "old."+s.slug+".test", uuid.Nil)
	w.ok(err)
	_, err = audit.NewSealer(w.db, func() time.Time { return w.now }).SealOrg(ctx)
	w.ok(err)
	w.now = w.now.Add(time.Minute)
}

// example is one of the files in graph/examples.
type example struct{ name, query, variables string }

func examples(t *testing.T) []example {
	t.Helper()
	files, err := filepath.Glob("examples/*.graphql")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d examples (%v), so this test would prove little", len(files), err)
	}
	var out []example
	for _, f := range files {
		e := example{name: strings.TrimSuffix(filepath.Base(f), ".graphql"), variables: "{}"}
		query, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		e.query = string(query)
		if v, err := os.ReadFile(strings.TrimSuffix(f, ".graphql") + ".json"); err == nil {
			e.variables = string(v)
		}
		out = append(out, e)
	}
	return out
}

// with returns the example's variables for an organization.
func (e example) with(t *testing.T, s seeded) vars {
	t.Helper()
	text := strings.ReplaceAll(e.variables, "{slug}", s.slug)
	for word, value := range s.words {
		text = strings.ReplaceAll(text, "{"+word+"}", value)
	}
	if i := strings.Index(text, `"{`); i >= 0 {
		t.Fatalf("%s: there is no word %.20s", e.name, text[i:])
	}
	var out vars
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
	return out
}
