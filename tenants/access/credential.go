package access

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/token"
	"sluice.dev/sluice/tenants/scope"
)

// key finds a credential: a token by the hash of its secret, or the session of
// a member.
type key struct {
	hash   [32]byte
	member uuid.UUID
}

// credential is a live token or session, with what it may do compiled (A2).
type credential struct {
	st      *state
	subject Subject // without live
	who     Principal
	owner   rights
	expires time.Time // zero is never
	used    *atomic.Int64
}

// can asks Casbin within the credential's own scope.
func (c *credential) can(a Action, registry uuid.UUID) (bool, error) {
	if !c.covers(a, registry) {
		return false, nil
	}
	return c.st.enforce(c.who, a, registry)
}

// covers reports whether the credential's scope reaches the action there.
func (c *credential) covers(a Action, registry uuid.UUID) bool {
	if !a.Reading() && (!c.subject.Write || len(c.subject.Packages) > 0) {
		return false
	}
	return c.reaches(a, registry)
}

// reaches is covers for a token that may write.
func (c *credential) reaches(a Action, registry uuid.UUID) bool {
	if len(c.subject.Registries) == 0 {
		return true
	}
	return a.PerRegistry() && c.inScope(registry)
}

func (c *credential) inScope(registry uuid.UUID) bool {
	if len(c.subject.Registries) == 0 {
		return true
	}
	_, ok := slices.BinarySearchFunc(c.subject.Registries, registry, compareIDs)
	return ok
}

// on is what the credential may do on a registry, or on the organization for
// uuid.Nil.
func (c *credential) on(registry uuid.UUID) set {
	may := c.owner.everywhere
	if registry != uuid.Nil {
		may |= c.owner.registries[registry]
	}
	if !c.subject.Write || len(c.subject.Packages) > 0 {
		may &= reading
	}
	if len(c.subject.Registries) > 0 {
		if !c.inScope(registry) {
			return 0
		}
		may &= delegable
	}
	return may
}

func (c *credential) where(a Action) (r Reach) {
	if len(c.subject.Registries) == 0 && c.on(uuid.Nil).has(a) {
		return Reach{All: true}
	}
	if len(c.subject.Registries) > 0 {
		for _, id := range c.subject.Registries {
			if c.on(id).has(a) {
				r.Registries = append(r.Registries, id)
			}
		}
		return r
	}
	for id := range c.owner.registries {
		if c.on(id).has(a) {
			r.Registries = append(r.Registries, id)
		}
	}
	return r
}

func (c *credential) expired(now time.Time) bool {
	return !c.expires.IsZero() && !now.Before(c.expires)
}

// asSubject returns the subject that callers see.
func (c *credential) asSubject() Subject {
	s := c.subject
	s.live = c
	return s
}

