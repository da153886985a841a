package graph

import (
	"context"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/intake"
)

// SetTag resolves the field; so do the methods below, each its own.
func (m mutations) SetTag(ctx context.Context, in api.SetTagInput) (*api.SetTagPayload, error) {
	now, wrong, err := m.packageNow(ctx, in.Registry, in.Package, m.Intake.SetTag(ctx, in.Registry.UUID, in.Package, in.Tag, in.Version))
	return &api.SetTagPayload{Package: now, UserErrors: wrong}, err
}

func (m mutations) RemoveTag(ctx context.Context, in api.RemoveTagInput) (*api.RemoveTagPayload, error) {
	now, wrong, err := m.packageNow(ctx, in.Registry, in.Package, m.Intake.RemoveTag(ctx, in.Registry.UUID, in.Package, in.Tag))
	return &api.RemoveTagPayload{Package: now, UserErrors: wrong}, err
}

func (m mutations) DeprecateVersions(ctx context.Context, in api.DeprecateVersionsInput) (*api.DeprecateVersionsPayload, error) {
	messages := make(map[string]string, len(in.Versions))
	for _, v := range in.Versions {
		messages[v] = in.Message
	}
	err := m.Intake.Deprecate(ctx, in.Registry.UUID, in.Package, "", messages)
	now, wrong, err := m.packageNow(ctx, in.Registry, in.Package, err)
	return &api.DeprecateVersionsPayload{Package: now, UserErrors: wrong}, err
}

func (m mutations) UnpublishVersions(ctx context.Context, in api.UnpublishVersionsInput) (*api.UnpublishVersionsPayload, error) {
	var err error
	if in.Versions == nil {
		err = m.Intake.UnpublishPackage(ctx, in.Registry.UUID, in.Package, "")
	} else {
		err = m.Intake.Unpublish(ctx, in.Registry.UUID, in.Package, "", in.Versions)
	}
	now, wrong, err := m.packageNow(ctx, in.Registry, in.Package, err)
	return &api.UnpublishVersionsPayload{Package: now, UserErrors: wrong}, err
}

// packageNow returns a package as a registry has it after a change, or why there
// was none.
func (m mutations) packageNow(ctx context.Context, reg api.ID, name string, err error) (*api.Package, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	at, err := m.place(ctx, reg, name)
	if err != nil {
		return nil, wrong, err
	}
	now, err := m.heldPackage(m.fresh(ctx), at)
	return now, wrong, err
}

// place is a package in a registry, by its name as it was typed.
func (r *resolver) place(ctx context.Context, reg api.ID, name string) (at catalog.At, err error) {
	row, err := r.anyRegistry(ctx, reg.UUID)
	if err != nil {
		return at, err
	}
	at.Registry = row.ID
	at.Package, err = packageName(row.Ecosystem, name)
	return at, err
}

func (m mutations) SetNameSwitch(ctx context.Context, in api.SetNameSwitchInput) (*api.SetNameSwitchPayload, error) {
	err := m.Intake.SetNameSwitch(ctx, in.Registry.UUID, in.Package, (*string)(in.Publish), (*string)(in.Upstream), in.Reason)
	now, wrong, err := m.ownershipNow(ctx, in.Registry, in.Package, err)
	return &api.SetNameSwitchPayload{Ownership: now, UserErrors: wrong}, err
}

func (m mutations) LiftOwnership(ctx context.Context, in api.LiftOwnershipInput) (*api.LiftOwnershipPayload, error) {
	err := m.Intake.LiftOwnership(ctx, in.Registry.UUID, in.Package, in.Reason)
	now, wrong, err := m.ownershipNow(ctx, in.Registry, in.Package, err)
	return &api.LiftOwnershipPayload{Ownership: now, UserErrors: wrong}, err
}

func (m mutations) ownershipNow(ctx context.Context, reg api.ID, name string, err error) (*api.Ownership, []*api.UserError, error) {
	wrong, err := userErrors(err)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err
	}
	at, err := m.place(ctx, reg, name)
	if err != nil {
		return nil, wrong, err
	}
	now, err := m.ownership(ctx, at)
	return now, wrong, err
}

func (m mutations) ApproveStagedVersion(ctx context.Context, in api.ApproveStagedVersionInput) (*api.ApproveStagedVersionPayload, error) {
	s, err := m.waiting(ctx, in.StagedVersion)
	if err != nil {
		return nil, err
	}
	v, err := m.Intake.Approve(ctx, s.Registry, s.ID, access.Of(ctx).Name)
	made, wrong, err := m.versionNow(ctx, s.Registry, v, err)
	return &api.ApproveStagedVersionPayload{Version: made, UserErrors: wrong}, err
}

func (m mutations) DropStagedVersion(ctx context.Context, in api.DropStagedVersionInput) (*api.DropStagedVersionPayload, error) {
	s, err := m.waiting(ctx, in.StagedVersion)
	if err != nil {
		return nil, err
	}
	wrong, err := userErrors(m.Intake.Drop(ctx, s.Registry, s.ID, access.Of(ctx).Name))
	if err != nil || len(wrong) > 0 {
		return &api.DropStagedVersionPayload{UserErrors: wrong}, err
	}
	return &api.DropStagedVersionPayload{StagedVersion: &in.StagedVersion, UserErrors: wrong}, nil
}

// waiting finds the staged version of an id.
func (m mutations) waiting(ctx context.Context, id api.ID) (*intake.Staged, error) {
	obj, err := m.find(ctx, id, "StagedVersion")
	if err != nil {
		return nil, err
	}
	return obj.(*intake.Staged), nil
}
