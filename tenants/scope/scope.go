// Package scope carries the organization and the actor of a request through a
// context. It is a leaf: everything may import it, it imports nothing of ours.
//
// There is no "all organizations" value: code that finds no organization must
// fail (law F1), and [Org] makes that the only thing it can do.
package scope

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// ErrNoOrg is returned when a context names no organization. It is an internal
// error: a caller that sees it forgot to bind one.
var ErrNoOrg = errors.New("scope: no organization in context")

type orgKey struct{}

// With returns a context that belongs to the organization. It panics on the
// nil UUID, which is never an organization.
func With(ctx context.Context, org uuid.UUID) context.Context {
	if org == uuid.Nil {
		panic("scope: nil organization")
	}
	return context.WithValue(ctx, orgKey{}, org)
}

// Org returns the context's organization, or ErrNoOrg.
func Org(ctx context.Context) (uuid.UUID, error) {
	id, ok := ctx.Value(orgKey{}).(uuid.UUID)
	if !ok {
		return uuid.Nil, ErrNoOrg
	}
	return id, nil
}

// ActorKind tells what sort of subject acts.
type ActorKind string

// The kinds of actor that audit events know.
const (
	ActorMember ActorKind = "MEMBER" // a person, by session or personal token
	ActorToken  ActorKind = "TOKEN"  // a service token
	ActorSystem ActorKind = "SYSTEM" // a job, a command on the server, a policy
	// ActorOperator is a person who operates the platform, and is nobody inside
	// an organization.
	ActorOperator ActorKind = "OPERATOR"
)

// Actor is who does something, as an audit event names them.
type Actor struct {
	Kind    ActorKind
	ID      uuid.UUID // member or token; nil for SYSTEM
	TokenID uuid.UUID // the token used, also when a member acts through it; nil without one
	Name    string    // e-mail, token name, or the name of the job
	IP      string    // remote address without port; empty for SYSTEM
	Reason  string    // why, as they said it; audit events without a reason of their own have it
}

// System returns the actor of a job or command with that name.
func System(name string) Actor { return Actor{Kind: ActorSystem, Name: name} }

type actorKey struct{}

// WithActor returns a context in which a acts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns the context's actor, or the system actor "unknown" when none
// was set, so that an audit event always has one.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return System("unknown")
}
