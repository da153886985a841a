package catalog_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
)

func (b *bench) put(d catalog.Document, text string) {
	b.Helper()
	b.in(b.ours, func(ctx context.Context, tx *db.Tx) error { return catalog.PutDocument(ctx, tx, d, blobOf(text)) })
}

func (b *bench) document(ctx context.Context, remote uuid.UUID, name string) (d *catalog.Document) {
	b.Helper()
	b.in(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		d, err = catalog.DocumentOf(ctx, tx, remote, name)
		return err
	})
	return d
}

// TestR3_Documents: the last one is remembered with its validators and first-seen
// dates, until the remote says that the name is gone.
func TestR3_Documents(t *testing.T) {
	b := newBench(t)
	if d := b.document(b.ours, b.remote, "left-pad"); d != nil {
		t.Errorf("before anything was put there is %+v", d)
	}
	seen := map[string]time.Time{"1.3.0": noon.Add(-time.Hour)}
	d := catalog.Document{Remote: b.remote, Name: "left-pad", ETag: `"1"`, LastModified: "yesterday", Fetched: noon, Checked: noon, FirstSeen: seen}
	b.put(d, "document")
	got := b.document(b.ours, b.remote, "left-pad")
	if got == nil || got.SHA256 != blobOf("document").SHA256 || got.ETag != `"1"` || got.LastModified != "yesterday" || !got.Fetched.Equal(noon) ||
		!got.Checked.Equal(noon) || !got.FirstSeen["1.3.0"].Equal(seen["1.3.0"]) {
		t.Errorf("got %+v", got)
	}
	if other := b.document(b.theirs, b.remote, "left-pad"); other != nil {
		t.Errorf("the other organization sees %+v", other)
	}
	d.ETag, d.Fetched, d.Checked, d.FirstSeen = `"2"`, noon.Add(time.Minute), noon.Add(time.Minute), nil
	b.put(d, "document 2")
	if got := b.document(b.ours, b.remote, "left-pad"); got.ETag != `"2"` || got.SHA256 != blobOf("document 2").SHA256 || len(got.FirstSeen) != 0 {
		t.Errorf("the second document: %+v", got)
	}
	for _, name := range []string{"right-pad", "left-pad"} {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error { return catalog.ForgetDocument(ctx, tx, b.remote, name) })
	}
	if got := b.document(b.ours, b.remote, "left-pad"); got != nil {
		t.Errorf("after it was forgotten: %+v", got)
	}
}

// TestR3_OlderDocumentsDoNotReplace: an answer that was checked before the one
// that is remembered came too late; so did a confirmation.
func TestR3_OlderDocumentsDoNotReplace(t *testing.T) {
	b := newBench(t)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	b.put(catalog.Document{Remote: b.remote, Name: "left-pad", ETag: "new", Fetched: at(5), Checked: at(5)}, "new")
	b.put(catalog.Document{Remote: b.remote, Name: "left-pad", ETag: "old", Fetched: at(4), Checked: at(4)}, "old")
	touch := func(minutes int) {
		b.in(b.ours, func(ctx context.Context, tx *db.Tx) error {
			return catalog.TouchDocument(ctx, tx, b.remote, "left-pad", at(minutes))
		})
	}
	touch(3)
	if got := b.document(b.ours, b.remote, "left-pad"); got.ETag != "new" || !got.Checked.Equal(at(5)) {
		t.Errorf("got %+v", got)
	}
	touch(9)
	if got := b.document(b.ours, b.remote, "left-pad"); !got.Checked.Equal(at(9)) || !got.Fetched.Equal(at(5)) {
		t.Errorf("after the remote confirmed it: %+v", got)
	}
	b.in(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		if err := catalog.TouchDocument(ctx, tx, b.remote, "left-pad", at(60)); err != nil {
			return err
		}
		return catalog.ForgetDocument(ctx, tx, b.remote, "left-pad")
	})
	if got := b.document(b.ours, b.remote, "left-pad"); got == nil || !got.Checked.Equal(at(9)) {
		t.Errorf("after the other organization touched and forgot it: %+v", got)
	}
	err := b.db.InTx(b.theirs, func(ctx context.Context, tx *db.Tx) error {
		return catalog.PutDocument(ctx, tx, catalog.Document{Remote: b.remote, Name: "left-pad", Fetched: noon, Checked: noon}, blobOf("x"))
	})
	if err == nil {
		t.Error("a document of another organization's remote was put")
	}
}
