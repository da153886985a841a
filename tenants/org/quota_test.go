package org_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/ent/auditevent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
)

// store makes bytes of a size that the organization names.
func (b *bench) store(ctx context.Context, text string, size int64) {
	b.Helper()
	b.ok(b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		sum := sha256.Sum256([]byte(text))
		digest := hex.EncodeToString(sum[:])
		if _, err := tx.Exec(ctx, `SELECT keep_blob($1, '', '', '', $2, $3)`, digest, size, noon); err != nil {
			return err
		}
		p, err := tx.Ent.PackageName.Create().SetEcosystem("NPM").SetName(text).SetCreatedAt(noon).Save(ctx)
		if err != nil {
			return err
		}
		v, err := tx.Ent.PackageVersion.Create().SetPackageID(p.ID).SetVersion("1.0.0").SetDigest(digest).SetOrigin("INTERNAL").SetPublishedAt(noon).
			SetPublishedFrom("PUBLISH").SetLicenseState("MISSING").SetMetadata([]byte("{}")).SetCreatedAt(noon).Save(ctx)
		if err != nil {
			return err
		}
		for i := range 2 { // the same bytes twice count once
			if err := tx.Ent.VersionFile.Create().SetVersionID(v.ID).SetName(fmt.Sprint(i)).SetPosition(i).SetSha256(digest).SetSize(size).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	}))
}

// another makes a registry where the quota has room.
func (b *bench) another(ctx context.Context, name string) error {
	return b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := org.RoomForRegistry(ctx, tx); err != nil {
			return err
		}
		return tx.Ent.Registry.Create().SetEcosystem("NPM").SetKind("PACKAGE").SetName(name).SetCreatedAt(noon).Exec(ctx)
	})
}

func (b *bench) audited(ctx context.Context, action string) (n int) {
	b.Helper()
	b.ok(b.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		n, err = tx.Ent.AuditEvent.Query().Where(auditevent.Action(action)).Count(ctx)
		return err
	}))
	return n
}

func TestT5_RegistryQuota(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	_, err := b.svc.SetQuota(ours, org.Quota{Registries: -1})
	b.is(err, errs.Invalid)
	got, err := b.svc.SetQuota(ours, org.Quota{Registries: 5, Requests: 7})
	b.ok(err)
	if got.Quota != (org.Quota{Registries: 5, Requests: 7}) {
		t.Errorf("quota %+v", got.Quota)
	}
	for i := range 5 {
		u, err := b.svc.Usage(ours)
		b.ok(err)
		if warned := len(u.Warnings()) > 0; u.Registries != i || warned != (i >= 4) {
			t.Errorf("%d registries: usage %+v, warnings %v", i, u, u.Warnings())
		}
		b.ok(b.another(ours, fmt.Sprint("r", i)))
	}
	err = b.another(ours, "r5")
	b.is(err, errs.Conflict)
	if msg := errs.Public(err); !strings.Contains(msg, "has 5 registries and its quota is 5") {
		t.Errorf("message %q", msg)
	}
	b.ok(b.another(theirs, "r0"))
	// A deleted one makes room; no quota is no bound.
	b.ok(b.db.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Ent.Registry.Update().SetDeletedAt(noon).Save(ctx)
		return err
	}))
	b.ok(b.another(ours, "r6"))
	_, err = b.svc.SetQuota(ours, org.Quota{})
	b.ok(err)
	for i := range 6 {
		b.ok(b.another(ours, fmt.Sprint("s", i)))
	}
	if n := b.audited(ours, "organization:quota"); n != 2 {
		t.Errorf("%d audit events of two changes", n)
	}
	ref, err := b.resolver.BySlug(context.Background(), "acme")
	b.ok(err)
	if ref.Requests != 0 {
		t.Errorf("the resolver still says %d requests", ref.Requests)
	}
}

