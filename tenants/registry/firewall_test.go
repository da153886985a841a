package registry_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// TestR9_RemoteBesideAFirewall: a registry with a firewall above it, however far
// up, and be it a firewall itself, gets a remote of its own only by who may go
// round firewalls.
func TestR9_RemoteBesideAFirewall(t *testing.T) {
	b := newBench(t)
	outer := b.firewall("outer")
	inner := b.firewall("inner")
	b.link(inner, outer)
	mid := b.registry("mid", inner)
	team := b.registry("team", mid)
	remote := b.remote("public")
	for _, id := range []uuid.UUID{inner, mid, team} {
		_, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Remote: remote})
		b.is(err, errs.Forbidden, "firewall above", "registry:bypass-firewall")
	}
	for _, in := range []registry.UpstreamInput{{Registry: outer, Remote: remote}, {Registry: b.registry("free"), Remote: remote}, {Registry: team, Remote: remote, MayBypass: true}} {
		_, err := b.svc.AddUpstream(b.ours, in)
		b.ok(err)
	}
}

// TestR9_LastPathToAFirewall: of two ways up to one, the first may go freely,
// the last one not.
func TestR9_LastPathToAFirewall(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	left, right := b.registry("left", fw), b.registry("right", fw)
	team := b.registry("team")
	l, r := b.link(team, left), b.link(team, right)
	free := b.link(team, b.registry("free"))
	b.ok(b.svc.RemoveUpstream(b.ours, l.ID, false))
	b.is(b.svc.RemoveUpstream(b.ours, r.ID, false), errs.Forbidden, "last path", `"team"`, "registry:bypass-firewall")
	if got := b.sources(team); len(got) != 2 {
		t.Errorf("sources after a refusal: %v", got)
	}
	b.ok(b.svc.RemoveUpstream(b.ours, free.ID, false)) // leads to no firewall
	b.ok(b.svc.RemoveUpstream(b.ours, r.ID, true))
	if got := b.sources(team); len(got) != 0 {
		t.Errorf("sources: %v", got)
	}
}

// TestR9_HooksRunInTheTransaction: before an edge goes, while it is still there,
// and after it came; if one fails nothing has happened.
func TestR9_HooksRunInTheTransaction(t *testing.T) {
	b := newBench(t)
	source, id := b.registry("source"), b.registry("r")
	fail := errors.New("no")
	b.svc.AfterLink = func(context.Context, *db.Tx, uuid.UUID) error { return fail }
	if _, err := b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: id, Source: source}); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	if len(b.sources(id)) != 0 {
		t.Error("the edge is there although the hook failed")
	}
	edges := func(ctx context.Context, tx *db.Tx) int {
		n, err := tx.Ent.Upstream.Query().Count(ctx)
		b.ok(err)
		return n
	}
	linked := 0
	b.svc.AfterLink = func(ctx context.Context, tx *db.Tx, of uuid.UUID) error {
		linked++
		if of != id || edges(ctx, tx) != 1 {
			t.Errorf("after linking %s there are %d edges", of, edges(ctx, tx))
		}
		return nil
	}
	edge := b.link(id, source)
	b.svc.BeforeUnlink = func(ctx context.Context, tx *db.Tx, of, from uuid.UUID) error {
		if of != id || from != source || edges(ctx, tx) != 1 {
			t.Errorf("before unlinking %s from %s there are %d edges", of, from, edges(ctx, tx))
		}
		return fail
	}
	if err := b.svc.RemoveUpstream(b.ours, edge.ID, false); !errors.Is(err, fail) {
		t.Fatal(err)
	}
	if len(b.sources(id)) != 1 || linked != 1 {
		t.Error("the edge is gone although the hook failed")
	}
}

// TestR9_CreateWithAnUpstreamLinks: an edge that comes with a new registry is an
// edge like any other.
func TestR9_CreateWithAnUpstreamLinks(t *testing.T) {
	b := newBench(t)
	fw := b.firewall("fw")
	r := b.make(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: "team", Upstream: &registry.UpstreamInput{Source: fw, Include: []string{"@acme/*"}}})
	if got := b.sources(r.ID); len(got) != 1 || got[0] != "fw" {
		t.Errorf("sources %v", got)
	}
	_, err := b.svc.Create(b.ours, registry.CreateInput{Kind: registry.PackageRegistry, Name: "lost", Ecosystem: "NPM", Upstream: &registry.UpstreamInput{Source: uuid.New()}})
	b.is(err, errs.NotFound)
	snap, err := b.shapes.Of(b.ours)
	b.ok(err)
	if snap.Named("NPM", "lost") != nil {
		t.Error("a registry whose upstream was refused exists")
	}
}
