package protocol

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

const link = "https://acme.sluice.example/-/decisions/0123456789abcdef0123456789abcdef"

func refusalOf(reason string) *gate.Refusal {
	return &gate.Refusal{
		Version:  coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: "@acme/x"}, Version: "4.17.20"},
		Registry: "team",
		Decision: policy.Decision{Effect: policy.Deny, Decisive: &policy.Verdict{
			RegistryName: "npm-firewall", RuleName: "vulnerability from HIGH", Kind: policy.KindVulnerability, Effect: policy.Deny, Reason: reason,
		}},
		Instead:    "4.17.21",
		DecisionID: "0123456789abcdef0123456789abcdef",
	}
}

func TestSentence(t *testing.T) {
	until := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		change func(r *gate.Refusal)
		want   string
	}{
		{func(*gate.Refusal) {}, `@acme/x@4.17.20 is withheld by "npm-firewall": affected by GHSA-1; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Instead = "" }, `@acme/x@4.17.20 is withheld by "npm-firewall": affected by GHSA-1`},
		{func(r *gate.Refusal) { r.Decision.Decisive.Reason = "held by ann: looks odd" }, `@acme/x@4.17.20 is withheld by "npm-firewall": held by ann: looks odd; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Decision.Decisive.Until = until }, `@acme/x@4.17.20 is withheld by "npm-firewall": affected by GHSA-1; available from 2026-12-01 10:00 UTC; install 4.17.21 instead`},
		{func(r *gate.Refusal) {
			r.Decision.Decisive.Until, r.Decision.Decisive.Reason = until, "@acme/x 4.17.20 was published yesterday: it becomes available 2026-12-01"
		}, `@acme/x@4.17.20 is withheld by "npm-firewall": published yesterday: it becomes available 2026-12-01; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Decision.Decisive = nil }, `@acme/x@4.17.20 is withheld by "team"; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Decision.Decisive.Reason = "\x1b[31mred\r\n\u202eü" }, `@acme/x@4.17.20 is withheld by "npm-firewall": [31mred  ü; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Version.Ecosystem, r.Version.Name = coord.PyPI, "six" }, `six==4.17.20 is withheld by "npm-firewall": affected by GHSA-1; install 4.17.21 instead`},
		{func(r *gate.Refusal) { r.Version.Ecosystem, r.Version.Name = coord.Maven, "g:a" }, `g:a:4.17.20 is withheld by "npm-firewall": affected by GHSA-1; install 4.17.21 instead`},
	} {
		r := refusalOf("@acme/x 4.17.20 is affected by GHSA-1")
		c.change(r)
		if strings.HasPrefix(c.want, "six") || strings.HasPrefix(c.want, "g:a") {
			r.Decision.Decisive.Reason = r.Version.String() + " is affected by GHSA-1"
		}
		if got := Sentence(r); got != c.want {
			t.Errorf("Sentence =\n%s\nwant\n%s", got, c.want)
		}
	}
	if got := Sentence(refusalOf(strings.Repeat("ü", 2000))); len(got) > maxSentence+40 || !strings.HasSuffix(got, "...; install 4.17.21 instead") {
		t.Errorf("a long reason gives %d bytes: …%s", len(got), got[len(got)-40:])
	}
}

// raw sends a request over a plain connection and returns everything that comes
// until the server closes.
func raw(t *testing.T, s *httptest.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestF2_RefusalOverHTTP1(t *testing.T) {
	refusal := refusalOf("@acme/x 4.17.20 is affected by GHSA-1 (HIGH) \"ü\"\r\nX-Evil: 1")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "7")
		w.Header().Set("ETag", `"of the content"`)
		Refuse(w, r, refusal, link)
	}))
	defer s.Close()
	got := raw(t, s, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
	status, _, _ := strings.Cut(got, "\r\n")
	if !strings.HasPrefix(status, `HTTP/1.1 403 @acme/x@4.17.20 is withheld by "npm-firewall": affected by GHSA-1`) ||
		!strings.HasSuffix(status, " - "+link) || len(status) > len("HTTP/1.1 403 ")+maxPhrase {
		t.Errorf("status line (%d bytes) = %s", len(status), status)
	}
	resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Sluice-Decision": refusal.DecisionID, "Cache-Control": "private, no-store",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox", "X-Request-Id": "7",
		"Etag": "", "X-Evil": "", "Connection": "close",
	} {
		if got := resp.Header.Get(name); got != want && name != "Connection" {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"Npm-Notice", "X-Nuget-Warning"} {
		if n := resp.Header.Get(name); !strings.Contains(n, "install 4.17.21 instead (details: "+link+")") {
			t.Errorf("%s = %q", name, n)
		}
	}
	body, _ := io.ReadAll(resp.Body)
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"type": "urn:sluice:problem:withheld", "status": 403.0, "title": "Withheld by policy", "instance": link, "detail": m["error"],
		"decisionId": refusal.DecisionID, "registry": "npm-firewall", "rule": "vulnerability from HIGH", "kind": "VULNERABILITY",
		"purl": "pkg:npm/%40acme/x@4.17.20", "instead": "4.17.21", "until": nil, "code": nil,
	} {
		if m[name] != want {
			t.Errorf("%s = %v, want %v", name, m[name], want)
		}
	}
	if e, _ := m["error"].(string); !strings.HasPrefix(e, "@acme/x@4.17.20 is withheld") || !strings.Contains(e, link) || strings.ContainsAny(e, "\r\n") {
		t.Errorf("error = %q", e)
	}
}

func TestF2_RefusalOfHEADAndOfAnUpload(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Refuse(w, r, refusalOf("r"), link) }))
	defer s.Close()
	head := raw(t, s, "HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 403 @acme/x") || !strings.HasSuffix(head, "\r\n\r\n") || !strings.Contains(head, "Content-Length: ") {
		t.Errorf("HEAD = %q", head)
	}
	upload := strings.Repeat("x", 300<<10)
	put := raw(t, s, "PUT /x HTTP/1.0\r\nContent-Length: 307200\r\n\r\n"+upload)
	if !strings.HasPrefix(put, "HTTP/1.1 403 @acme/x") || !strings.HasSuffix(put, "}") {
		t.Errorf("PUT = %.200q", put)
	}
}

func TestF2_RefusalWithoutAReasonPhrase(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { Refuse(w, r, refusalOf("r"), link) })
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequest("GET", "/x", nil))
	if rec.Code != 403 || rec.Header().Get("Sluice-Decision") == "" || !json.Valid(rec.Body.Bytes()) {
		t.Errorf("without hijacking = %d %v %s", rec.Code, rec.Header(), rec.Body)
	}

	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != 403 || !json.Valid(body) {
		t.Errorf("HTTP/2 = %s %d %s", resp.Proto, resp.StatusCode, body)
	}
}

func TestALongLinkIsLeftOutOfThePhrase(t *testing.T) {
	long := "https://" + strings.Repeat("a", 200) + ".example/x"
	if p := phrase(strings.Repeat("s", 500), long); len(p) > maxPhrase || strings.Contains(p, "http") {
		t.Errorf("phrase = %q", p)
	}
}

func TestProblem(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		header string
		code   string
		shows  string
	}{
		{errs.New(errs.Invalid, "op", "the name is wrong").On("name"), 400, "", "INVALID", "the name is wrong"},
		{errs.New(errs.Unauthenticated, "op", "who are you"), 401, "Www-Authenticate", "UNAUTHENTICATED", "who are you"},
		{errs.New(errs.Forbidden, "op", "not allowed"), 403, "", "FORBIDDEN", "not allowed"},
		{errs.New(errs.NotFound, "op", "no such package"), 404, "", "NOT_FOUND", "no such package"},
		{errs.New(errs.Conflict, "op", "exists"), 409, "", "CONFLICT", "exists"},
		{errs.New(errs.TooLarge, "op", "over 5 GiB"), 413, "", "TOO_LARGE", "over 5 GiB"},
		{errs.Wrap(errors.New("secret detail"), errs.Upstream, "op", "the remote failed\x1b"), 502, "", "UPSTREAM", "the remote failed"},
		{errs.New(errs.Unavailable, "op", "later"), 503, "Retry-After", "UNAVAILABLE", "later"},
		{errors.New("secret detail"), 500, "", "INTERNAL", "something went wrong inside Sluice"},
	} {
		rec := httptest.NewRecorder()
		Problem(rec, httptest.NewRequest("GET", "/x", nil), c.err)
		var m map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		text, _ := m["error"].(string)
		if rec.Code != c.status || m["code"] != c.code || !strings.HasPrefix(text, c.shows) || m["detail"] != text || strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("%v = %d %s", c.err, rec.Code, rec.Body)
		}
		if c.header != "" && rec.Header().Get(c.header) == "" {
			t.Errorf("%v: no %s", c.err, c.header)
		}
		if rec.Header().Get("Sluice-Decision") != "" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v: headers %v", c.err, rec.Header())
		}
	}
	rec := httptest.NewRecorder()
	Problem(rec, httptest.NewRequest("GET", "/x", nil), errs.New(errs.Invalid, "op", "wrong").On("name"))
	if !bytes.Contains(rec.Body.Bytes(), []byte(`"field":"name"`)) {
		t.Errorf("no field in %s", rec.Body)
	}
	if got := rec.Header().Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control = %q", got)
	}
}

func TestProblemKeepsTheConnectionOfNormalTraffic(t *testing.T) {
	kind := errs.NotFound
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Problem(w, r, errs.New(kind, "op", "the message"))
	}))
	defer s.Close()
	got := raw(t, s, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if n := strings.Count(got, "HTTP/1.1 404 Not Found\r\n"); n != 2 {
		t.Errorf("%d answers on one connection: %s", n, got)
	}
	kind = errs.Conflict
	if got := raw(t, s, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 409 the message\r\n") {
		t.Errorf("conflict = %.80s", got)
	}
}

func TestProblemSaysNothingToAClientThatHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the handler was not aborted")
		}
	}()
	Problem(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil).WithContext(ctx), errors.New("x"))
}

func TestCacheControl(t *testing.T) {
	if got := (Target{}).CacheControl(); got != "private, no-cache" {
		t.Errorf("CacheControl = %q", got)
	}
	if got := (Target{Anonymous: true}).CacheControl(); got != "public, no-cache" {
		t.Errorf("anonymous CacheControl = %q", got)
	}
}
