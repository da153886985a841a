package intake_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is two organizations with the services from registries up to the write
// gate, over a real PostgreSQL, and with sources that are made up.
type bench struct {
	*testing.T
	url          string
	db           *db.DB
	reg          *registry.Service
	q            *quarantine.Service
	gate         *gate.Gate
	in           *intake.Service
	public       *source
	blobs        *blob.Disk
	ours, theirs context.Context
	ticks        atomic.Int64
}

// now is a clock on which everything happens a millisecond after the last thing.
func (b *bench) now() time.Time { return noon.Add(time.Duration(b.ticks.Add(1)) * time.Millisecond) }

// pass moves the time forward.
func (b *bench) pass(d time.Duration) { b.ticks.Add(d.Milliseconds()) }

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	b := &bench{T: t, url: dbtest.URL(t), public: &source{lists: map[string][]string{}, down: map[string]bool{}}}
	b.db = dbtest.Open(t, b.url)
	seal, err := registry.NewSealer([]byte(strings.Repeat("k", 32)))
	b.ok(err)
	shapes := registry.NewSnapshots(b.db, seal)
	log := audit.New(b.now)
	b.q = &quarantine.Service{DB: b.db, Audit: log, Now: b.now}
	b.reg = &registry.Service{DB: b.db, Audit: log, Now: b.now, Built: []coord.Ecosystem{coord.NPM}, Seal: seal, BeforeUnlink: b.q.Unlinking, AfterLink: b.q.Linked}
	b.blobs, err = blob.NewDisk(t.TempDir())
	b.ok(err)
	life, end := context.WithCancel(context.Background())
	b.gate = gate.New(life, gate.Config{DB: b.db, Blobs: b.blobs, Shapes: shapes, Advisories: advisory.NewService(b.db), Quarantine: b.q,
		Decisions: audit.NewDecisions(b.db, b.now), Protocols: []gate.Protocol{b.public}, Now: b.now})
	t.Cleanup(func() { end(); b.gate.Wait() })
	b.in = &intake.Service{DB: b.db, Audit: log, Shapes: shapes, Quarantine: b.q, Gate: b.gate, Now: b.now}
	dbtest.Start(t, b.db)
	b.ours, b.theirs = dbtest.TwoOrgs(t, b.db)
	return b
}

// source is an npm-like protocol whose remotes all list the same names, in
// documents of our own making: an array of "version" or "version|deprecation".
type source struct {
	mu    sync.Mutex
	lists map[string][]string
	down  map[string]bool // by the remote's name
	asked []string
}

func (s *source) Ecosystem() coord.Ecosystem { return coord.NPM }

func (s *source) set(pkg string, versions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists[pkg] = versions
}

func (s *source) breaks(remote string, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down[remote] = down
}

func (s *source) Decode(pkg string, raw []byte) (*gate.Listing, error) {
	var versions []string
	if err := json.Unmarshal(raw, &versions); err != nil {
		return nil, err
	}
	l := &gate.Listing{Package: coord.Package{Ecosystem: coord.NPM, Name: pkg}, Raw: raw, Tags: map[string]string{}}
	for _, v := range versions {
		one, err := s.DecodeVersion(pkg, []byte(fmt.Sprintf("%q", v)))
		if err != nil {
			return nil, err
		}
		one.Published = noon.Add(-1000 * time.Hour)
		l.Versions = append(l.Versions, one)
		l.Tags["latest"] = one.Version
	}
	return l, nil
}

func (s *source) DecodeVersion(pkg string, raw []byte) (*gate.Listed, error) {
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	v, against, _ := strings.Cut(v, "|")
	return &gate.Listed{Version: v, Deprecated: against, Raw: raw, License: policy.LicenseFact{State: policy.LicenseMissing}, Files: []gate.File{{Name: pkg + "-" + v + ".tgz", URL: "x:" + v, Size: -1}}}, nil
}

