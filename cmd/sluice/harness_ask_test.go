package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
)

// corgi is the media type of abbreviated documents.
const corgi = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"

// answer is what a client saw. A response that was broken off has err set.
type answer struct {
	status int
	phrase string
	header http.Header
	body   []byte
	err    error
}

// refused is the problem of an answer, in its JSON form.
type refused struct {
	Error, Detail, Instance, Code, DecisionID, Registry, Rule, Kind, PURL, Instead, Until string
}

func (a answer) problem() (p refused) {
	_ = json.Unmarshal(a.body, &p)
	return p
}

// withheld reports whether the answer is a refusal of the gate.
func (a answer) withheld() bool {
	return a.status == http.StatusForbidden && a.header.Get("Sluice-Decision") != ""
}

// url is the address of a path below a registry of the tenant.
func (x *tenant) url(registry, path string) string {
	return x.at.server.URL + "/o/" + x.slug + "/npm/" + registry + path
}

// open sends a request with the tenant's token; header is name, value, ….
func (x *tenant) open(ctx context.Context, method, url string, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if x.secret != "" {
		req.Header.Set("Authorization", "Bearer "+x.secret)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return client.Do(req)
}

// ask sends a request and reads the whole answer.
func (x *tenant) ask(method, registry, path string, header ...string) answer {
	return x.fetch(method, x.url(registry, path), header...)
}

func (x *tenant) fetch(method, url string, header ...string) (a answer) {
	resp, err := x.open(context.Background(), method, url, header...)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// get is ask with GET.
func (x *tenant) get(registry, path string, header ...string) answer {
	return x.ask(http.MethodGet, registry, path, header...)
}

// packument is what the tests read of a package document.
type packument struct {
	Name               string
	Tags               map[string]string `json:"dist-tags"`
	Time               map[string]string
	Versions           map[string]manifest
	PolicyRestrictions struct {
		Message  string
		Versions map[string]json.RawMessage
	}
}

// manifest is what the tests read of one version's.
type manifest struct {
	Version    string
	Deprecated string
	Dist       struct{ Tarball, Integrity, Shasum string }
}

func (a answer) manifest() (m manifest) {
	_ = json.Unmarshal(a.body, &m)
	return m
}

// integrity is the Subresource Integrity of a file.
func integrity(file []byte) string {
	sum := sha512.Sum512(file)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (a answer) packument() (p packument) {
	_ = json.Unmarshal(a.body, &p)
	return p
}

// doc gets a package's full document, which must be there.
func (x *tenant) doc(registry, pkg string) packument {
	x.h.Helper()
	a := x.get(registry, "/"+pkg)
	if a.status != http.StatusOK || a.err != nil {
		x.h.Fatalf("%s in %s = %d %s %v", pkg, registry, a.status, a.body, a.err)
	}
	return a.packument()
}

// tarball is the path of a version's file.
func tarball(pkg, version string) string {
	return "/" + pkg + "/-/" + pkg[strings.IndexByte(pkg, '/')+1:] + "-" + version + ".tgz"
}

// rule adds a rule that enforces and hides, unless it says otherwise.
func (x *tenant) rule(reg uuid.UUID, r policy.Rule) policy.Rule {
	x.h.Helper()
	if r.Name == "" {
		r.Name = strings.ToLower(string(r.Kind))
	}
	if r.Mode == "" {
		r.Mode = policy.Enforce
	}
	if r.OnViolation == "" {
		r.OnViolation = policy.Hide
	}
	if r.Applies == "" {
		r.Applies = policy.DefaultScope(r.Kind)
	}
	if r.Unknown == "" {
		r.Unknown = policy.DefaultUnknown(r.Kind)
	}
	made, err := x.at.registries.AddRule(x.ctx, reg, r)
	if err != nil {
		x.h.Fatal(err)
	}
	return made
}

// block is a rule that denies what the definitions name.
func (x *tenant) block(reg uuid.UUID, definitions ...string) policy.Rule {
	x.h.Helper()
	return x.rule(reg, policy.Rule{Kind: policy.KindBlock, Effect: policy.Deny, Params: policy.Params{Definitions: x.h.definitions(definitions...)}})
}

func (h *harness) definitions(texts ...string) (out []coord.Definition) {
	h.Helper()
	for _, t := range texts {
		d, err := coord.ParseDefinition(coord.NPM, t)
		if err != nil {
			h.Fatal(err)
		}
		out = append(out, d)
	}
	return out
}

// hold puts a manual hold on name, name@version or name@range.
func (x *tenant) hold(reg uuid.UUID, what, reason string) *ent.Hold {
	x.h.Helper()
	in := quarantine.HoldInput{Registry: reg, Name: what, Reason: reason}
	if i := strings.LastIndexByte(what, '@'); i > 0 {
		in.Name, in.Version = what[:i], what[i+1:]
		if _, err := coord.NormalizeVersion(coord.NPM, in.Version); err != nil {
			in.Version, in.Range = "", in.Version
		}
	}
	made, err := x.at.quarantine.Hold(x.ctx, in)
	if err != nil {
		x.h.Fatal(err)
	}
	return made
}

// advise imports OSV records as the feed "osv".
func (h *harness) advise(records ...map[string]any) {
	h.Helper()
	dir := h.TempDir()
	for _, r := range records {
		b, err := json.Marshal(r)
		if err != nil {
			h.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, r["id"].(string)+".json"), b, 0o600); err != nil {
			h.Fatal(err)
		}
	}
	_, err := h.first.importer.Import(context.Background(), dir, advisory.Options{Feed: "osv", Now: h.clock.Now()})
	if err != nil {
		h.Fatal(err)
	}
}

// vulnerable is an OSV record: versions from introduced up to fixed ("" for
// all) of the package are affected, with HIGH severity.
func vulnerable(id, pkg, introduced, fixed string) map[string]any {
	events := []any{map[string]any{"introduced": introduced}}
	if fixed != "" {
		events = append(events, map[string]any{"fixed": fixed})
	}
	return map[string]any{"schema_version": "1.7.0", "id": id, "modified": "2026-01-02T03:04:05Z", "published": "2026-01-02T03:04:05Z",
		"summary": pkg + " does harm", "severity": []any{map[string]any{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		"affected": []any{map[string]any{"package": map[string]any{"ecosystem": "npm", "name": pkg},
			"ranges": []any{map[string]any{"type": "SEMVER", "events": events}}}}}
}

// scan reads one row of the tenant.
func (x *tenant) scan(into any, query string, args ...any) {
	x.h.Helper()
	err := x.at.db.InTx(x.ctx, func(ctx context.Context, tx *db.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(into) })
	if err != nil {
		x.h.Fatal(err)
	}
}

// count returns how many rows of the tenant a table has; where may be "true".
func (x *tenant) count(table, where string, args ...any) (n int) {
	x.h.Helper()
	x.scan(&n, "SELECT count(*) FROM "+table+" WHERE "+where, args...)
	return n
}

// sum adds up a column of a table's rows of the tenant.
func (x *tenant) sum(table, column string) (n int) {
	x.h.Helper()
	x.scan(&n, "SELECT coalesce(sum("+column+"), 0) FROM "+table)
	return n
}

// minute and day read better in tables.
const (
	minute = time.Minute
	day    = 24 * time.Hour
)
