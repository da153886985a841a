package protocol

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/registry"
)

// snapshots finds registries in the organization's compiled hierarchy, which
// every node keeps in memory.
type snapshots struct{ all *registry.Snapshots }

// FromSnapshots returns Registries that answer from the snapshots.
func FromSnapshots(all *registry.Snapshots) Registries { return snapshots{all} }

// ByName implements Registries.
func (s snapshots) ByName(ctx context.Context, e coord.Ecosystem, name string) (RegistryRef, error) {
	snap, err := s.all.Of(ctx)
	if err != nil {
		return RegistryRef{}, err
	}
	return refOf(snap.Named(e, name))
}

// ByID implements Registries.
func (s snapshots) ByID(ctx context.Context, id uuid.UUID) (RegistryRef, error) {
	snap, err := s.all.Of(ctx)
	if err != nil {
		return RegistryRef{}, err
	}
	return refOf(snap.Node(id))
}

func refOf(n *registry.Node) (RegistryRef, error) {
	if n == nil {
		return RegistryRef{}, noRegistry()
	}
	ref := RegistryRef{ID: n.ID, Ecosystem: n.Ecosystem, Name: n.Name, Kind: "PACKAGE", AnonymousRead: n.AnonymousRead, Archived: n.Archived}
	if n.Firewall {
		ref.Kind = "FIREWALL"
	}
	return ref, nil
}