func (s *source) FetchList(_ context.Context, r gate.Remote, pkg string, _ gate.Validators) (gate.Fetched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Name+" "+pkg)
	if s.down[r.Name] {
		return gate.Fetched{}, errs.New(errs.Unavailable, "fetch", "it is down")
	}
	if len(s.lists[pkg]) == 0 {
		return gate.Fetched{NotFound: true}, nil
	}
	body, err := json.Marshal(s.lists[pkg])
	return gate.Fetched{Body: body}, err
}

func (s *source) FetchFile(_ context.Context, _ gate.Remote, f gate.File) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader("public " + f.Name)), -1, nil
}

func (s *source) heard(pkg string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if strings.HasSuffix(a, " "+pkg) {
			return true
		}
	}
	return false
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is wants an error of a kind that wraps a sentinel (nil = any) and whose
// public message has all the words.
func (b *bench) is(err error, k errs.Kind, sentinel error, words ...string) {
	b.Helper()
	if !errs.Is(err, k) || sentinel != nil && !errors.Is(err, sentinel) {
		b.Fatalf("got %v, want an error of kind %v that wraps %v", err, k, sentinel)
	}
	for _, w := range words {
		if !strings.Contains(errs.Public(err), w) {
			b.Errorf("the message %q does not say %q", errs.Public(err), w)
		}
	}
}

func (b *bench) remote(name string, internal bool) uuid.UUID {
	b.Helper()
	r, err := b.reg.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: name, BaseURL: "https://" + name + ".example", Internal: internal})
	b.ok(err)
	return r.ID
}

// made makes a registry of a kind that has upstreams: registries, or remotes.
func (b *bench) made(in registry.CreateInput, ups ...registry.UpstreamInput) uuid.UUID {
	b.Helper()
	in.Ecosystem = coord.NPM
	r, err := b.reg.Create(b.ours, in)
	b.ok(err)
	for _, up := range ups {
		up.Registry, up.MayBypass = r.ID, true
		_, err := b.reg.AddUpstream(b.ours, up)
		b.ok(err)
	}
	return r.ID
}

func (b *bench) team(name string, ups ...registry.UpstreamInput) uuid.UUID {
	b.Helper()
	return b.made(registry.CreateInput{Kind: registry.PackageRegistry, Name: name}, ups...)
}

func (b *bench) firewall(name string, ups ...registry.UpstreamInput) uuid.UUID {
	b.Helper()
	return b.made(registry.CreateInput{Kind: registry.Firewall, Name: name}, ups...)
}

func (b *bench) patches(name string, ups ...registry.UpstreamInput) uuid.UUID {
	b.Helper()
	no := false
	return b.made(registry.CreateInput{Kind: registry.PackageRegistry, Name: name, Internal: &no}, ups...)
}

func from(remote uuid.UUID) registry.UpstreamInput { return registry.UpstreamInput{Remote: remote} }
func above(reg uuid.UUID) registry.UpstreamInput   { return registry.UpstreamInput{Source: reg} }
func npm(pkg string) coord.Package                 { return coord.Package{Ecosystem: coord.NPM, Name: pkg} }
func version(pkg, v string) coord.Version          { return coord.Version{Package: npm(pkg), Version: v} }
func person(name string) coord.Person              { return coord.Person{Name: name, Email: name + "@acme.example"} }
func fileOf(text string) (f []catalog.StoredFile) {
	sum := sha256.Sum256([]byte(text))
	return []catalog.StoredFile{{Name: "file.tgz", Blob: catalog.Blob{SHA256: hex.EncodeToString(sum[:]), Size: int64(len(text))}}}
}

// input is a version with bytes of its own.
func input(reg uuid.UUID, pkg, v string, tags ...string) intake.PublishInput {
	return intake.PublishInput{Registry: reg, Name: pkg, Version: v, License: policy.LicenseFact{State: policy.LicenseMissing}, Metadata: []byte(fmt.Sprintf("%q", v)),
		Files: fileOf(pkg + "@" + v), Tags: tags, Maintainer: person("ann"), About: "about " + pkg}
}

