package intake_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

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

// source is a public remote of packages whose documents are lists of versions,
// and whose files are their own names.
type source struct {
	mu       sync.Mutex
	packages map[string][]string
	down     bool
}

func (*source) Ecosystem() coord.Ecosystem { return coord.NPM }

func (s *source) Decode(pkg string, raw []byte) (*gate.Listing, error) {
	var versions []string
	if err := json.Unmarshal(raw, &versions); err != nil {
		return nil, err
	}
	l := &gate.Listing{Package: coord.Package{Ecosystem: coord.NPM, Name: pkg}, Raw: raw, Tags: map[string]string{}}
	for _, v := range versions {
		listed, err := s.DecodeVersion(pkg, []byte(v))
		if err != nil {
			return nil, err
		}
		l.Versions = append(l.Versions, listed)
	}
	return l, nil
}

func (*source) DecodeVersion(pkg string, raw []byte) (*gate.Listed, error) {
	v := string(raw)
	return &gate.Listed{Version: v, Published: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Raw: raw, License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"},
		Files: []gate.File{{Name: pkg + "-" + v + ".tgz", URL: "https://remote.example/" + pkg + "/" + v, Size: -1}}}, nil
}

func (s *source) FetchList(_ context.Context, _ gate.Remote, pkg string, _ gate.Validators) (gate.Fetched, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return gate.Fetched{}, errs.New(errs.Unavailable, "fetch", "the remote is down")
	}
	versions, ok := s.packages[pkg]
	if !ok {
		return gate.Fetched{NotFound: true}, nil
	}
	body, err := json.Marshal(versions)
	return gate.Fetched{Body: body}, err
}

func (s *source) FetchFile(_ context.Context, _ gate.Remote, f gate.File) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, 0, errs.New(errs.Unavailable, "fetch", "the remote is down")
	}
	return io.NopCloser(strings.NewReader(f.Name)), int64(len(f.Name)), nil
}

// moving is two organizations with the write path over a real database, a real
// gate and a public source.
type moving struct {
	*testing.T
	db           *db.DB
	source       *source
	registries   *registry.Service
	quarantine   *quarantine.Service
	gate         *gate.Gate
	blobs        *blob.Disk
	intake       *intake.Service
	ours, theirs context.Context

	mu  sync.Mutex
	now time.Time
}

func (m *moving) clock() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	t.Parallel()
	m := &moving{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), source: &source{packages: map[string][]string{"left-pad": {"1.0.0", "1.1.0", "2.0.0-rc.1"}}}}
	m.db = dbtest.New(t)
	log := audit.New(m.clock)
	seal, err := registry.NewSealer(bytes.Repeat([]byte{7}, 32))
	m.ok(err)
	shapes := registry.NewSnapshots(m.db, seal)
	m.quarantine = &quarantine.Service{DB: m.db, Audit: log, Now: m.clock}
	m.registries = &registry.Service{DB: m.db, Audit: log, Now: m.clock, Built: []coord.Ecosystem{coord.NPM}, Seal: seal,
		BeforeUnlink: m.quarantine.Unlinking, AfterLink: m.quarantine.Linked}
	m.blobs, err = blob.NewDisk(t.TempDir())
	m.ok(err)
	life, end := context.WithCancel(context.Background())
	m.gate = gate.New(life, gate.Config{DB: m.db, Blobs: m.blobs, Shapes: shapes, Advisories: advisory.NewService(m.db), Quarantine: m.quarantine,
		Decisions: audit.NewDecisions(m.db, m.clock), Protocols: []gate.Protocol{m.source}, Now: m.clock})
	t.Cleanup(func() { end(); m.gate.Wait() })
	m.intake = &intake.Service{DB: m.db, Audit: log, Shapes: shapes, Quarantine: m.quarantine, Gate: m.gate, Now: m.clock}
	m.ours, m.theirs = dbtest.TwoOrgs(t, m.db)
	return m
}

func (m *moving) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// registry makes a registry; one of a name with "fw" is a firewall without rules.
func (m *moving) registry(ctx context.Context, name string, sources ...uuid.UUID) uuid.UUID {
	m.Helper()
	in := registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: coord.NPM, Name: name}
	if strings.HasPrefix(name, "fw") {
		in.Kind = registry.Firewall
	}
	r, err := m.registries.Create(ctx, in)
	m.ok(err)
	for _, s := range sources {
		_, err := m.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: r.ID, Source: s})
		m.ok(err)
	}
	return r.ID
}

