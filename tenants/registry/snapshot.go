package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"sluice.dev/sluice/ent"
	entrule "sluice.dev/sluice/ent/policyrule"
	entregistry "sluice.dev/sluice/ent/registry"
	entupstream "sluice.dev/sluice/ent/upstream"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// Snapshot is the compiled shape of an organization's hierarchy. It is
// immutable; a change of the shape makes a new one.
type Snapshot struct {
	Org      uuid.UUID
	byID     map[uuid.UUID]*Node
	byName   map[string]*Node
	reserved map[coord.Ecosystem][]coord.Pattern
}

// Node is a registry in a Snapshot.
type Node struct {
	ID            uuid.UUID
	Ecosystem     coord.Ecosystem
	Firewall      bool
	Name          string
	Internal      bool // O2
	AnonymousRead bool
	Archived      bool
	Forward       Forwarding
	Edges         []Edge        // upstreams in order
	Rules         []policy.Rule // in order
	Below         []*Node       // registries that have this one as a direct upstream
}

// Edge is an upstream in a Snapshot: a registry or a remote.
type Edge struct {
	ID      uuid.UUID
	Source  *Node   // nil for a remote
	Remote  *Remote // nil for a registry
	include []coord.Pattern
	exclude []coord.Pattern
}

// Remote is an external source with its opened credential.
type Remote struct {
	ID         uuid.UUID
	Name       string
	BaseURL    string
	Credential Credential
	Internal   bool
	FileHosts  []string
}

// Carries reports whether the edge's name patterns let a package through (R10).
func (e Edge) Carries(pkg coord.Package) bool {
	for _, p := range e.exclude {
		if p.Match(pkg) {
			return false
		}
	}
	for _, p := range e.include {
		if p.Match(pkg) {
			return true
		}
	}
	return len(e.include) == 0
}

// Node returns a registry, or nil.
func (s *Snapshot) Node(id uuid.UUID) *Node { return s.byID[id] }

// Named returns the registry of that name and ecosystem, or nil.
func (s *Snapshot) Named(e coord.Ecosystem, name string) *Node {
	if n := s.byName[name]; n != nil && n.Ecosystem == e {
		return n
	}
	return nil
}

// Reserved returns the text of the first reserved pattern that covers the
// package (O3), or "".
func (s *Snapshot) Reserved(pkg coord.Package) string {
	for _, p := range s.reserved[pkg.Ecosystem] {
		if p.Match(pkg) {
			return p.String()
		}
	}
	return ""
}

// Upward returns the registries reachable upward, the node first, each once.
func (n *Node) Upward() []*Node {
	seen := map[*Node]bool{n: true}
	out := []*Node{n}
	for i := 0; i < len(out); i++ {
		for _, e := range out[i].Edges {
			if e.Source != nil && !seen[e.Source] {
				seen[e.Source] = true
				out = append(out, e.Source)
			}
		}
	}
	return out
}

// Downward returns the registries that have the node as a direct or indirect
// upstream, the node not included.
func (n *Node) Downward() []*Node {
	seen := map[*Node]bool{n: true}
	out := []*Node{n}
	for i := 0; i < len(out); i++ {
		for _, b := range out[i].Below {
			if !seen[b] {
				seen[b] = true
				out = append(out, b)
			}
		}
	}
	return out[1:]
}

// Snapshots gives the current Snapshot of an organization, from memory while
// the change feed is trusted and nothing changed.
type Snapshots struct {
	db    *db.DB
	seal  *Sealer
	group singleflight.Group

	mu  sync.RWMutex
	all map[uuid.UUID]*Snapshot
	gen uint64
}

// NewSnapshots subscribes to the change feed.
func NewSnapshots(d *db.DB, seal *Sealer) *Snapshots {
	s := &Snapshots{db: d, seal: seal, all: map[uuid.UUID]*Snapshot{}}
	d.Feed.Subscribe(func(c db.Change) {
		if c.Kind == db.Config {
			s.drop(c.Org)
		}
	}, func() { s.drop(uuid.Nil) })
	return s
}

func (s *Snapshots) drop(org uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gen++
	if org == uuid.Nil {
		clear(s.all)
		return
	}
	delete(s.all, org)
}

// Of returns the snapshot of the context's organization.
func (s *Snapshots) Of(ctx context.Context) (*Snapshot, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	if !s.db.Feed.Trusted() {
		// Nobody can tell whether a load under way began before the last change,
		// and nothing that is read now may be kept (Q2).
		return s.read(ctx, org)
	}
	s.mu.RLock()
	have := s.all[org]
	s.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	return s.load(ctx, org)
}

func (s *Snapshots) load(ctx context.Context, org uuid.UUID) (*Snapshot, error) {
	s.mu.RLock()
	gen := s.gen
	s.mu.RUnlock()
	// The generation is part of the key: who asks after a change must not get
	// what was read before it.
	got, err, _ := s.group.Do(fmt.Sprintf("%s %d", org, gen), func() (any, error) {
		// Others wait for it too, so it does not end with the first caller.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		return s.read(ctx, org)
	})
	if err != nil {
		return nil, err
	}
	snap := got.(*Snapshot)
	s.mu.Lock()
	defer s.mu.Unlock()
	if gen == s.gen {
		s.all[org] = snap
	}
	return snap, nil
}

