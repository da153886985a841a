package blob_test

import (
	"testing"

	"sluice.dev/sluice/tenants/blob"
	"sluice.dev/sluice/tenants/blob/blobtest"
)

func TestDisk_Suite(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store {
		d, err := blob.NewDisk(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return d
	})
}