// public connects a registry to the public source.
func (m *moving) public(ctx context.Context, reg uuid.UUID) {
	m.Helper()
	_, err := m.registries.AddUpstream(ctx, registry.UpstreamInput{Registry: reg, MayBypass: true,
		NewRemote: &registry.RemoteInput{Name: "public-" + reg.String()[:8] + reg.String()[28:], BaseURL: "https://remote.example"}})
	m.ok(err)
}

func (m *moving) rule(ctx context.Context, reg uuid.UUID, r policy.Rule) {
	m.Helper()
	if r.Mode == "" {
		r.Mode = policy.Enforce
	}
	r.Effect, r.OnViolation, r.Applies, r.Unknown = policy.Deny, policy.Hide, policy.NewOnly, policy.UnknownDeny
	_, err := m.registries.AddRule(ctx, reg, r)
	m.ok(err)
}

// block is a rule against what the text defines.
func block(text string) policy.Rule {
	d, err := coord.ParseDefinition(coord.NPM, text)
	if err != nil {
		panic(err)
	}
	return policy.Rule{Name: "block " + text, Kind: policy.KindBlock, Params: policy.Params{Definitions: []coord.Definition{d}}}
}

// publish publishes a version whose bytes are the text, with a provenance bundle
// beside it.
func (m *moving) publish(ctx context.Context, reg uuid.UUID, name, version, text string) {
	m.Helper()
	_, err := m.intake.Publish(ctx, intake.PublishInput{Registry: reg, Name: name, Version: version, Metadata: []byte(version),
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "MIT"},
		Files:   []catalog.StoredFile{m.put(ctx, name+"-"+version+".tgz", text), m.put(ctx, name+"-"+version+".sigstore", "bundle of "+text)}})
	m.ok(err)
}

func (m *moving) put(ctx context.Context, name, text string) catalog.StoredFile {
	m.Helper()
	info, err := m.blobs.Put(ctx, strings.NewReader(text), 1<<20)
	m.ok(err)
	return catalog.StoredFile{Name: name, Blob: catalog.Blob{SHA256: info.Digest.String(), SHA512: fmt.Sprintf("%x", info.SHA512), SHA1: fmt.Sprintf("%x", info.SHA1),
		MD5: fmt.Sprintf("%x", info.MD5), Size: info.Size}}
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// held is what a registry holds of a version, nil for nothing.
func (m *moving) held(ctx context.Context, reg uuid.UUID, name, version string) (out *catalog.Holding) {
	m.Helper()
	m.ok(m.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := catalog.Held(ctx, tx, coord.Package{Ecosystem: coord.NPM, Name: name}, []uuid.UUID{reg})
		for i := range all {
			if all[i].Release.Version == version {
				out = &all[i]
			}
		}
		return err
	}))
	return out
}

func (m *moving) tags(ctx context.Context, reg uuid.UUID, name string) (out map[string]string) {
	m.Helper()
	m.ok(m.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := catalog.Tags(ctx, tx, coord.Package{Ecosystem: coord.NPM, Name: name}, []uuid.UUID{reg})
		out = all[reg]
		return err
	}))
	return out
}

// events are the audited acts of one action, oldest first, as object and reason.
func (m *moving) events(ctx context.Context, action string) (out []string) {
	m.Helper()
	m.ok(m.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := audit.Events(ctx, tx, audit.EventQuery{Reach: audit.Reach{All: true}, Action: action, Limit: 100})
		for _, r := range rows {
			out = append([]string{strings.TrimSpace(r.ObjectID + " " + r.Reason)}, out...)
		}
		return err
	}))
	return out
}

// allowed reports whether the gate delivers a version from a registry.
func (m *moving) allowed(ctx context.Context, reg uuid.UUID, name, version string) bool {
	m.Helper()
	e, err := m.gate.Explain(ctx, reg, coord.Version{Package: coord.Package{Ecosystem: coord.NPM, Name: name}, Version: version})
	m.ok(err)
	return !e.Decision.Withheld()
}

// refused checks that an error is of a kind, wraps the sentinel (nil = none) and
// says something.
func (m *moving) refused(err error, kind errs.Kind, sentinel error, says string) {
	m.Helper()
	if !errs.Is(err, kind) || sentinel != nil && !errors.Is(err, sentinel) || !strings.Contains(errs.Public(err), says) {
		m.Errorf("got %v; want %s that says %q", err, kind, says)
	}
}
