package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/tenants/access"
)

// document returns a built-in document and its hash.
func document(t *testing.T, name string) (text, hash string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("documents", name+".graphql"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	return string(raw), hex.EncodeToString(sum[:])
}

// TestPersistedDocuments: built-in documents run by their hash, others do not,
// and no request adds one.
func TestPersistedDocuments(t *testing.T) {
	w := newWorld(t)
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	text, hash := document(t, "Viewer")
	other := "query Other { viewer { name } }"
	sum := sha256.Sum256([]byte(other))
	unknown := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct {
		body map[string]any
		says string
	}{
		"by its hash":             {map[string]any{"extensions": persistedBy(hash)}, `"name":"owner@acme.example"`},
		"by its hash in capitals": {map[string]any{"extensions": persistedBy(strings.ToUpper(hash))}, `"name":"owner@acme.example"`},
		"with its text":           {map[string]any{"query": text, "extensions": persistedBy(hash)}, `"name":"owner@acme.example"`},
		"an unknown hash":         {map[string]any{"extensions": persistedBy(unknown)}, "PERSISTED_QUERY_NOT_FOUND"},
		"an unknown one's text":   {map[string]any{"query": other, "extensions": persistedBy(unknown)}, `"name":"owner@acme.example"`},
		"and again by its hash":   {map[string]any{"extensions": persistedBy(unknown)}, "PERSISTED_QUERY_NOT_FOUND"},
		"another text":            {map[string]any{"query": other, "extensions": persistedBy(hash)}, "is not the SHA-256 of query"},
		"another version":         {map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 2, "sha256Hash": hash}}}, `\"version\": 1`},
		"no hash":                 {map[string]any{"extensions": map[string]any{"persistedQuery": "x"}}, `\"version\": 1`},
	} {
		body, err := json.Marshal(c.body)
		w.ok(err)
		rec := w.send(owner, "POST", "/graphql", string(body), "Content-Type", "application/json")
		if !strings.Contains(rec.Body.String(), c.says) {
			t.Errorf("%s: %d %s; want %s", name, rec.Code, rec.Body, c.says)
		}
	}
	extensions, err := json.Marshal(persistedBy(hash))
	w.ok(err)
	rec := w.send(owner, "GET", "/graphql?extensions="+url.QueryEscape(string(extensions)), "")
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), "owner@acme.example") || rec.Header().Get("Cache-Control") != "private, no-cache" || !strings.Contains(rec.Header().Get("Vary"), "Cookie") {
		t.Errorf("GET: %d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	_, stream := document(t, "HoldStream")
	extensions, err = json.Marshal(persistedBy(stream))
	w.ok(err)
	if rec := w.send(owner, "GET", "/graphql?extensions="+url.QueryEscape(string(extensions)), ""); rec.Code != 406 {
		t.Errorf("a subscription with GET: %d %s", rec.Code, rec.Body)
	}
}

func persistedBy(hash string) map[string]any {
	return map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash}}
}

// TestPersistedOnly: where the operator wants it, a login runs the console's
// documents and no others, while tokens run any.
func TestPersistedOnly(t *testing.T) {
	w := newWorldWaiting(t, time.Millisecond, func(d *graph.Deps) { d.PersistedOnly = true })
	owner := w.member(w.ours, "owner", access.Place{Role: access.Owner})
	secret, _, err := w.access.CreateToken(w.ours, access.TokenInput{Name: "ci", Roles: []access.Place{{Role: access.Auditor}}})
	w.ok(err)
	token, err := w.access.Authenticate(w.ours, secret, "")
	w.ok(err)
	text, _ := document(t, "Viewer")
	if a := w.ask(owner, text, nil); len(a.Errors) > 0 {
		t.Errorf("the console's own: %v", a.Errors)
	}
	if a := w.ask(owner, "{ viewer { name } }", nil); a.code() != "PERSISTED_QUERY_REQUIRED" {
		t.Errorf("another one: %s %v", a.Data, a.Errors)
	}
	if a := w.ask(access.As(w.ours, token, ""), "{ viewer { name } }", nil); len(a.Errors) > 0 {
		t.Errorf("a token's: %v", a.Errors)
	}
}