func (b *bench) publish(reg uuid.UUID, pkg, v string, tags ...string) {
	b.Helper()
	_, err := b.blobs.Put(b.ours, strings.NewReader(pkg+"@"+v), 1<<20)
	b.ok(err)
	_, err = b.in.Publish(b.ours, input(reg, pkg, v, tags...))
	b.ok(err)
}

func (b *bench) own(reg uuid.UUID, pkg string) intake.Own {
	b.Helper()
	o, err := b.in.Own(b.ours, reg, pkg)
	b.ok(err)
	return o
}

// held are the versions that a registry holds, ascending.
func held(o intake.Own) string {
	var out []string
	for _, r := range o.Releases {
		out = append(out, r.Version)
	}
	return strings.Join(out, " ")
}

// listed are the versions that a registry lists, ascending, or the error's kind.
func (b *bench) listed(reg uuid.UUID, pkg string) string {
	b.Helper()
	v, err := b.gate.List(b.ours, reg, npm(pkg))
	if err != nil {
		return errs.KindOf(err).String()
	}
	var out []string
	for _, e := range v.Entries {
		if e.Decision.Listed {
			out = append(out, e.Version)
		}
	}
	return strings.Join(out, " ")
}

// brings lets a registry and those on the way to the remote hold the public
// bytes of a version.
func (b *bench) brings(reg uuid.UUID, pkg, v string) {
	b.Helper()
	b.ok(b.gate.Review(b.ours, reg, version(pkg, v)))
}

// events are the audit events of an action, oldest first.
func (b *bench) events(action string) (out []*ent.AuditEvent) {
	b.Helper()
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Order(ent.Asc(auditevent.FieldAt)).All(ctx)
		return err
	}))
	return out
}

// written counts everything that an operation may leave behind.
func (b *bench) written() string {
	b.Helper()
	var parts []string
	b.ok(b.db.InTx(b.ours, func(ctx context.Context, tx *db.Tx) error {
		for _, table := range []string{"holdings", "package_versions", "dist_tags", "own_packages", "owned_names", "name_switches", "spent_versions", "deprecations", "staged_versions", "audit_events"} {
			var n int
			if err := tx.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&n); err != nil {
				return err
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, table))
		}
		var revisions int
		err := tx.QueryRow(ctx, `SELECT coalesce(sum(revision), 0) FROM own_packages`).Scan(&revisions)
		parts = append(parts, fmt.Sprintf("%d revisions", revisions))
		return err
	}))
	return strings.Join(parts, ", ")
}

// unchanged runs what must fail or do nothing, and wants nothing written.
func (b *bench) unchanged(what string, fn func() error) error {
	b.Helper()
	before := b.written()
	err := fn()
	if after := b.written(); after != before {
		b.Errorf("%s: changed %s to %s", what, before, after)
	}
	return err
}

// foreign wants what the other organization tries on our registry to be NotFound.
func (b *bench) foreign(calls map[string]func(context.Context) error) {
	b.Helper()
	for name, call := range calls {
		if err := b.unchanged(name, func() error { return call(b.theirs) }); !errs.Is(err, errs.NotFound) {
			b.Errorf("%s from another organization: %v, want not found", name, err)
		}
	}
}

func (b *bench) rule(reg uuid.UUID, k policy.Kind) {
	b.Helper()
	_, err := b.reg.AddRule(b.ours, reg, policy.Rule{Name: "the " + string(k) + " rule", Kind: k, Mode: policy.Enforce, Effect: policy.Deny, Applies: policy.NewAndHeld,
		OnViolation: policy.Hide, Unknown: policy.UnknownDeny})
	b.ok(err)
}

func (b *bench) hold(reg uuid.UUID, pkg, v string) *ent.Hold {
	b.Helper()
	h, err := b.q.Hold(b.ours, quarantine.HoldInput{Registry: reg, Name: pkg, Version: v, Reason: "looks odd"})
	b.ok(err)
	return h
}
