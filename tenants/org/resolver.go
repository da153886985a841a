package org

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org/recall"
)

// Ref is what a request needs to know of its organization.
type Ref struct {
	ID        uuid.UUID
	Slug      string
	Name      string
	Suspended bool
	Requests  int // the quota of requests per second (T5); 0 is none
}

// Bounds of what a resolver remembers. A name that does not exist is remembered
// for a moment only, so that a new organization is not shut out by the change
// feed's delay and strangers' guesses go away by themselves.
const (
	mostPlaces = 20_000
	unknownFor = 5 * time.Second
)

// Resolver finds organizations by slug and by host name. It is asked on every
// request and reads the database only for what it does not remember or may not
// trust.
type Resolver struct {
	db     *db.DB
	places *recall.Memory[place, found]
}

// place is a slug, or a host name.
type place struct{ slug, host string }

// found is what is at a place.
type found struct {
	ref      Ref
	registry uuid.UUID
	ok       bool
}

// NewResolver returns a resolver that forgets by the change feed. Make it
// before the feed runs.
func NewResolver(d *db.DB) *Resolver {
	r := &Resolver{db: d, places: recall.New(d.Feed, recall.Options[place, found]{
		Most: mostPlaces,
		For: func(f found) time.Duration {
			if f.ok {
				return 0
			}
			return unknownFor
		},
	})}
	d.Feed.Subscribe(func(c db.Change) {
		if c.Kind == db.Host {
			r.places.ForgetAll()
		}
	}, r.places.ForgetAll)
	return r
}

// BySlug returns the organization with the slug, in lower case. No such one is
// NotFound.
func (r *Resolver) BySlug(ctx context.Context, slug string) (Ref, error) {
	if !isLabel(slug) {
		return Ref{}, unknown("org.BySlug", slug)
	}
	f, err := r.places.Get(ctx, place{slug: slug}, func(ctx context.Context) (found, error) {
		return r.look(ctx, `SELECT id, slug, name, suspended, coalesce(requests, 0), NULL::uuid FROM organization_by_slug($1)`, slug)
	})
	if err != nil {
		return Ref{}, err
	}
	if !f.ok {
		return Ref{}, unknown("org.BySlug", slug)
	}
	return f.ref, nil
}

// ByHost returns the organization that a host name of its own is bound to, and
// the registry that sits at its root, uuid.Nil for none. The host has no port;
// case and a final dot do not matter. No such one is NotFound.
func (r *Resolver) ByHost(ctx context.Context, host string) (Ref, uuid.UUID, error) {
	host = CanonicalHost(host)
	if host == "" {
		return Ref{}, uuid.Nil, unknown("org.ByHost", host)
	}
	f, err := r.places.Get(ctx, place{host: host}, func(ctx context.Context) (found, error) {
		return r.look(ctx, `SELECT id, slug, name, suspended, coalesce(requests, 0), registry_id FROM organization_by_host($1)`, host)
	})
	if err != nil {
		return Ref{}, uuid.Nil, err
	}
	if !f.ok {
		return Ref{}, uuid.Nil, unknown("org.ByHost", host)
	}
	return f.ref, f.registry, nil
}

func (r *Resolver) look(ctx context.Context, query, arg string) (f found, err error) {
	var registry *uuid.UUID
	err = r.db.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		return tx.QueryRow(ctx, query, arg).Scan(&f.ref.ID, &f.ref.Slug, &f.ref.Name, &f.ref.Suspended, &f.ref.Requests, &registry)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return found{}, nil
	}
	if err != nil {
		return found{}, errs.Wrap(err, errs.Unavailable, "org.Resolver", "the organization cannot be looked up now; try again")
	}
	if registry != nil {
		f.registry = *registry
	}
	f.ok = true
	return f, nil
}

func unknown(op, what string) error {
	return errs.New(errs.NotFound, op, "there is no organization at %q", what)
}

// CanonicalHost returns the host name in lower case without a final dot, or ""
// when it is not a host name that could be bound: too long, an address, or with
// characters that host names do not have.
func CanonicalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if len(host) == 0 || len(host) > 253 || !strings.Contains(host, ".") {
		return ""
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return ""
		}
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return host
}
