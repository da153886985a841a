package access

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/scope"
)

// Kind tells what sort of subject asks.
type Kind string

// The kinds of subject.
const (
	KindAnonymous Kind = ""       // nobody: no credential was given
	KindMember    Kind = "MEMBER" // a person, by session or personal token
	KindToken     Kind = "TOKEN"  // a service token, with roles of its own or of a service account
	KindSystem    Kind = "SYSTEM" // a job or a command on the server; may do everything
	KindTrust     Kind = "TRUST"  // a trust rule: of principals only, never of subjects
)

// The kinds of principal that are no subject: a team acts through its members,
// a service account through its tokens.
const (
	KindTeam    Kind = "TEAM"
	KindService Kind = "SERVICE"
)

// Principal is somebody whom roles are granted to: a member, a service token, a
// team, or a service account. A trust rule has its one role by itself, and none
// can be granted to it.
type Principal struct {
	Kind Kind // KindMember, KindToken, KindTeam, KindService or KindTrust
	ID   uuid.UUID
}

// String returns the principal as Casbin knows it.
func (p Principal) String() string { return strings.ToLower(string(p.Kind)) + ":" + p.ID.String() }

// MemberPrincipal returns a member as a principal.
func MemberPrincipal(id uuid.UUID) Principal { return Principal{KindMember, id} }

// TokenPrincipal returns a service token as a principal.
func TokenPrincipal(id uuid.UUID) Principal { return Principal{KindToken, id} }

// TeamPrincipal returns a team as a principal.
func TeamPrincipal(id uuid.UUID) Principal { return Principal{KindTeam, id} }

// ServicePrincipal returns a service account as a principal.
func ServicePrincipal(id uuid.UUID) Principal { return Principal{KindService, id} }

// Subject is who asks, in one organization. Only this package makes subjects
// that may do anything. Copies share what was compiled and are cheap.
type Subject struct {
	Kind       Kind
	TokenID    uuid.UUID   // the token used; uuid.Nil without one
	MemberID   uuid.UUID   // the member; uuid.Nil for a service token
	ServiceID  uuid.UUID   // the service account of a token; uuid.Nil without one
	Name       string      // e-mail, token name (behind its account's and a slash), or name of the job
	Write      bool        // false: may only do actions that read
	Registries []uuid.UUID // the token's scope, sorted; empty is all that its owner may
	// Packages are the name patterns that the token may write to, and it may
	// then change nothing else; empty is no limit. See [Service.Write].
	Packages []string
	// Networks are those that the token may come from; empty is all. That it
	// came from one was looked at when it was authenticated.
	Networks []netip.Prefix
	Expires  time.Time // when the token ends; zero is never

	org  uuid.UUID
	key  key         // to find the credential again when something changed
	live *credential // as compiled when it was authenticated
}

// Anonymous returns the subject of a request without a credential. No rule
// grants it anything (A5); registries that are readable anonymously say so
// themselves.
func Anonymous() Subject { return Subject{Name: "anonymous"} }

// System returns the subject of a job or of a command on the server, which may
// do everything in the context's organization.
func System(name string) Subject { return Subject{Kind: KindSystem, Name: name, Write: true} }

// IsAnonymous reports whether no credential was given.
func (s Subject) IsAnonymous() bool { return s.Kind == KindAnonymous }

// Principal returns whom the subject is, as grants name them, and false for
// anonymous and system subjects. A token that was made from another one, or by
// a trust rule, has no grants of its own.
func (s Subject) Principal() (Principal, bool) {
	switch s.Kind {
	case KindMember:
		return MemberPrincipal(s.MemberID), true
	case KindToken:
		if s.ServiceID != uuid.Nil {
			return ServicePrincipal(s.ServiceID), true
		}
		return TokenPrincipal(s.TokenID), true
	}
	return Principal{}, false
}

// Actor returns the subject as audit events name it, from an IP address.
func (s Subject) Actor(ip string) scope.Actor {
	switch s.Kind {
	case KindMember:
		return scope.Actor{Kind: scope.ActorMember, ID: s.MemberID, TokenID: s.TokenID, Name: s.Name, IP: ip}
	case KindToken:
		return scope.Actor{Kind: scope.ActorToken, ID: s.TokenID, TokenID: s.TokenID, Name: s.Name, IP: ip}
	case KindSystem:
		return scope.System(s.Name)
	}
	return scope.Actor{Kind: scope.ActorSystem, Name: s.Name, IP: ip}
}

type subjectKey struct{}

// As returns a context in which the subject asks, from an IP address ("" for
// none). It also sets the actor of audit events.
func As(ctx context.Context, s Subject, ip string) context.Context {
	return scope.WithActor(context.WithValue(ctx, subjectKey{}, s), s.Actor(ip))
}

// Of returns the context's subject, the anonymous one when none was set.
func Of(ctx context.Context) Subject {
	if s, ok := ctx.Value(subjectKey{}).(Subject); ok {
		return s
	}
	return Anonymous()
}
