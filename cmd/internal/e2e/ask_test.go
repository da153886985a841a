package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answer is what a request without a package client got.
type answer struct {
	status int
	header http.Header
	body   string
}

var web = &http.Client{Timeout: time.Minute}

func ask(t *testing.T, method, url, token string, body []byte) answer {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := web.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// tarball asks a registry for the file of a version, as its team does.
func (s *stage) tarball(t *testing.T, registry, name, version string) answer {
	t.Helper()
	file := name[strings.IndexByte(name, '/')+1:] + "-" + version + ".tgz"
	return ask(t, http.MethodGet, s.registry(registry)+name+"/-/"+file, s.token(registry), nil)
}

// token returns the token that reads a registry; the administrator's reads all.
func (s *stage) token(registry string) string {
	switch registry {
	case "team-a", "corp-a":
		return s.state.TeamA
	case "team-b", "corp-b":
		return s.state.TeamB
	}
	return s.state.AdminToken
}

// serves checks that a registry delivers a version.
func (s *stage) serves(t *testing.T, registry, name, version string) {
	t.Helper()
	if a := s.tarball(t, registry, name, version); a.status != http.StatusOK {
		t.Errorf("%s answers %d for %s@%s, want 200: %s", registry, a.status, name, version, a.body)
	}
}

// refuses checks that a registry withholds a version, names it, and gives the
// reason and a link that opens without a token (F2).
func (s *stage) refuses(t *testing.T, registry, name, version, reason string) {
	t.Helper()
	a := s.tarball(t, registry, name, version)
	if a.status != http.StatusForbidden || !strings.Contains(a.body, name+"@"+version) || !strings.Contains(a.body, reason) {
		t.Errorf("%s answers %d for %s@%s, want 403 with %q: %.600s", registry, a.status, name, version, reason, a.body)
		return
	}
	link := s.state.BaseURL + "/-/decisions/" + a.header.Get("Sluice-Decision")
	if !strings.Contains(a.body, link) {
		t.Errorf("the refusal has no link %s: %s", link, a.body)
	}
	if page := ask(t, http.MethodGet, link, "", nil); page.status != http.StatusOK || !strings.Contains(page.body, name) {
		t.Errorf("the page %s answers %d: %s", link, page.status, page.body)
	}
}

// document is a packument as the cases read it.
type document struct {
	Versions map[string]json.RawMessage `json:"versions"`
	Tags     map[string]string          `json:"dist-tags"`
}

// dist is what a document says of the file of a version.
type dist struct{ Tarball, Integrity, Shasum string }

func (d document) dist(t *testing.T, version string) dist {
	t.Helper()
	var m struct{ Dist dist }
	if err := json.Unmarshal(d.Versions[version], &m); err != nil {
		t.Fatal(err)
	}
	return m.Dist
}

func (s *stage) document(t *testing.T, url, token string) document {
	t.Helper()
	a := ask(t, http.MethodGet, url, token, nil)
	var d document
	if err := json.Unmarshal([]byte(a.body), &d); a.status != http.StatusOK || err != nil {
		t.Fatalf("%s answers %d, %v: %.300s", url, a.status, err, a.body)
	}
	return d
}

// graph asks the GraphQL API as the administrator. Any error and any user error
// ends the case.
func (s *stage) graph(t *testing.T, query string, variables map[string]any, into any) {
	t.Helper()
	if msg := s.tryGraph(t, s.state.AdminToken, query, variables, into); msg != "" {
		t.Fatalf("GraphQL: %s\n%s\n%v", msg, query, variables)
	}
}

// tryGraph returns what went wrong, "" for nothing.
func (s *stage) tryGraph(t *testing.T, token, query string, variables map[string]any, into any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, http.MethodPost, s.state.BaseURL+"/graphql", token, body)
	var out struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%s/graphql answers %d: %.300s", s.state.BaseURL, a.status, a.body)
	}
	if len(out.Errors) > 0 {
		return out.Errors[0].Message
	}
	var users map[string]struct{ UserErrors []struct{ Message string } }
	if err := json.Unmarshal(out.Data, &users); err == nil {
		for _, payload := range users {
			if len(payload.UserErrors) > 0 {
				return payload.UserErrors[0].Message
			}
		}
	}
	if into == nil {
		return ""
	}
	if err := json.Unmarshal(out.Data, into); err != nil {
		t.Fatalf("GraphQL: %v: %s", err, out.Data)
	}
	return ""
}
