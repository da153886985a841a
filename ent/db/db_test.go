package db_test

import (
	"context"
	"testing"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/db/dbtest"
)

func TestSmoke(t *testing.T) {
	d := dbtest.New(t)
	ours, _ := dbtest.TwoOrgs(t, d)
	err := d.InTx(ours, func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Ent.Organization.Query().Count(ctx)
		t.Log(n)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
