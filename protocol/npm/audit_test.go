package npm

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// affected is an advisory about p with one range, whose events are
// "introduced 1.0.0, fixed 2.0.0".
func affected(text string) advisory.Affected {
	var events []advisory.Event
	for part := range strings.SplitSeq(text, ", ") {
		kind, v, _ := strings.Cut(part, " ")
		events = append(events, map[string]advisory.Event{"introduced": {Introduced: v}, "fixed": {Fixed: v}, "last": {LastAffected: v}}[kind])
	}
	return advisory.NewAffected(advisory.Advisory{ID: "GHSA-1"}, []advisory.Entry{{Package: npmPackage("p"), Ranges: []advisory.Range{{Type: "SEMVER", Events: events}}}})
}

func TestRangeText(t *testing.T) {
	for _, c := range []struct{ events, without, want string }{
		{"introduced 0", "", "*"},
		{"introduced 0, fixed 4.17.21", "", "<4.17.21"},
		{"introduced 1.0.0, fixed 1.5.0, introduced 2.0.0, last 2.3.0", "", ">=1.0.0 <1.5.0 || >=2.0.0 <=2.3.0"},
		{"introduced 1.2, fixed 2", "", ">=1.2.0 <2.0.0"},
		{"introduced 1.0.0, last 1.0.0", "", "1.0.0"},
		{"introduced 0, fixed 2.0.0", "1.3.0-acme.1", "<1.3.0-acme.1 || >1.3.0-acme.1 <2.0.0"},
		{"introduced 1.0.0, fixed 2.0.0", "1.0.0", ">1.0.0 <2.0.0"},
		{"introduced 0", "1.0.0", "<1.0.0 || >1.0.0"},
		{"introduced 1.0.0", "", ">=1.0.0"},
		{"introduced 1.0.0, last 1.0.0", "1.0.0", ""},
	} {
		a := affected(c.events)
		got := rangeText(advisory.Without(coord.NPM, a.Spans(), strings.Fields(c.without)))
		if got != c.want {
			t.Errorf("%s without %q = %q, want %q", c.events, c.without, got, c.want)
		}
	}
}

// TestRangeTextMeansTheSame as the advisory, to whoever reads npm's ranges.
func TestRangeTextMeansTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pool := strings.Fields("0.1.0 1.0.0-rc.1 1.0.0 1.2.3 1.5.0-beta 2.0.0 2.0.1 3.0.0 10.0.0")
	for range 3000 {
		var parts []string
		for range 1 + r.IntN(4) {
			parts = append(parts, []string{"introduced", "fixed", "last"}[r.IntN(3)]+" "+append(pool, "0", "1.2")[r.IntN(len(pool)+2)])
		}
		a := affected(strings.Join(parts, ", "))
		spans := a.Spans()
		if len(spans) == 0 {
			continue
		}
		within, err := coord.ParseRange(coord.NPM, rangeText(spans))
		if err != nil {
			t.Fatalf("%q: %v", parts, err)
		}
		var clear []string
		for _, v := range pool {
			if within.Contains(v) != a.Affects(v) {
				t.Fatalf("%q: %q is wrong about %s", parts, rangeText(spans), v)
			}
			if !a.Affects(v) {
				clear = append(clear, v)
			}
		}
		patched, err := coord.ParseRange(coord.NPM, patchedText(spans, clear))
		if err != nil {
			t.Fatalf("%q: %v", parts, err)
		}
		for _, v := range pool {
			if patched.Contains(v) && a.Affects(v) {
				t.Fatalf("%q: %q proposes %s, which is affected", parts, patchedText(spans, clear), v)
			}
		}
	}
}

func TestPatchedText(t *testing.T) {
	for _, c := range []struct{ events, clear, want string }{
		{"introduced 0, fixed 4.17.21", "4.17.21 4.17.22", ">=4.17.21"},
		{"introduced 0, fixed 4.17.21", "4.17.22", ">=4.17.22"},
		{"introduced 0, fixed 4.17.21", "4.17.21-rc.1 5.0.0-rc.1 5.0.0", ">=5.0.0"},
		{"introduced 0, fixed 4.17.21", "5.0.0-rc.1", ">=5.0.0-rc.1"},
		{"introduced 0, fixed 4.17.21", "", "<0.0.0"},
		{"introduced 2.0.0, fixed 3.0.0", "1.0.0", "<0.0.0"}, // going back is no fix
		{"introduced 0", "1.0.0", "<0.0.0"},
		{"introduced 0, fixed 1.5.0, introduced 2.0.0, fixed 2.5.0", "1.5.0 2.5.0", ">=1.5.0 <2.0.0 || >=2.5.0"},
		{"introduced 0, fixed 1.5.0, introduced 2.0.0, fixed 2.5.0", "2.6.0", ">=2.6.0"},
	} {
		a := affected(c.events)
		if got := patchedText(a.Spans(), strings.Fields(c.clear)); got != c.want {
			t.Errorf("%s with %q = %q, want %q", c.events, c.clear, got, c.want)
		}
	}
}

