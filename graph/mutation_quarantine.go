package graph

import (
	"context"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/quarantine"
)

func (m mutations) QuarantineVersion(ctx context.Context, in api.QuarantineVersionInput) (*api.QuarantinePayload, error) {
	if in.Version == "" { // which the service would take for the whole package
		return wrongHold("version", "the version is empty; to hold every version, use quarantinePackage")
	}
	return m.holdOn(ctx, quarantine.HoldInput{Registry: in.Registry.UUID, Name: in.Package, Version: in.Version, Reason: in.Reason})
}

func (m mutations) QuarantinePackage(ctx context.Context, in api.QuarantinePackageInput) (*api.QuarantinePayload, error) {
	return m.holdOn(ctx, quarantine.HoldInput{Registry: in.Registry.UUID, Name: in.Package, Reason: in.Reason})
}

func (m mutations) QuarantineRange(ctx context.Context, in api.QuarantineRangeInput) (*api.QuarantinePayload, error) {
	if in.Range == "" {
		return wrongHold("range", "the range is empty; to hold every version, use quarantinePackage")
	}
	return m.holdOn(ctx, quarantine.HoldInput{Registry: in.Registry.UUID, Name: in.Package, Range: in.Range, Reason: in.Reason})
}

func wrongHold(field, message string) (*api.QuarantinePayload, error) {
	wrong, err := userErrors(errs.New(errs.Invalid, "graph", "%s", message).On(field))
	return &api.QuarantinePayload{UserErrors: wrong}, err
}

func (m mutations) holdOn(ctx context.Context, in quarantine.HoldInput) (*api.QuarantinePayload, error) {
	h, err := m.Quarantine.Hold(ctx, in)
	wrong, err := userErrors(err)
	return &api.QuarantinePayload{Hold: h, UserErrors: wrong}, err
}

func (m mutations) ReleaseHold(ctx context.Context, in api.ReleaseHoldInput) (*api.ReleaseHoldPayload, error) {
	h, err := m.Quarantine.Release(ctx, in.Hold.UUID, in.Reason)
	wrong, err := userErrors(err)
	return &api.ReleaseHoldPayload{Hold: h, UserErrors: wrong}, err
}

func (m mutations) ReleaseVersion(ctx context.Context, in api.ReleaseVersionInput) (*api.ReleaseVersionPayload, error) {
	released, remaining, err := m.Quarantine.ReleaseVersion(ctx, in.Registry.UUID, in.Package, in.Version, in.Reason)
	wrong, err := userErrors(err)
	return &api.ReleaseVersionPayload{Released: released, Remaining: remaining, UserErrors: wrong}, err
}

func (m mutations) DeleteVersion(ctx context.Context, in api.DeleteVersionInput) (*api.DeleteVersionPayload, error) {
	done, err := m.Intake.Delete(ctx, in.Registry.UUID, in.Package, in.Version, in.Reason)
	wrong, err := userErrors(err)
	return &api.DeleteVersionPayload{Tombstone: done.Tombstone, UserErrors: wrong}, err
}

func (m mutations) LiftTombstone(ctx context.Context, in api.LiftTombstoneInput) (*api.LiftTombstonePayload, error) {
	t, err := m.Quarantine.Lift(ctx, in.Tombstone.UUID, in.Reason)
	wrong, err := userErrors(err)
	return &api.LiftTombstonePayload{Tombstone: t, UserErrors: wrong}, err
}
