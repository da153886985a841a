package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/blob"
)

// as is the tenant with a token of the roles, everywhere.
func (x *tenant) as(roles ...string) *tenant {
	x.h.Helper()
	in := access.TokenInput{Name: "ci-" + strings.Join(roles, "-"), Write: true}
	for _, role := range roles {
		in.Roles = append(in.Roles, access.Place{Role: role})
	}
	made, _, err := x.at.access.CreateToken(x.ctx, in)
	if err != nil {
		x.h.Fatal(err)
	}
	other := *x
	other.secret = made
	return &other
}

// send sends a request with a body of JSON, unless a header says otherwise.
func (x *tenant) send(method, registry, path, body string, header ...string) (a answer) {
	x.h.Helper()
	return x.sendFrom(method, registry, path, strings.NewReader(body), header...)
}

func (x *tenant) sendFrom(method, registry, path string, body io.Reader, header ...string) (a answer) {
	x.h.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, x.url(registry, path), body)
	if err != nil {
		x.h.Fatal(err)
	}
	if x.secret != "" {
		req.Header.Set("Authorization", "Bearer "+x.secret)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// says reports whether the answer is a problem with words in its error.
func (a answer) says(status int, words string) bool {
	return a.err == nil && a.status == status && strings.Contains(a.problem().Error, words)
}

// zipped compresses a request's body.
func zipped(body string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(body)) // a buffer takes everything
	_ = z.Close()
	return b.String()
}

// kept counts what a refused write must not change: blobs, rows of the tenant's
// packages, and events of the audit.
func (x *tenant) kept() (out [7]int) {
	x.h.Helper()
	err := x.at.blobs.Walk(x.ctx, func(blob.Stat) error { out[0]++; return nil })
	if err != nil {
		x.h.Fatal(err)
	}
	for i, table := range []string{"package_versions", "holdings", "dist_tags", "own_packages", "deprecations", "staged_versions"} {
		out[i+1] = x.count(table, "true")
	}
	return out
}
