package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db/dbtest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

// operating is a harness with an operator beside the node, on another
// connection to the same database.
type operating struct {
	*harness
	op  *operator
	ctx context.Context
	out bytes.Buffer
}

func newOperating(t *testing.T) *operating {
	t.Helper()
	o := &operating{harness: newHarness(t), ctx: access.As(context.Background(), access.System("operator"), "")}
	o.op = newOperator(dbtest.Open(t, string(o.database.DatabaseURL)), &o.out, o.clock.Now)
	return o
}

// do runs a command and returns what it printed.
func (o *operating) do(run func(context.Context, *operator) error) string {
	o.Helper()
	o.out.Reset()
	if err := run(o.ctx, o.op); err != nil {
		o.Fatal(err)
	}
	return o.out.String()
}

func (o *operating) refuses(k errs.Kind, run func(context.Context, *operator) error) {
	o.Helper()
	if err := run(o.ctx, o.op); !errs.Is(err, k) {
		o.Errorf("got %v, want an error of kind %v", err, k)
	}
}

// TestT1_OperatorSuspendsAndReinstates: the node hears of it within a second,
// and only that organization is shut.
func TestT1_OperatorSuspendsAndReinstates(t *testing.T) {
	t.Parallel()
	o := newOperating(t)
	o.acme.team("team-a")
	o.globex.team("team-a")
	status := func(x *tenant) int { return x.get("team-a", "/-/ping").status }
	open := status(o.acme)
	o.do((&suspendOrganizationCmd{Slug: "acme"}).run)
	o.eventually(time.Second, "acme is shut", func() bool { return status(o.acme) == 403 })
	if got := status(o.globex); got != open {
		t.Errorf("globex: status %d, want %d", got, open)
	}
	if got := o.do((&listOrganizationsCmd{}).run); !strings.Contains(got, "acme") || !strings.Contains(got, "suspended since 2026-02-03") || strings.Count(got, "active") != 1 {
		t.Errorf("list:\n%s", got)
	}
	o.do((&reinstateOrganizationCmd{Slug: "acme"}).run)
	o.eventually(time.Second, "acme is open", func() bool { return status(o.acme) == open })
	for _, action := range []string{"organization:suspend", "organization:resume"} {
		if n := o.acme.count("audit_events", "action = $1 AND actor_name = 'operator'", action); n != 1 {
			t.Errorf("%d audit events %s", n, action)
		}
	}
	o.refuses(errs.NotFound, (&suspendOrganizationCmd{Slug: "initech"}).run)
}

// TestT1_OperatorDeletesAndUndeletes: a deleted organization is like one that
// does not exist.
func TestT1_OperatorDeletesAndUndeletes(t *testing.T) {
	t.Parallel()
	o := newOperating(t)
	o.acme.team("team-a")
	open := o.acme.get("team-a", "/-/ping").status
	if err := (&deleteOrganizationCmd{Slug: "acme", Confirm: "globex"}).run(o.ctx, o.op); err == nil {
		t.Fatal("deleted without its slug")
	}
	if got := o.do((&deleteOrganizationCmd{Slug: "acme", Confirm: "acme"}).run); !strings.Contains(got, "2026-03-05 12:00:00") {
		t.Errorf("it says %q", got)
	}
	o.eventually(time.Second, "acme is gone", func() bool { return o.acme.get("team-a", "/-/ping").status == 404 })
	if got := o.do((&listOrganizationsCmd{}).run); !strings.Contains(got, "deleted, erased after 2026-03-05") {
		t.Errorf("list:\n%s", got)
	}
	o.do((&undeleteOrganizationCmd{Slug: "acme"}).run)
	o.eventually(time.Second, "acme is back", func() bool { return o.acme.get("team-a", "/-/ping").status == open })
}