func TestT5_ConcurrentRegistriesKeepTheQuota(t *testing.T) {
	b := newBench(t)
	ours := b.create("acme")
	b.create("globex")
	_, err := b.svc.SetQuota(ours, org.Quota{Registries: 2})
	b.ok(err)
	results := make(chan error, 5)
	for i := range 5 {
		go func() { results <- b.another(ours, fmt.Sprint("r", i)) }()
	}
	made := 0
	for range 5 {
		if err := <-results; err == nil {
			made++
		} else if !errs.Is(err, errs.Conflict) {
			t.Error(err)
		}
	}
	if made != 2 {
		t.Errorf("%d were made at once, want the quota of 2", made)
	}
}

func TestT5_StorageIsMeasuredWarnedOfAndBounded(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	room := func(ctx context.Context, bytes int64) error {
		return b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return org.RoomForStorage(ctx, tx, bytes) })
	}
	measure := func(ctx context.Context, want int) {
		t.Helper()
		warnings, err := b.svc.Measure(ctx)
		b.ok(err)
		if len(warnings) != want {
			t.Errorf("warnings %v, want %d", warnings, want)
		}
	}
	u, err := b.svc.Usage(ours)
	b.ok(err)
	if !u.MeasuredAt.IsZero() || u.Storage != 0 {
		t.Errorf("before measuring: %+v", u)
	}
	_, err = b.svc.SetQuota(ours, org.Quota{Storage: 1000})
	b.ok(err)
	b.store(ours, "a", 700)
	b.store(theirs, "a", 700) // the same bytes of another organization are its own (T4)
	b.store(theirs, "b", 9000)
	measure(ours, 0)
	b.ok(room(ours, 300))
	b.is(room(ours, 301), errs.Conflict)
	b.ok(room(theirs, 1<<40))
	b.store(ours, "c", 100)
	measure(ours, 1)
	measure(ours, 0) // said once
	measure(theirs, 0)
	if u, err = b.svc.Usage(ours); err != nil || u.Storage != 800 || !u.MeasuredAt.Equal(noon) || len(u.Warnings()) != 1 || !strings.Contains(u.Warnings()[0], "80 %") {
		t.Errorf("usage %+v, %v, %v", u, u.Warnings(), err)
	}
	if u, err = b.svc.Usage(theirs); err != nil || u.Storage != 9700 || len(u.Warnings()) != 0 {
		t.Errorf("usage of globex %+v, %v", u, err)
	}
	// Below the mark and above it again is another warning.
	_, err = b.svc.SetQuota(ours, org.Quota{Storage: 2000})
	b.ok(err)
	measure(ours, 0)
	_, err = b.svc.SetQuota(ours, org.Quota{Storage: 900})
	b.ok(err)
	measure(ours, 1)
	if n := b.audited(ours, "organization:quota-warning"); n != 2 {
		t.Errorf("%d audit events of two warnings", n)
	}
	if n := b.audited(theirs, "organization:quota-warning"); n != 0 {
		t.Errorf("%d warnings in globex", n)
	}
}