func TestSeverityWords(t *testing.T) {
	for want, a := range map[string]advisory.Advisory{
		"critical": {Severity: policy.SeverityLow, Malware: true}, "high": {Severity: policy.SeverityHigh}, "moderate": {}, "low": {CVSS: 1.5},
	} {
		if got := severityOf(&gate.Concern{Advisory: advisory.Affected{Advisory: a}}); got != want {
			t.Errorf("%+v = %s, want %s", a, got, want)
		}
	}
}

func TestIDsAreStableAndApart(t *testing.T) {
	a, b := ids{}, ids{}
	seen := map[int]bool{}
	for i := range 5000 {
		id := a.of(fmt.Sprint(i))
		if id <= 0 || id > 1<<31-1 || seen[id] || id != a.of(fmt.Sprint(i)) || id != b.of(fmt.Sprint(i)) {
			t.Fatalf("id %d of %d", id, i)
		}
		seen[id] = true
	}
	taken := ids{a.of("x"): "y"}
	if taken.of("x") == a.of("x") || taken.of("x") != taken.of("x") {
		t.Error("two advisories share a number")
	}
}

// TestWaysOfATree: what is required is found where Node.js would find it.
func TestWaysOfATree(t *testing.T) {
	tree, err := decodeTree([]byte(`{"requires":{"a":"^1","b":"^1","alias":"npm:real@^1"},"dependencies":{
		"a":{"version":"1.0.0","requires":{"c":"^1"}},
		"b":{"version":"1.0.0","requires":{"c":"^2","d":"*"},"dependencies":{"c":{"version":"2.0.0","requires":{"d":"*"}}}},
		"c":{"version":"1.0.0","requires":{"d":"*","a":"^1"}},
		"d":{"version":"1.0.0"},
		"alias":{"version":"npm:real@1.2.3"},
		"left-over":{"version":"1.0.0"},
		"@s/git":{"version":"git+ssh://git@host/x.git#abc","requires":true}}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	var all []int
	for i := range tree.nodes[1:] {
		all = append(all, i+1)
	}
	for at, ways := range tree.ways(all) {
		n := tree.nodes[at]
		for _, w := range ways {
			got[n.name+"@"+n.version] = append(got[n.name+"@"+n.version], tree.text(w))
		}
	}
	for spec, want := range map[string]string{"a@1.0.0": "a", "c@1.0.0": "a>c", "c@2.0.0": "b>c", "d@1.0.0": "b>d a>c>d", "real@1.2.3": "real", "left-over@1.0.0": "left-over"} {
		if text := strings.Join(got[spec], " "); text != want {
			t.Errorf("ways to %s = %q, want %q", spec, text, want)
		}
	}
	if in := tree.installed(); !slices.Equal(slices.Sorted(slices.Values(in["c"])), []string{"1.0.0", "2.0.0"}) || in["real"][0] != "1.2.3" || in["alias"] != nil {
		t.Errorf("installed = %v", in)
	}
}

func FuzzAuditBulk(f *testing.F) {
	f.Add([]byte(`{"lodash":["4.17.20"],"@s/x":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeBulk(body)
		if (err == nil) != (got != nil) {
			t.Errorf("%v %v", got, err)
		}
	})
}

func FuzzAuditTree(f *testing.F) {
	f.Add([]byte(`{"requires":{"a":"^1"},"dependencies":{"a":{"version":"1.0.0","requires":{"p":"^1"},"dependencies":{"p":{"version":"1.0.0","requires":{"a":"*"}}}},"p":{"version":"npm:p@1.2.0","dev":true}}}`))
	f.Add([]byte(`{"dependencies":{"p":{"version":"1.0.0","requires":true}}}`))
	one := affected("introduced 0, fixed 2.0.0")
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, err := decodeTree(body)
		if err != nil {
			return
		}
		var versions []string
		for _, v := range tree.installed()["p"] {
			if one.Affects(v) {
				versions = append(versions, v)
			}
		}
		report := treeReport(gate.Advice{Concerns: []gate.Concern{{Package: npmPackage("p"), Advisory: one, Versions: versions, Spans: one.Spans(), Clear: []string{"2.0.0"}}}}, tree)
		if _, err := json.Marshal(report); err != nil {
			t.Error(err)
		}
		n := 0
		for _, a := range report.Actions {
			n += len(a.Resolves)
			if a.Target != "" && a.Target != "2.0.0" {
				t.Errorf("proposes %s, which nobody serves", a.Target)
			}
		}
		if n != report.Metadata.Vulnerabilities["moderate"] || len(versions) > 0 && n == 0 {
			t.Errorf("%d resolved, %v counted, affected %v", n, report.Metadata.Vulnerabilities, versions)
		}
	})
}
