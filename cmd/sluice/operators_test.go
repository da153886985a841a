package main

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/platform"
)

// TestT5_OperatorsSeeThePlatform: every page is there, for them, and runs no
// script; River's own may run its own.
func TestT5_OperatorsSeeThePlatform(t *testing.T) {
	o := newOperatorBench(t)
	o.acme.team("team-a")
	if err := o.at.beatOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	br := o.operator()
	for path, words := range map[string][]string{
		"/":                           {"Overview", "No advisory feed was ever imported", "No node runs jobs"},
		"/organizations":              {"acme", "globex"},
		"/organizations?search=GLOB":  {"globex", "1 in all"},
		"/organizations/acme":         {"ana@acme.example", acmeAt, "Suspend", "Set quotas"},
		"/organizations/acme/quota":   {`name="reason"`},
		"/organizations/acme/suspend": {"Every node refuses"},
		"/organizations/acme/delete":  {"once more"},
		"/feeds":                      {"No advisory feed"},
		"/nodes":                      {"second", "running", "development"},
		"/queues":                     {"Queues", "What fails"},
		"/log":                        {"operator:login", olga},
		"/sessions":                   {"this one", olga},
	} {
		a := br.get(operatorAt + path)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d: %.300s", path, a.status, a.body)
			continue
		}
		for _, w := range words {
			if !strings.Contains(string(a.body), w) {
				t.Errorf("%s does not say %q:\n%s", path, w, a.body)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'self';") || strings.Contains(policy, "script") || strings.Contains(string(a.body), "<script") ||
			a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%s: policy %q, headers %v", path, policy, a.header)
		}
	}
	if a := br.get(operatorAt + "/organizations?search=GLOB"); strings.Contains(string(a.body), "/organizations/acme") {
		t.Error("the search finds everything")
	}
	if a := br.get(operatorAt + "/organizations/initech"); a.status != http.StatusNotFound || !strings.Contains(string(a.body), "no organization") {
		t.Errorf("no such organization: %d", a.status)
	}
	if a := br.get(operatorAt); a.next() != "/-/operator/" {
		t.Errorf("without slash: %d to %q", a.status, a.next())
	}
}

// TestT5_RiverIsForOperators: River's interface works below the operators' path
// from what is in the binary, and what is changed there is audited.
func TestT5_RiverIsForOperators(t *testing.T) {
	o := newOperatorBench(t)
	br := o.operator()
	page := br.get(operatorAt+"/river/", "Accept", "text/html")
	if page.status != http.StatusOK || !strings.Contains(string(page.body), `/-/operator/river/assets/`) || !strings.Contains(page.header.Get("Content-Security-Policy"), "script-src 'self';") {
		t.Fatalf("%d, %q: %.600s", page.status, page.header.Get("Content-Security-Policy"), page.body)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page.body), -1) {
		if a := br.get(platformAt + m[1]); !strings.HasPrefix(m[1], "/-/operator/river/") || a.status != http.StatusOK {
			t.Errorf("%s: %d", m[1], a.status)
		}
	}
	if a := br.get(operatorAt + "/river/api/jobs?state=available"); a.status != http.StatusOK {
		t.Errorf("jobs: %d %.200s", a.status, a.body)
	}
	change := func(origin ...string) answer {
		header := append([]string{"Content-Type", "application/json"}, origin...)
		req := url.Values{"ids": {"1"}}
		return br.ask(http.MethodPost, operatorAt+"/river/api/jobs/cancel", req, header...)
	}
	for _, forged := range [][]string{nil, {"Origin", acmeAt, "Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, {"Origin", "null"}} {
		if a := change(forged...); !a.like(o.nothing()) {
			t.Errorf("a change from %v: %d %v %s", forged, a.status, a.header, a.body)
		}
	}
	events := func() (n int) {
		all, err := audit.PlatformEvents(t.Context(), o.at.db, [16]byte{}, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if e.Action == "queue:change" && e.ActorName == olga && e.ActorKind == "OPERATOR" && e.Object == "POST /api/jobs/cancel" {
				n++
			}
		}
		return n
	}
	if n := events(); n != 0 {
		t.Fatalf("%d forged changes were audited as Olga's", n)
	}
	change("Origin", platformAt, "Sec-Fetch-Site", "same-origin")
	if n := events(); n != 1 {
		t.Errorf("%d changes are in the log, want 1", n)
	}
}