// TestT1_DeletedOrganizationsComeBackOrAreErased: for thirty days nothing is
// lost; then it goes, and nobody gets its slug.
func TestT1_DeletedOrganizationsComeBackOrAreErased(t *testing.T) {
	b := newBench(t)
	now := noon
	b.svc = org.New(b.db, audit.New(func() time.Time { return now }), func() time.Time { return now })
	ours, theirs := b.create("acme"), b.create("globex")
	b.store(ours, "a", 700)
	b.store(theirs, "a", 700)
	ctx := context.Background()
	at := func(slug string) bool {
		_, err := b.resolver.BySlug(ctx, slug)
		if err != nil && !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !at("acme") || !at("globex") {
		t.Fatal("they are not there")
	}
	for range 2 {
		got, err := b.svc.Delete(ours)
		b.ok(err)
		if got.DeletedAt == nil || !got.DeletedAt.Equal(noon) {
			t.Errorf("deleted at %v", got.DeletedAt)
		}
		now = now.Add(time.Hour) // the second changes nothing
	}
	if at("acme") || !at("globex") {
		t.Error("the wrong one is still at its slug")
	}
	_, err := b.svc.Create(ctx, org.Input{Slug: "acme"})
	b.is(err, errs.Conflict)
	_, err = b.svc.Undelete(ours)
	b.ok(err)
	if !at("acme") {
		t.Error("it did not come back")
	}
	_, err = b.svc.Delete(ours)
	b.ok(err)
	now = now.Add(org.EraseAfter)
	if n, err := b.svc.Erase(ctx); err != nil || n != 0 {
		t.Errorf("erased %d at the last moment of the grace time, %v", n, err)
	}
	now = now.Add(time.Second)
	if n, err := b.svc.Erase(ctx); err != nil || n != 1 {
		t.Errorf("erased %d, %v", n, err)
	}
	if n, err := b.svc.Erase(ctx); err != nil || n != 0 {
		t.Errorf("erased %d the second time, %v", n, err)
	}
	list, err := b.svc.List(ctx)
	b.ok(err)
	if len(list) != 1 || list[0].Slug != "globex" {
		t.Errorf("left are %+v", list)
	}
	_, err = b.svc.BySlug(ctx, "acme")
	b.is(err, errs.NotFound)
	_, err = b.svc.BySlug(ctx, "")
	b.is(err, errs.NotFound)
	_, err = b.svc.Create(ctx, org.Input{Slug: "acme"})
	b.is(err, errs.Conflict)
	if u, err := b.svc.Measure(theirs); err != nil || len(u) != 0 {
		t.Error(err)
	}
	if u, err := b.svc.Usage(theirs); err != nil || u.Storage != 700 {
		t.Errorf("globex lost bytes: %+v, %v", u, err)
	}
	if n := b.audited(theirs, "organization:create"); n != 1 {
		t.Errorf("globex has %d events of its making", n)
	}
}

// TestT5_TakeStorage: room is taken by exact size and by one at a time; what the
// organization names already is free, and another organization has its own room.
func TestT5_TakeStorage(t *testing.T) {
	b := newBench(t)
	ours, theirs := b.create("acme"), b.create("globex")
	b.store(ours, "there", 600)
	there := sha256.Sum256([]byte("there"))
	take := func(ctx context.Context, files ...org.Stored) error {
		return b.db.InTx(ctx, func(ctx context.Context, tx *db.Tx) error { return org.TakeStorage(ctx, tx, noon, files...) })
	}
	b.ok(take(ours, org.Stored{SHA256: "large", Size: 1 << 40})) // no quota
	_, err := b.svc.SetQuota(ours, org.Quota{Storage: 1000})
	b.ok(err)
	b.ok(take(ours, org.Stored{SHA256: hex.EncodeToString(there[:]), Size: 600}))
	err = take(ours, org.Stored{SHA256: "a", Size: 401})
	b.is(err, errs.Conflict)
	if want := "stores 600 bytes and its quota is 1000; 401 more do not fit"; !strings.Contains(errs.Public(err), want) {
		t.Errorf("it says %q, want %q", errs.Public(err), want)
	}
	failed := make(chan error, 8)
	for i := range cap(failed) {
		go func() { failed <- take(ours, org.Stored{SHA256: fmt.Sprint("new ", i), Size: 100}) }()
	}
	taken := 0
	for range cap(failed) {
		if err := <-failed; err == nil {
			taken++
		} else {
			b.is(err, errs.Conflict)
		}
	}
	if taken != 4 {
		t.Errorf("%d of 8 took 100 of the 400 bytes that were free", taken)
	}
	b.ok(take(theirs, org.Stored{SHA256: "a", Size: 1 << 40}))
	_, err = b.svc.Measure(ours)
	b.ok(err)
	b.ok(take(ours, org.Stored{SHA256: "a", Size: 400})) // measuring counts what is there
}