func compareIDs(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

// alive returns the subject's credential as it is now, nil when it has ended.
func (s *Service) alive(ctx context.Context, who Subject) (*credential, error) {
	if st, ok := s.states.Peek(who.org); ok && who.live.st == st {
		if who.live.expired(s.now()) {
			return nil, nil
		}
		return who.live, nil
	}
	if c, ok := s.remembered(who.org, who.key); ok {
		return c, nil
	}
	return s.credential(ctx, who.org, who.key)
}

// remembered returns a live credential if it may be had from memory.
func (s *Service) remembered(org uuid.UUID, k key) (*credential, bool) {
	st, ok := s.states.Peek(org)
	if !ok {
		return nil, false
	}
	got, ok := st.credentials.Load(k)
	if !ok || got.(*credential).expired(s.now()) {
		return nil, false
	}
	return got.(*credential), true
}

// errClosed says that nobody's credential works at the moment, whatever it is.
var errClosed = errors.New("access: the organization is suspended or deleted")

// credential finds a live credential, nil when there is none.
func (s *Service) credential(ctx context.Context, org uuid.UUID, k key) (*credential, error) {
	c, err := s.lookUp(ctx, org, k)
	if errors.Is(err, errClosed) {
		return nil, nil
	}
	return c, err
}

// lookUp is credential that tells a closed organization from a credential that
// is none.
func (s *Service) lookUp(ctx context.Context, org uuid.UUID, k key) (*credential, error) {
	st, err := s.state(ctx, org)
	if err != nil {
		return nil, err
	}
	c, err := s.credentialOf(ctx, st, k)
	if err != nil || c == nil || c.expired(s.now()) {
		return nil, err
	}
	return c, nil
}

func (s *Service) credentialOf(ctx context.Context, st *state, k key) (*credential, error) {
	if c, ok := st.credentials.Load(k); ok {
		return c.(*credential), nil
	}
	var c *credential
	err := s.db.InSnapshot(scope.With(ctx, st.org), func(ctx context.Context, tx *db.Tx) (err error) {
		c, err = st.find(ctx, tx, k)
		return err
	})
	if err != nil || c == nil {
		return nil, err
	}
	// When access changes meanwhile, this state has been dropped, and with it
	// what is remembered here.
	kept, _ := st.credentials.LoadOrStore(k, c)
	if st.added.Add(1)%pruneEvery == 0 {
		st.prune(s.now())
	}
	return kept.(*credential), nil
}

// pruneEvery is after how many credentials those that have expired are dropped.
// A build makes one of fifteen minutes for every package that it publishes.
const pruneEvery = 256

func (st *state) prune(now time.Time) {
	st.credentials.Range(func(k, c any) bool {
		if c.(*credential).expired(now) {
			st.credentials.Delete(k)
		}
		return true
	})
}

// find reads a credential in the transaction, nil when there is none that is
// alive. Expiry is for the caller to look at, as it comes without a change.
func (st *state) find(ctx context.Context, tx *db.Tx, k key) (*credential, error) {
	if _, err := scope.Org(ctx); err != nil {
		return nil, err
	}
	if st.closed {
		return nil, errClosed
	}
	if k.member != uuid.Nil {
		return st.findMember(ctx, tx, k)
	}
	t, err := tx.Ent.Token.Query().Where(token.Hash(k.hash[:]), token.RevokedAtIsNil()).WithMember().Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &credential{st: st, who: TokenPrincipal(t.ID), used: new(atomic.Int64), subject: Subject{
		Kind: KindToken, TokenID: t.ID, Name: t.Name, Write: t.Write, Registries: slices.Clone(t.Registries), Packages: t.Packages, org: st.org, key: k}}
	if c.subject.Networks, err = parseNetworks(t.Cidrs); err != nil {
		return nil, err
	}
	slices.SortFunc(c.subject.Registries, compareIDs)
	if t.ExpiresAt != nil {
		c.expires = *t.ExpiresAt
		c.subject.Expires = c.expires
	}
	if t.MemberID != nil {
		m := t.Edges.Member
		if m == nil || m.DeactivatedAt != nil {
			return nil, nil
		}
		c.who, c.subject.Kind, c.subject.MemberID, c.subject.Name = MemberPrincipal(m.ID), KindMember, m.ID, m.Email
	}
	switch {
	case t.ServiceID != nil: // also when a trust rule made it
		if ok, err := c.ofAccount(ctx, tx, *t.ServiceID); err != nil || !ok {
			return nil, err
		}
	case t.TrustRuleID != nil:
		c.who = Principal{KindTrust, *t.TrustRuleID}
	case t.MemberID == nil && t.ParentID != nil:
		root, err := rootOf(ctx, tx, t)
		if err != nil || root == nil {
			return nil, err
		}
		c.who = TokenPrincipal(root.ID)
	}
	c.owner = st.compile(c.who)
	return c, nil
}

func (st *state) findMember(ctx context.Context, tx *db.Tx, k key) (*credential, error) {
	m, err := tx.Ent.Member.Query().Where(member.ID(k.member), member.DeactivatedAtIsNil()).Only(ctx)
	if ent.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &credential{st: st, who: MemberPrincipal(m.ID), subject: Subject{
		Kind: KindMember, MemberID: m.ID, Name: m.Email, Write: true, org: st.org, key: k}}
	c.owner = st.compile(c.who)
	return c, nil
}