const loadTimeout = 30 * time.Second

func (s *Snapshots) read(ctx context.Context, org uuid.UUID) (snap *Snapshot, err error) {
	err = s.db.InSnapshot(scope.With(ctx, org), func(ctx context.Context, tx *db.Tx) error {
		snap, err = s.Read(ctx, tx)
		return err
	})
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "registry snapshot", "the configuration cannot be read at the moment")
	}
	return snap, nil
}

// Read compiles the snapshot from the transaction, for who must see it in the
// same state as other rows.
func (s *Snapshots) Read(ctx context.Context, tx *db.Tx) (*Snapshot, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	out := &Snapshot{Org: org, byID: map[uuid.UUID]*Node{}, byName: map[string]*Node{}, reserved: map[coord.Ecosystem][]coord.Pattern{}}
	if err := readOrganization(ctx, tx, out); err != nil {
		return nil, err
	}
	rows, err := tx.Ent.Registry.Query().Where(entregistry.DeletedAtIsNil()).All(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		n := &Node{ID: r.ID, Ecosystem: r.Ecosystem, Firewall: r.Kind == Firewall, Name: r.Name, Internal: r.Internal,
			AnonymousRead: r.AnonymousRead, Archived: r.ArchivedAt != nil, Forward: forwardingOf(r)}
		out.byID[n.ID], out.byName[n.Name] = n, n
	}
	if err := readRules(ctx, tx, out); err != nil {
		return nil, err
	}
	return out, s.readEdges(ctx, tx, out)
}

func readOrganization(ctx context.Context, tx *db.Tx, out *Snapshot) error {
	o, err := tx.Ent.Organization.Get(ctx, out.Org)
	if err != nil {
		return err
	}
	for _, r := range o.ReservedPatterns {
		p, err := coord.ParsePattern(r.Ecosystem, r.Pattern)
		if err != nil {
			return fmt.Errorf("reserved pattern %q: %w", r.Pattern, err)
		}
		out.reserved[r.Ecosystem] = append(out.reserved[r.Ecosystem], p)
	}
	return nil
}

func readRules(ctx context.Context, tx *db.Tx, out *Snapshot) error {
	rows, err := tx.Ent.PolicyRule.Query().Order(ent.Asc(entrule.FieldRegistryID, entrule.FieldPosition, entrule.FieldID)).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range rows {
		n := out.byID[r.RegistryID]
		if n == nil {
			continue // of a deleted registry
		}
		rule, err := ruleOf(r)
		if err != nil {
			return err
		}
		n.Rules = append(n.Rules, rule)
	}
	return nil
}

func (s *Snapshots) readEdges(ctx context.Context, tx *db.Tx, out *Snapshot) error {
	rows, err := tx.Ent.Upstream.Query().WithRemote().Order(ent.Asc(entupstream.FieldRegistryID, entupstream.FieldPosition, entupstream.FieldID)).All(ctx)
	if err != nil {
		return err
	}
	remotes := map[uuid.UUID]*Remote{}
	for _, u := range rows {
		n := out.byID[u.RegistryID]
		if n == nil {
			continue
		}
		e := Edge{ID: u.ID}
		if e.include, err = patterns(n.Ecosystem, u.Include); err != nil {
			return err
		}
		if e.exclude, err = patterns(n.Ecosystem, u.Exclude); err != nil {
			return err
		}
		if u.SourceRegistryID != nil {
			if e.Source = out.byID[*u.SourceRegistryID]; e.Source == nil {
				return fmt.Errorf("upstream %s names the registry %s, which is not there", u.ID, u.SourceRegistryID)
			}
			e.Source.Below = append(e.Source.Below, n)
		} else if e.Remote, err = s.open(remotes, u.Edges.Remote); err != nil {
			return err
		}
		n.Edges = append(n.Edges, e)
	}
	return nil
}

func (s *Snapshots) open(known map[uuid.UUID]*Remote, r *ent.Remote) (*Remote, error) {
	if have := known[r.ID]; have != nil {
		return have, nil
	}
	out := &Remote{ID: r.ID, Name: r.Name, BaseURL: r.BaseURL, Internal: r.Internal, FileHosts: r.FileHosts}
	if r.Credential != nil && len(*r.Credential) > 0 {
		plain, err := s.seal.Open(*r.Credential)
		if err != nil {
			return nil, fmt.Errorf("remote %q: %w", r.Name, err)
		}
		if err := json.Unmarshal(plain, &out.Credential); err != nil {
			return nil, fmt.Errorf("remote %q: its credential cannot be read", r.Name)
		}
	}
	known[r.ID] = out
	return out, nil
}

func patterns(e coord.Ecosystem, texts []string) ([]coord.Pattern, error) {
	out := make([]coord.Pattern, 0, len(texts))
	for _, t := range texts {
		p, err := coord.ParsePattern(e, t)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// WithRules returns the ids of an ecosystem's registries that have rules of
// their own.
func (s *Snapshot) WithRules(e coord.Ecosystem) []uuid.UUID {
	ids := []uuid.UUID{}
	for id, n := range s.byID {
		if n.Ecosystem == e && len(n.Rules) > 0 {
			ids = append(ids, id)
		}
	}
	return ids
}
