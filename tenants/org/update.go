package org

import (
	"context"
	"slices"
	"strings"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Settings is a change of an organization's settings. What is nil stays.
type Settings struct {
	Name             *string
	JoinRequests     *bool                    // see [Service.TakeJoinRequests]
	ReservedPatterns *[]coord.ReservedPattern // see [Service.ReservePatterns]
}

// Update changes several settings in one step: all of them or, when one is
// Invalid, none. It checks no right.
func (s *Service) Update(ctx context.Context, in Settings) (Organization, error) {
	if in.Name != nil {
		name := strings.TrimSpace(*in.Name)
		if err := checkName(name); err != nil {
			return Organization{}, err
		}
		in.Name = &name
	}
	if in.ReservedPatterns != nil {
		patterns, err := normalizePatterns(*in.ReservedPatterns)
		if err != nil {
			return Organization{}, err
		}
		in.ReservedPatterns = &patterns
	}
	return s.change(ctx, "organization:update", in.edit)
}

func (in Settings) edit(o Organization, u *ent.OrganizationUpdateOne) change {
	before, after := map[string]any{}, map[string]any{}
	c := change{before: before, after: after}
	if in.Name != nil && *in.Name != o.Name {
		u.SetName(*in.Name)
		before["name"], after["name"] = o.Name, *in.Name
		c.tells = append(c.tells, db.Host)
	}
	if in.JoinRequests != nil && *in.JoinRequests != o.JoinRequests {
		u.SetJoinRequests(*in.JoinRequests)
		before["joinRequests"], after["joinRequests"] = o.JoinRequests, *in.JoinRequests
	}
	if in.ReservedPatterns != nil && !slices.Equal(*in.ReservedPatterns, o.ReservedPatterns) {
		u.SetReservedPatterns(*in.ReservedPatterns)
		before["reservedPatterns"], after["reservedPatterns"] = o.ReservedPatterns, *in.ReservedPatterns
		c.tells = append(c.tells, db.Config)
	}
	c.made = len(after) > 0
	return c
}
