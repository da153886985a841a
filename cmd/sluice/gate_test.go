package main

import (
	"bytes"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
)

func TestR2_AFileComesThroughTheWholePath(t *testing.T) {
	h := newHarness(t)
	h.up.Publish("left-pad", "1.0.0", protocoltest.Release{})
	h.up.Publish("left-pad", "1.1.0", protocoltest.Release{})
	fw := h.acme.firewall("fw", from(h.acme.public))
	h.acme.team("team", source(fw))
	d := h.acme.doc("team", "left-pad")
	if len(d.Versions) != 2 || d.Tags["latest"] != "1.1.0" || d.Versions["1.0.0"].Dist.Tarball != h.acme.url("team", tarball("left-pad", "1.0.0")) {
		t.Fatalf("document = %+v", d)
	}
	for range 2 {
		a := h.acme.get("team", tarball("left-pad", "1.0.0"))
		if a.status != 200 || !bytes.Equal(a.body, h.up.Tarball("left-pad", "1.0.0")) {
			t.Fatalf("tarball = %d %s", a.status, a.phrase)
		}
	}
	if n := h.up.Count(tarball("left-pad", "1.0.0")); n != 1 {
		t.Errorf("the remote was asked %d times", n)
	}
	if n := h.acme.count("holdings", "version = '1.0.0'"); n != 2 {
		t.Errorf("%d registries hold it, want both on the path", n)
	}
	if a := h.globex.get("team", "/left-pad"); a.status != 404 {
		t.Errorf("from the other organization = %d", a.status)
	}
}
