package npm

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/intake"
)

// testIntake remembers what is published and refuses nothing. What a test does
// not expect to be called panics.
type testIntake struct {
	Intake
	mu        sync.Mutex
	published []intake.PublishInput
}

func (*testIntake) Check(context.Context, uuid.UUID, string, string) error { return nil }

func (x *testIntake) Publish(_ context.Context, in intake.PublishInput) (coord.Version, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.published = append(x.published, in)
	return coord.Version{Package: npmPackage(in.Name), Version: in.Version}, nil
}

// allowAll is everybody's right to everything.
type allowAll struct{}

func (allowAll) Write(context.Context, access.Action, uuid.UUID, coord.Package) error { return nil }

// targetOf is a path of the registry of these tests.
func targetOf(path string) protocol.Target {
	return protocol.Target{Org: uuid.UUID{1}, OrgSlug: "acme", Registry: uuid.UUID{2}, RegistryName: "team",
		BaseURL: at.Registry, OrgURL: at.Org, Path: path, Subject: "ann"}
}