// TestT5_OperatorsBoundOrganizations: each act asks for a reason, works on every
// node within a second, and stands in that organization's own trail.
func TestT5_OperatorsBoundOrganizations(t *testing.T) {
	o := newOperatorBench(t)
	o.acme.team("team-a")
	o.globex.team("team-a")
	br := o.operator()
	other := o.loginBench.browser() // of the first node
	status := func(x *tenant) int {
		return other.get("https://"+x.slug+".sluice.example/npm/team-a/-/ping", "Authorization", "Bearer "+x.secret).status
	}
	open := status(o.acme)
	if open != http.StatusOK {
		t.Fatalf("the registry answers %d", open)
	}
	if a := o.do(br, "acme", "suspend", url.Values{"reason": {"  "}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "say why") {
		t.Errorf("without a reason: %d", a.status)
	}
	if a := o.do(br, "acme", "suspend", url.Values{"reason": {"an unpaid bill"}}); a.next() != "/-/operator/organizations/acme?done=suspend" {
		t.Fatalf("suspend: %d to %q: %.300s", a.status, a.next(), a.body)
	}
	o.eventually(time.Second, "acme is shut on the other node", func() bool { return status(o.acme) == http.StatusForbidden })
	if got := status(o.globex); got != open {
		t.Errorf("globex: status %d, want %d", got, open)
	}
	if a := o.do(br, "acme", "suspend", url.Values{"reason": {"again"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("twice: %d", a.status)
	}
	o.do(br, "acme", "reinstate", url.Values{"reason": {"it was paid"}})
	o.eventually(time.Second, "acme is open", func() bool { return status(o.acme) == open })

	if a := o.do(br, "acme", "delete", url.Values{"reason": {"they left"}, "slug": {"globex"}}); a.status != http.StatusUnprocessableEntity {
		t.Errorf("deleted under another slug: %d", a.status)
	}
	o.do(br, "acme", "delete", url.Values{"reason": {"they left"}, "slug": {"acme"}})
	o.eventually(time.Second, "acme is gone", func() bool { return status(o.acme) == http.StatusNotFound })
	o.do(br, "acme", "undelete", url.Values{"reason": {"they are back"}})
	o.eventually(time.Second, "acme is back", func() bool { return status(o.acme) == open })

	if a := o.do(br, "acme", "quota", url.Values{"reason": {"a contract"}, "registries": {"minus one"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(string(a.body), "want a whole number") {
		t.Errorf("a wrong quota: %d", a.status)
	}
	o.do(br, "acme", "quota", url.Values{"reason": {"a contract"}, "registries": {"1"}, "storage": {"3"}, "requests": {""}})
	got, err := o.first.orgs.Get(o.acme.ctx)
	if err != nil || got.Quota != (org.Quota{Registries: 1, Storage: 3 << 20}) {
		t.Errorf("the quota is %+v, %v", got.Quota, err)
	}
	if a := br.get(operatorAt + "/organizations/acme"); !strings.Contains(string(a.body), "<meter") || !strings.Contains(string(a.body), "1 of 1 registries are used") {
		t.Errorf("the page shows no bar or no warning: %s", a.body)
	}
	if a := br.get(operatorAt + "/"); !strings.Contains(string(a.body), "In acme, 1 of 1 registries are used") {
		t.Error("the overview does not warn")
	}
	for action, reason := range map[string]string{"organization:suspend": "an unpaid bill", "organization:resume": "it was paid", "organization:delete": "they left",
		"organization:undelete": "they are back", "organization:quota": "a contract"} {
		if n := o.acme.count("audit_events", "action = $1 AND actor_kind = 'OPERATOR' AND actor_name = $2 AND reason = $3 AND ip <> ''", action, olga, reason); n != 1 {
			t.Errorf("%d audit events %s of Olga's with the reason %q", n, action, reason)
		}
	}
	if n := o.globex.count("audit_events", "actor_kind = 'OPERATOR'"); n != 0 {
		t.Errorf("%d events in the other organization's trail", n)
	}
}

// TestT5_OperatorsBreakTheGlass: the link lets an owner in, and nobody else gets
// one.
func TestT5_OperatorsBreakTheGlass(t *testing.T) {
	o := newOperatorBench(t)
	br := o.operator()
	if a := o.do(br, "acme", "break-glass", url.Values{"reason": {"x"}, "owner": {"gil@globex.example"}}); a.status != http.StatusUnprocessableEntity || strings.Contains(string(a.body), "link=") {
		t.Errorf("a link for no owner: %d", a.status)
	}
	a := o.do(br, "acme", "break-glass", url.Values{"reason": {"the provider is down"}, "owner": {"ana@acme.example"}})
	m := regexp.MustCompile(regexp.QuoteMeta(acmeAt) + `/login/break-glass\?link=([A-Za-z0-9_-]{43})`).FindSubmatch(a.body)
	if a.status != http.StatusOK || m == nil {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	ana := o.browser()
	if s := ana.post(acmeAt+"/login/break-glass", url.Values{"form": {""}, "link": {string(m[1])}}).status; s != http.StatusSeeOther || !ana.in(acmeAt) {
		t.Errorf("the link: %d", s)
	}
	if br.in(acmeAt) {
		t.Error("the operator is logged in at the organization")
	}
	if n := o.acme.count("audit_events", "action = 'login:break-glass-link' AND actor_kind = 'OPERATOR' AND actor_name = $1 AND reason = 'the provider is down'", olga); n != 1 {
		t.Errorf("%d audit events", n)
	}
}

// TestT5_OperatorSessionsEnd: after twelve hours, by logging out, by another
// operator, by the provider, and when the settings name the person no more.
func TestT5_OperatorSessionsEnd(t *testing.T) {
	o := newOperatorBench(t)
	in := func(br *browser) bool { return br.get(operatorAt+"/").status == http.StatusOK }
	br := o.operator()
	cookie := br.cookie(operatorCookie)
	if a := br.post(operatorAt+"/leave", url.Values{"form": {br.form(operatorAt + "/")}}); a.status != http.StatusSeeOther || in(br) {
		t.Errorf("logging out: %d", a.status)
	}
	br.plant(platformAt, operatorCookie, cookie)
	if in(br) {
		t.Error("the secret outlives the logout")
	}

	one, two := o.operator(), o.operator()
	page := string(one.get(operatorAt + "/sessions").body)
	id := regexp.MustCompile(`name="session" value="([^"]+)"`).FindStringSubmatch(page)
	if id == nil {
		t.Fatalf("no other session is listed: %s", page)
	}
	one.post(operatorAt+"/sessions", url.Values{"form": {one.form(operatorAt + "/")}, "session": {id[1]}})
	if !in(one) || in(two) {
		t.Errorf("ending another's session: mine %v, theirs %v", in(one), in(two))
	}

	again := o.operate(one, claims("olga", olga))
	if again.status != http.StatusSeeOther || !in(one) {
		t.Fatalf("logging in again: %d", again.status)
	}
	if list, err := o.at.logins.OperatorSessions(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d sessions after logging in again, %v", len(list), err)
	}

	o.clock.pass(login.OperatorTime - time.Second)
	if !in(one) {
		t.Error("the session ended early")
	}
	o.clock.pass(time.Second)
	if in(one) {
		t.Error("the session outlives its twelve hours")
	}

	three := o.operator()
	if _, err := o.at.logins.PlatformLoggedOut(t.Context(), login.ProviderLogout{Issuer: o.platform.URL, Subject: "olga", SID: "sid-olga", TokenID: "1", IssuedAt: o.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if in(three) {
		t.Error("the session outlives the provider's")
	}

	four := o.operator()
	for name, change := range map[string]func(){
		"nobody operates":     func() { o.flags.Operators, o.flags.OperatorGroup = nil, "" },
		"somebody else does":  func() { o.flags.Operators, o.flags.OperatorGroup = []string{"other@sluice.example"}, "ops" },
		"another provider is": func() { o.flags.Operators, o.flags.OIDC.Issuer = []string{olga}, o.own.URL },
	} {
		before := o.flags
		change()
		four.at = o.serve()
		if in(four) {
			t.Errorf("%s: the session counts", name)
		}
		o.flags = before
	}
	four.at = o.at
	if !in(four) {
		t.Error("the session ended on the node whose settings are as they were")
	}
}

// TestT5_OperatorsByGroup: the group of the platform's provider counts, exactly,
// with or without an address.
func TestT5_OperatorsByGroup(t *testing.T) {
	o := newOperatorBench(t)
	for name, c := range map[string]struct {
		groups any
		in     bool
	}{
		"the group": {[]string{"staff", "ops"}, true}, "another case": {[]string{"Ops"}, false}, "a part": {[]string{"ops-readonly"}, false}, "none": {nil, false},
	} {
		who := claims("g-"+name, "g@elsewhere.example")
		if c.groups != nil {
			who["groups"] = c.groups
		}
		delete(who, "email_verified")
		br := o.browser()
		if a := o.operate(br, who); (a.status == http.StatusSeeOther) != c.in || (br.get(operatorAt+"/").status == http.StatusOK) != c.in {
			t.Errorf("%s: %d", name, a.status)
		}
		if !c.in {
			continue
		}
		if page := string(br.get(operatorAt + "/sessions").body); strings.Contains(page, "g@elsewhere.example") || !strings.Contains(page, "account g-"+name) {
			t.Errorf("an address that nobody verified is shown: %s", page)
		}
	}
}

// TestT5_NodesBeat: nodes are shown as they said they are, and as silent 20
// seconds after their last word.
func TestT5_NodesBeat(t *testing.T) {
	o := newOperatorBench(t)
	br := o.operator()
	beat := func(s *served) {
		if err := s.beatOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	o.first.flags.NodeName = "first"
	beat(o.first)
	beat(o.at)
	page := func() string { return string(br.get(operatorAt + "/nodes").body) }
	if p := page(); strings.Count(p, ">running<") != 2 || !strings.Contains(p, ">first<") || !strings.Contains(p, ">second<") || strings.Count(p, ">heard<") != 2 {
		t.Errorf("two nodes run: %s", p)
	}
	o.first.loseFeed()
	o.eventually(2*time.Second, "the first node does not trust its feed", func() bool { return !o.first.db.Feed.Trusted() })
	o.clock.pass(platform.StaleAfter - time.Second)
	beat(o.first)
	if p := page(); strings.Count(p, ">running<") != 2 || strings.Count(p, ">not heard<") != 1 {
		t.Errorf("a node without feed: %s", p)
	}
	o.clock.pass(time.Second)
	if p := page(); strings.Count(p, ">running<") != 1 || strings.Count(p, ">silent<") != 1 {
		t.Errorf("one has been silent for %v: %s", platform.StaleAfter, p)
	}
	o.first.left(t.Context())
	if strings.Contains(page(), ">first<") {
		t.Error("a node that has ended is shown")
	}
	o.clock.pass(25 * time.Hour)
	beat(o.first)
	if nodes, err := o.at.installation.Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Errorf("%d nodes a day later, %v", len(nodes), err)
	}
}

// TestT5_OrganizationsByUse: the list is searched, sorted and paged in the
// database, and counts each organization's own rows.
func TestT5_OrganizationsByUse(t *testing.T) {
	o := newOperatorBench(t)
	ctx := context.Background()
	o.acme.team("one")
	o.globex.team("one")
	o.globex.team("two")
	for i := range 30 {
		o.tenant("extra-" + strconv.Itoa(100+i))
	}
	list := func(q platform.Query) (slugs []string, total int) {
		got, total, err := o.at.installation.Organizations(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range got {
			slugs = append(slugs, x.Slug)
		}
		return slugs, total
	}
	if got, total := list(platform.Query{Order: platform.ByRegistries, Limit: 2}); strings.Join(got, " ") != "globex acme" || total != 32 {
		t.Errorf("by registries %v of %d", got, total)
	}
	if got, total := list(platform.Query{Text: "A-1", Limit: 50}); len(got) != 30 || total != 30 || got[0] != "extra-100" {
		t.Errorf("search %v of %d", got, total)
	}
	if got, _ := list(platform.Query{Text: "%", Limit: 50}); len(got) != 0 {
		t.Errorf("a wildcard finds %v", got)
	}
	if _, err := o.first.orgs.SetQuota(o.acme.ctx, org.Quota{Registries: 1}); err != nil {
		t.Fatal(err)
	}
	if got, _ := list(platform.Query{Order: platform.ByShare, Limit: 1}); got[0] != "acme" {
		t.Errorf("by share %v", got)
	}
	br := o.operator()
	first, second := string(br.get(operatorAt+"/organizations").body), string(br.get(operatorAt+"/organizations?page=2").body)
	if strings.Count(first, "/-/operator/organizations/") != 25 || !strings.Contains(first, "?page=2") && !strings.Contains(first, "page=2&amp;") && !strings.Contains(first, "&amp;page=2") ||
		strings.Count(second, "/-/operator/organizations/") != 7 {
		t.Errorf("pages of %d and %d:\n%s", strings.Count(first, "/-/operator/organizations/"), strings.Count(second, "/-/operator/organizations/"), first)
	}
	totals, err := o.at.installation.Totals(ctx)
	if err != nil || totals.Organizations != 32 || totals.Registries != 3 || totals.Members != 2 {
		t.Errorf("%+v, %v", totals, err)
	}
}

// TestT5_QueuesShowWhatFails: counts by state, what waits longest, and the last
// error of each kind of job.
func TestT5_QueuesShowWhatFails(t *testing.T) {
	o := newOperatorBench(t)
	err := o.at.db.InGlobal(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO river.river_job (kind, queue, state, max_attempts, attempt, attempted_at, finalized_at, scheduled_at, args, errors) VALUES
			('sweep', 'default', 'available', 25, 0, NULL, NULL, $1::timestamptz - interval '10 minutes', '{}', NULL),
			('collect', 'default', 'retryable', 25, 2, $1, NULL, $1, '{}', ARRAY['{"error":"old"}', '{"error":"the disk <b>is</b> full\nand more"}']::jsonb[]),
			('erase', 'default', 'discarded', 25, 25, $1::timestamptz - interval '1 hour', $1, $1, '{}', ARRAY['{"error":"given up"}']::jsonb[])`, o.clock.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	br := o.operator()
	p := string(br.get(operatorAt + "/queues").body)
	for _, w := range []string{"10 minutes", "the disk &lt;b&gt;is&lt;/b&gt; full", "given up", ">collect<", ">erase<"} {
		if !strings.Contains(p, w) {
			t.Errorf("the page does not say %q:\n%s", w, p)
		}
	}
	if strings.Contains(p, "and more") {
		t.Error("more than the first line of an error is shown")
	}
	over := string(br.get(operatorAt + "/").body)
	for _, w := range []string{"A job of the queue default has waited for 10 minutes", "1 jobs of the kind erase were given up"} {
		if !strings.Contains(over, w) {
			t.Errorf("the overview does not say %q:\n%s", w, over)
		}
	}
}
