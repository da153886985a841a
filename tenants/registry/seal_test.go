package registry_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/registry"
)

func sealer(t *testing.T, keys ...[]byte) *registry.Sealer {
	t.Helper()
	s, err := registry.NewSealer(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSealer_Rotation: the first key seals, all keys open, and a key that was
// taken away opens nothing any more.
func TestSealer_Rotation(t *testing.T) {
	t.Parallel()
	old, both, fresh := sealer(t, key(1)), sealer(t, key(2), key(1)), sealer(t, key(2))
	secret := []byte("hunter2")
	a, err := old.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	b, err := both.Seal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		with   *registry.Sealer
		sealed []byte
		opens  bool
	}{
		{"old by old", old, a, true}, {"old by both", both, a, true}, {"old by the new one alone", fresh, a, false},
		{"new by both", both, b, true}, {"new by the new one", fresh, b, true}, {"new by old", old, b, false},
	} {
		got, err := c.with.Open(c.sealed)
		if (err == nil) != c.opens || c.opens && !bytes.Equal(got, secret) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "put the old key behind the new one") {
			t.Errorf("%s: %v does not say what to do", c.name, err)
		}
	}
	if again, _ := old.Seal(secret); bytes.Equal(a, again) || bytes.Contains(a, secret) {
		t.Error("sealing is not random, or not sealing")
	}
}

// TestSealer_Tamper: every changed, missing or added byte is noticed.
func TestSealer_Tamper(t *testing.T) {
	t.Parallel()
	s := sealer(t, key(1))
	sealed, err := s.Seal([]byte("hunter2"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(sealed)
			bad[i] ^= flip
			if _, err := s.Open(bad); err == nil {
				t.Errorf("byte %d changed, and nobody noticed", i)
			}
		}
		if _, err := s.Open(sealed[:i]); err == nil {
			t.Errorf("cut to %d bytes, and nobody noticed", i)
		}
	}
	if _, err := s.Open(append(bytes.Clone(sealed), 0)); err == nil {
		t.Error("a byte was added, and nobody noticed")
	}
}

func TestSealer_Keys(t *testing.T) {
	t.Parallel()
	if _, err := registry.NewSealer(); err == nil {
		t.Error("a sealer without a key")
	}
	if _, err := registry.NewSealer(key(1), []byte("short")); err == nil || !strings.Contains(err.Error(), "key 2 has 5 bytes, want 32") {
		t.Errorf("a short key: %v", err)
	}
	var none *registry.Sealer
	if _, err := none.Seal([]byte("x")); err == nil {
		t.Error("sealing without a key")
	}
	if _, err := none.Open([]byte("xxxx")); err == nil {
		t.Error("opening without a key")
	}
}

// TestSealer_LostKey: a node that lacks the key of a remote's credential does
// not go on without the credential.
func TestSealer_LostKey(t *testing.T) {
	b := newBench(t)
	r, err := b.svc.CreateRemote(b.ours, registry.RemoteInput{Ecosystem: coord.NPM, Name: "private", BaseURL: "https://npm.example", Credential: registry.Credential{Bearer: "x"}})
	b.ok(err)
	_, err = b.svc.AddUpstream(b.ours, registry.UpstreamInput{Registry: b.registry("r"), Remote: r.ID})
	b.ok(err)
	other := registry.NewSnapshots(b.db, sealer(t, key(3)))
	_, err = other.Of(b.ours)
	b.is(err, errs.Unavailable)
	rotated := registry.NewSnapshots(b.db, sealer(t, key(3), key(1)))
	_, err = rotated.Of(b.ours)
	b.ok(err)
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE remotes SET credential = credential || 'x'::bytea`)
		return err
	})
	_, err = registry.NewSnapshots(b.db, b.seal).Of(b.ours)
	b.is(err, errs.Unavailable)
}