// TestT5_OperatorBoundsAnOrganization and sees what it uses.
func TestT5_OperatorBoundsAnOrganization(t *testing.T) {
	t.Parallel()
	o := newOperating(t)
	two, mib := 2, int64(3)
	got := o.do((&quotaOrganizationCmd{Slug: "acme", Registries: &two, StorageMiB: &mib}).run)
	if !strings.Contains(got, "registries  0 of 2") || !strings.Contains(got, "of 3145728 bytes") || !strings.Contains(got, "unlimited per second") {
		t.Errorf("it says %q", got)
	}
	o.acme.team("one")
	o.acme.team("two")
	_, err := o.first.registries.Create(o.acme.ctx, registry.CreateInput{Kind: registry.PackageRegistry, Ecosystem: "NPM", Name: "three"})
	if !errs.Is(err, errs.Conflict) || !strings.Contains(errs.Public(err), "its quota is 2") {
		t.Errorf("a third registry: %v", err)
	}
	if got := o.do((&usageOrganizationsCmd{Slug: "acme"}).run); !strings.Contains(got, "warning: 2 of 2 registries are used") {
		t.Errorf("it says %q", got)
	}
	o.globex.team("one")
	o.globex.team("two")
	o.globex.team("three")
	if got := o.do((&usageOrganizationsCmd{Slug: "globex"}).run); !strings.Contains(got, "registries  3 of unlimited") || strings.Contains(got, "warning") {
		t.Errorf("it says %q", got)
	}
}

// TestAudit_OperatorVerifiesAndExports: a changed row is found and named, an
// export is verified without the database.
func TestAudit_OperatorVerifiesAndExports(t *testing.T) {
	t.Parallel()
	o := newOperating(t)
	o.acme.team("one")
	if _, err := o.op.chain.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := o.do((&verifyAuditCmd{Slug: "acme"}).run)
	head := strings.TrimSpace(got[strings.LastIndex(got, "head ")+5:])
	if !strings.Contains(got, "the audit trail of acme holds") || !strings.Contains(o.do((&verifyAuditCmd{Slug: "acme", Head: head}).run), head) {
		t.Errorf("it says %q", got)
	}
	file := filepath.Join(t.TempDir(), "acme.ndjson")
	o.do((&exportAuditCmd{Slug: "acme", Output: file}).run)
	if got := o.do(func(_ context.Context, op *operator) error { return (&verifyAuditCmd{File: file}).file(op) }); !strings.Contains(got, head) {
		t.Errorf("the export has another head: %q", got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), o.acme.secret[10:]) || strings.Contains(string(text), "globex") {
		t.Error("the export holds a secret, or another organization's events")
	}
	super := dbtest.Superuser(t, o.first.db)
	var event uuid.UUID
	err = super.QueryRow(t.Context(), `UPDATE audit_events e SET actor_name = 'somebody else' FROM organizations o
		WHERE o.id = e.org_id AND o.slug = 'acme' AND e.action = 'registry:create' RETURNING e.id`).Scan(&event)
	if err != nil {
		t.Fatal(err)
	}
	o.out.Reset()
	err = (&verifyAuditCmd{Slug: "acme"}).run(o.ctx, o.op)
	if err == nil || !strings.Contains(o.out.String(), event.String()) || !strings.Contains(o.out.String(), "registry:create of somebody else was changed") {
		t.Errorf("%v; it says %q", err, o.out.String())
	}
	o.do((&verifyAuditCmd{Slug: "globex"}).run)
	if err := (&verifyAuditCmd{Slug: "acme", Head: "nonsense"}).run(o.ctx, o.op); err == nil {
		t.Error("nonsense is taken for a head")
	}
}

// TestT1_OperatorMakesAnOrganization with its owner, both or neither.
func TestT1_OperatorMakesAnOrganization(t *testing.T) {
	t.Parallel()
	o := newOperating(t)
	got := o.do((&createOrganizationCmd{Slug: "initech", Owner: "Bill@initech.example"}).run)
	if !strings.Contains(got, "bill@initech.example") || !strings.Contains(got, "sluice_") {
		t.Errorf("it says %q", got)
	}
	o.refuses(errs.Conflict, (&createOrganizationCmd{Slug: "acme", Owner: "eve@initech.example"}).run)
	o.refuses(errs.Invalid, (&createOrganizationCmd{Slug: "hooli", Owner: "nobody"}).run)
	o.refuses(errs.NotFound, (&verifyAuditCmd{Slug: "hooli"}).run)
}
