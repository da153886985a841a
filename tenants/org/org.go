// Package org keeps organizations: their names, settings and host names, and
// finds the organization of a request from its host or slug (law T1). Who may
// do what is decided above it, in package access.
package org

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Organization is a tenant with its settings.
type Organization struct {
	ID               uuid.UUID
	Slug             string // its subdomain; never changes
	Name             string
	ReservedPatterns []coord.ReservedPattern // names that it owns (O3)
	LicensePolicy    json.RawMessage         // the default licence policy (P11), a JSON object
	CreatedAt        time.Time
	SuspendedAt      *time.Time // nil while it is active
	DeletedAt        *time.Time // nil unless it waits to be erased
	JoinRequests     bool       // strangers may ask to become members
	Quota            Quota
}

// Service changes organizations. Its methods work on the context's
// organization and fail with scope.ErrNoOrg without one, Create and what is said
// to be the operator's excepted.
type Service struct {
	// OpenSignUp lets people make organizations themselves; else only the
	// operator does. Set it before the service is used.
	OpenSignUp bool

	db    *db.DB
	audit *audit.Log
	now   func() time.Time
}

// New returns the service with its clock.
func New(d *db.DB, log *audit.Log, now func() time.Time) *Service {
	return &Service{db: d, audit: log, now: now}
}

// Input is what a new organization needs.
type Input struct {
	Slug string // becomes its subdomain
	Name string // as people read it; the slug when empty
	// Founder is the e-mail address of who signs up; "" when the operator does
	// it for somebody.
	Founder string `json:",omitempty"`
}

// Validate returns an Invalid error about the first field that is wrong.
func (in Input) Validate() error {
	if err := checkSlug(in.Slug); err != nil {
		return err
	}
	return checkName(in.Name)
}

// Create makes an organization, bound to nothing but itself. A slug that is
// taken, or was an erased organization's, is a Conflict. It checks no right:
// the operator makes organizations, and package access lets people sign up.
func (s *Service) Create(ctx context.Context, in Input) (Organization, error) {
	return s.CreateWith(ctx, in, func(context.Context, *db.Tx) error { return nil })
}

// CreateWith is Create with what must exist together with the organization: an
// error of with, which is called in its transaction and context, undoes it.
func (s *Service) CreateWith(ctx context.Context, in Input, with func(context.Context, *db.Tx) error) (Organization, error) {
	in.Slug, in.Name = strings.TrimSpace(in.Slug), strings.TrimSpace(in.Name)
	if in.Name == "" {
		in.Name = in.Slug
	}
	if err := in.Validate(); err != nil {
		return Organization{}, err
	}
	id := uuid.Must(uuid.NewV7())
	var made *ent.Organization
	err := s.db.InTx(scope.With(ctx, id), func(ctx context.Context, tx *db.Tx) (err error) {
		if err := notRetired(ctx, tx, in.Slug); err != nil {
			return err
		}
		made, err = tx.Ent.Organization.Create().SetID(id).SetSlug(in.Slug).SetName(in.Name).SetFoundedBy(in.Founder).SetCreatedAt(s.now()).Save(ctx)
		if err != nil {
			return err
		}
		tx.Changed(db.Change{Kind: db.Host, Org: id})
		err = s.audit.Record(ctx, tx, audit.Event{Action: "organization:create", ObjectType: "organization", ObjectID: id.String(), After: in})
		if err != nil {
			return err
		}
		return with(ctx, tx)
	})
	if c, ok := db.IsUnique(err); ok && strings.Contains(c, "slug") {
		return Organization{}, errs.New(errs.Conflict, "org.Create", "the slug %q is taken; choose another one", in.Slug).On("slug")
	}
	if err != nil {
		return Organization{}, fmt.Errorf("create organization: %w", err)
	}
	return read(made), nil
}

// notRetired refuses the slug of an organization that was erased: whoever still
// has it configured would install from its new owner.
func notRetired(ctx context.Context, tx *db.Tx, slug string) error {
	var retired bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM retired_slugs WHERE slug = $1)`, slug).Scan(&retired); err != nil {
		return err
	}
	if retired {
		return errs.New(errs.Conflict, "org.Create", "the slug %q is taken; choose another one", slug).On("slug")
	}
	return nil
}

// Get returns the context's organization.
func (s *Service) Get(ctx context.Context) (o Organization, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		o, err = current(ctx, tx, false)
		return err
	})
	return o, err
}

// current reads the context's organization, locked against other changes when
// it is to be changed.
func current(ctx context.Context, tx *db.Tx, change bool) (Organization, error) {
	id, err := scope.Org(ctx)
	if err != nil {
		return Organization{}, err
	}
	if change {
		if _, err := tx.Exec(ctx, `SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE`, id); err != nil {
			return Organization{}, err
		}
	}
	o, err := tx.Ent.Organization.Get(ctx, id)
	if ent.IsNotFound(err) {
		return Organization{}, errs.New(errs.NotFound, "org.Get", "the organization does not exist")
	}
	if err != nil {
		return Organization{}, err
	}
	return read(o), nil
}

func read(o *ent.Organization) Organization {
	return Organization{ID: o.ID, Slug: o.Slug, Name: o.Name, ReservedPatterns: o.ReservedPatterns,
		LicensePolicy: o.LicensePolicy, CreatedAt: o.CreatedAt, SuspendedAt: o.SuspendedAt, DeletedAt: o.DeletedAt,
		JoinRequests: o.JoinRequests, Quota: readQuota(o)}
}
