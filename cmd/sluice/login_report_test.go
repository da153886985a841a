package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/access"
)

// loginReport prints the steps of logging in, and counts.
type loginReport struct {
	w        io.Writer
	ok, bad  int
	scenario string
}

func (r *loginReport) begin(scenario string) {
	r.scenario = scenario
	fmt.Fprintf(r.w, "\n-- Logging in: %s\n", scenario)
}

// step writes a row and fails the test when the step did not do what it says.
func (r *loginReport) step(t *testing.T, ok bool, what string, args ...any) {
	t.Helper()
	what = fmt.Sprintf(what, args...)
	word := "ok"
	if r.ok++; !ok {
		r.ok, r.bad, word = r.ok-1, r.bad+1, "FAIL"
		t.Errorf("%s: %s", r.scenario, what)
	}
	fmt.Fprintf(r.w, "%-4s | %s\n", word, what)
}

func (r *loginReport) sum() string {
	if r.bad > 0 {
		return fmt.Sprintf("login: %d steps ok, %d failed", r.ok, r.bad)
	}
	return fmt.Sprintf("login: %d steps ok", r.ok)
}

// loginSteps logs in as people do: in the short form by programs, in the long
// one also with a real browser, dex, and the built `sluice dev`.
func loginSteps(t *testing.T, r *loginReport) {
	t.Run("the demonstration's provider", func(t *testing.T) { stepsByProgram(t, r) })
	if os.Getenv("SLUICE_E2E_LONG") == "" {
		return
	}
	t.Run("dex", func(t *testing.T) { stepsByDex(t, r) })
	t.Run("dex and Chromium", func(t *testing.T) { stepsByChromium(t, r) })
	t.Run("sluice dev and Chromium", func(t *testing.T) { stepsOfDemonstration(t, r) })
}

// stepsByProgram logs in by the demonstration's provider, which is a real one,
// and out again.
func stepsByProgram(t *testing.T, r *loginReport) {
	r.begin("the demonstration's provider of globex, a node in this process, by a program")
	h, home := development(t, "")
	b := &loginBench{harness: h}
	br := b.browser()
	r.step(t, !br.in(home), "nobody is logged in from the start")
	choose := br.get(br.get(br.get(home + "/login/start?provider=" + secondProvider).next()).next())
	id := regexp.MustCompile(`name="login" value="([^"]+)"`).FindSubmatch(choose.body)
	if r.step(t, id != nil, "globex's login leads to its own provider, which asks who one is"); id == nil {
		t.Fatalf("%d: %.400s", choose.status, choose.body)
	}
	back := br.ask(http.MethodPost, voucherOf(t, h)+"/people", url.Values{"login": {string(id[1])}, "person": {"g1"}})
	a := br.get(br.get(back.next()).next())
	r.step(t, a.status == http.StatusSeeOther && br.in(home), "choosing Gil opens a session at globex (%d)", a.status)
	page := string(br.get(home + "/account/sessions?all").body)
	r.step(t, strings.Contains(page, "gil@globex.example") && strings.Contains(page, "Member"), "Gil is an owner by the group admins")
	r.step(t, !br.in(strings.Replace(home, secondOrg, "acme", 1)), "the session opens nothing at acme")
	form := br.form(home + "/account/tokens")
	made := string(br.post(home+"/account/tokens", url.Values{"form": {form}, "name": {"x"}, "access": {"read"}, "days": {"7"}}).body)
	_, after, _ := strings.Cut(made, `<code id="secret">`)
	key, _, _ := strings.Cut(after, "<")
	r.step(t, access.LooksLikeToken(key), "the page makes a token")
	x := &tenant{h: h, at: h.first, secret: key}
	who := x.submit(http.MethodPost, home+"/graphql", map[string]string{"query": "{ viewer { name } }"})
	r.step(t, strings.Contains(string(who.body), "gil@globex.example"), "the token is Gil's at the API (%d)", who.status)
	r.step(t, br.post(home+"/logout", url.Values{"form": {form}}).status == http.StatusOK && !br.in(home), "logging out ends the session")
}

// chromium runs a scenario of scripts/login-browser.mjs, whose lines are steps.
func chromium(t *testing.T, r *loginReport, args ...string) {
	t.Helper()
	core, browser := os.Getenv("SLUICE_TEST_PLAYWRIGHT"), os.Getenv("SLUICE_TEST_CHROMIUM")
	if core == "" || browser == "" {
		t.Fatal("there is no browser; scripts/install-tools.sh browser installs what is missing")
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("..", "..", "scripts", "login-browser.mjs"), core, browser}, args...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	steps := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		word, what, _ := strings.Cut(lines.Text(), " ")
		r.step(t, word == "ok", "%s", what)
		steps++
	}
	if err != nil || steps == 0 {
		r.step(t, false, "the browser went through all of it: %v %s", err, complaints.String())
	}
}
