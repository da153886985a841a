package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func blobDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	h := w.hierarchy(w.ours)
	_ = h
	var out struct{ Registries any }
	w.into(w.ours, `{ registries(first: 5) { totalCount edges { node { id name kind url clientSettings { client text } viewerActions upstreams { id source { __typename ... on Registry { name } ... on Remote { baseUrl } } } rules { name kind minSeverity licensePolicy { rules { category severity } } } packages(first: 2) { totalCount edges { node { name versions(first: 3) { edges { node { version files { name size } explain { effect verdicts { reason } path } heldBy { name } holds { id } findings { id } } } } } } } holds { totalCount edges { node { id } } } } } } }`, nil, &out)
	t.Logf("%v", out)
}
