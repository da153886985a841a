package org

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of the settings (law F3).
const (
	MaxReservedPatterns = 500
	MaxLicensePolicy    = 64 << 10 // bytes
)

// Rename changes the organization's name. The slug stays.
func (s *Service) Rename(ctx context.Context, name string) (Organization, error) {
	name = strings.TrimSpace(name)
	if err := checkName(name); err != nil {
		return Organization{}, err
	}
	return s.change(ctx, "organization:update", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.Name == name {
			return change{}
		}
		u.SetName(name)
		return change{made: true, before: map[string]string{"name": o.Name}, after: map[string]string{"name": name}, tells: hosts}
	})
}

// ReservePatterns replaces the name patterns that the organization owns (O3).
// They are kept normalized and sorted; duplicates collapse. A pattern that its
// ecosystem does not have, or that covers every name, is Invalid and changes
// nothing.
func (s *Service) ReservePatterns(ctx context.Context, patterns []coord.ReservedPattern) (Organization, error) {
	patterns, err := normalizePatterns(patterns)
	if err != nil {
		return Organization{}, err
	}
	return s.change(ctx, "organization:update", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if slices.Equal(o.ReservedPatterns, patterns) {
			return change{}
		}
		u.SetReservedPatterns(patterns)
		return change{made: true, before: o.ReservedPatterns, after: patterns, tells: configuration}
	})
}

func normalizePatterns(in []coord.ReservedPattern) ([]coord.ReservedPattern, error) {
	wrong := func(format string, args ...any) ([]coord.ReservedPattern, error) {
		return nil, errs.New(errs.Invalid, "org.ReservePatterns", format, args...).On("reservedPatterns")
	}
	if len(in) > MaxReservedPatterns {
		return wrong("%d reserved patterns; at most %d are allowed", len(in), MaxReservedPatterns)
	}
	out := make([]coord.ReservedPattern, 0, len(in))
	for i, r := range in {
		p, err := coord.ParsePattern(r.Ecosystem, strings.TrimSpace(r.Pattern))
		if err != nil {
			return wrong("reserved pattern %d: %v", i+1, err)
		}
		if strings.Trim(p.String(), "*") == "" {
			return wrong("reserved pattern %d: %q would own every name of %s; name a scope or a prefix, for example @acme/*", i+1, r.Pattern, r.Ecosystem.OSV())
		}
		out = append(out, coord.ReservedPattern{Ecosystem: r.Ecosystem, Pattern: p.String()})
	}
	slices.SortFunc(out, func(a, b coord.ReservedPattern) int {
		return cmp.Or(strings.Compare(string(a.Ecosystem), string(b.Ecosystem)), strings.Compare(a.Pattern, b.Pattern))
	})
	return slices.Compact(out), nil
}

// SetLicensePolicy replaces the default licence policy (P11). What it means is
// for package license to have checked; here it must be one JSON object of at
// most [MaxLicensePolicy] bytes.
func (s *Service) SetLicensePolicy(ctx context.Context, policy json.RawMessage) (Organization, error) {
	wrong := func(format string, args ...any) (Organization, error) {
		return Organization{}, errs.New(errs.Invalid, "org.SetLicensePolicy", format, args...).On("licensePolicy")
	}
	if len(policy) > MaxLicensePolicy {
		return wrong("the licence policy has %d bytes; at most %d are allowed", len(policy), MaxLicensePolicy)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(policy, &object); err != nil || object == nil {
		return wrong("the licence policy must be one JSON object, for example {}")
	}
	return s.change(ctx, "organization:update", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if sameJSON(o.LicensePolicy, policy) {
			return change{}
		}
		u.SetLicensePolicy(policy)
		return change{made: true, before: o.LicensePolicy, after: policy, tells: configuration}
	})
}

func sameJSON(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// Suspend stops the organization: every node refuses its requests from now on,
// and those that run may do nothing more. Nothing is deleted, and Resume undoes
// it. Only the operator does this.
func (s *Service) Suspend(ctx context.Context) (Organization, error) {
	return s.change(ctx, "organization:suspend", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.SuspendedAt != nil {
			return change{}
		}
		u.SetSuspendedAt(s.now())
		return change{made: true, tells: everything}
	})
}

// Resume ends a suspension.
func (s *Service) Resume(ctx context.Context) (Organization, error) {
	return s.change(ctx, "organization:resume", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.SuspendedAt == nil {
			return change{}
		}
		u.ClearSuspendedAt()
		return change{made: true, tells: everything}
	})
}

// TakeJoinRequests says whether strangers with a verified identity may ask to
// become members.
func (s *Service) TakeJoinRequests(ctx context.Context, take bool) (Organization, error) {
	return s.change(ctx, "organization:update", func(o Organization, u *ent.OrganizationUpdateOne) change {
		if o.JoinRequests == take {
			return change{}
		}
		u.SetJoinRequests(take)
		return change{made: true, before: map[string]bool{"joinRequests": o.JoinRequests}, after: map[string]bool{"joinRequests": take}}
	})
}

// change is what an edit did; the zero value is nothing, which writes nothing.
type change struct {
	made          bool
	before, after any
	tells         []db.ChangeKind // what nodes must forget
}

// What nodes must forget, by what changes.
var (
	hosts         = []db.ChangeKind{db.Host}
	configuration = []db.ChangeKind{db.Config}
	everything    = []db.ChangeKind{db.Host, db.Access} // nobody's credential counts, or it does again
)

func (s *Service) change(ctx context.Context, action string, edit func(Organization, *ent.OrganizationUpdateOne) change) (out Organization, err error) {
	err = s.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		o, err := current(ctx, tx, true)
		if err != nil {
			return err
		}
		out = o
		u := tx.Ent.Organization.UpdateOneID(o.ID)
		c := edit(o, u)
		if !c.made {
			return nil
		}
		saved, err := u.Save(ctx)
		if err != nil {
			return err
		}
		out = read(saved)
		for _, kind := range c.tells {
			tx.Changed(db.Change{Kind: kind, Org: o.ID})
		}
		return s.audit.Record(ctx, tx, audit.Event{Action: action, ObjectType: "organization", ObjectID: o.ID.String(), Before: c.before, After: c.after})
	})
	return out, err
}
