package npm

import (
	"bytes"
	"context"
	"crypto/sha512"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

func remoteOf(t *testing.T, cfg upstream.Config) (*protocoltest.NPM, *Protocol, gate.Remote) {
	t.Helper()
	n := protocoltest.NewNPM(t)
	cfg.AllowedHosts = []string{n.Host()}
	cfg.Backoff = time.Nanosecond
	c, err := upstream.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return n, New(c), gate.Remote{ID: uuid.UUID{7}, Name: "npm-public", BaseURL: n.URL}
}

func fetch(p *Protocol, r gate.Remote, pkg string) (gate.Fetched, error) {
	return p.FetchList(context.Background(), r, pkg, gate.Validators{})
}

func TestFetchListAndFile(t *testing.T) {
	n, p, r := remoteOf(t, upstream.Config{})
	n.Publish("@acme/x", "1.0.0", protocoltest.Release{Attested: true})
	n.Publish("@acme/x", "1.1.0", protocoltest.Release{License: []any{"MIT", "ISC"}})
	got, err := fetch(p, r, "@acme/x")
	if err != nil {
		t.Fatal(err)
	}
	l := decode(t, "@acme/x", got.Body)
	if len(l.Versions) != 2 || len(l.Skipped) != 0 || l.Tags["latest"] != "1.1.0" || l.Versions[0].Published.IsZero() {
		t.Fatalf("listing = %+v", l)
	}
	req := n.Requests()[0]
	if req.Path != "/@acme%2fx" || req.Header.Get("Accept") != "application/json" {
		t.Errorf("asked for %s with Accept %q", req.Path, req.Header.Get("Accept"))
	}
	again, err := p.FetchList(context.Background(), r, "@acme/x", got.Validators)
	if err != nil || !again.NotModified {
		t.Errorf("conditional FetchList = %+v, %v", again, err)
	}
	missing, err := fetch(p, r, "missing")
	if err != nil || !missing.NotFound {
		t.Errorf("FetchList of a missing package = %+v, %v", missing, err)
	}

	f := l.Versions[0].Files[0]
	body, size, err := p.FetchFile(context.Background(), r, f)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	tgz, err := io.ReadAll(body)
	sum := sha512.Sum512(tgz)
	if err != nil || size != int64(len(tgz)) || !bytes.Equal(sum[:], f.Digests.SHA512) {
		t.Errorf("file of %d bytes (announced %d), %v", len(tgz), size, err)
	}
	if _, _, err := p.FetchFile(context.Background(), r, gate.File{Name: "x-1.0.0.tgz"}); err == nil {
		t.Error("a file without address was fetched")
	}
}

func TestFetchSendsTheCredential(t *testing.T) {
	n, p, r := remoteOf(t, upstream.Config{})
	n.Publish("x", "1.0.0", protocoltest.Release{})
	n.RequireToken("s3cret")
	_, err := fetch(p, r, "x")
	if !errs.Is(err, errs.Upstream) || upstream.IsOutage(err) || !strings.Contains(errs.Public(err), `"npm-public" wants a credential`) {
		t.Errorf("without credential: %v", err)
	}
	r.Token = "s3cret"
	if _, err := fetch(p, r, "x"); err != nil {
		t.Errorf("with credential: %v", err)
	}
}

func TestF1_AMisbehavingSourceIsAnErrorThatSaysWhat(t *testing.T) {
	n, p, r := remoteOf(t, upstream.Config{MaxDocument: 1 << 20, Attempts: 1, BreakerAfter: 100, HeaderTime: 50 * time.Millisecond})
	n.Publish("x", "1.0.0", protocoltest.Release{})
	for name, c := range map[string]struct {
		f      protocoltest.Fault
		words  string
		outage bool
	}{
		"down":         {protocoltest.Down(), "before it was complete", true},
		"failing":      {protocoltest.Status(503), "failed (503)", true},
		"HTML":         {protocoltest.HTML(), "HTML or XML page", false},
		"malformed":    {protocoltest.Malformed(), "ends too early", false},
		"huge":         {protocoltest.Huge(200 << 20), "over the bound of 1 MiB", false},
		"truncated":    {protocoltest.Truncated(), "before it was complete", true},
		"another type": {protocoltest.ContentType("text/html"), "", false},
	} {
		mend := n.Break("/x", c.f)
		got, err := fetch(p, r, "x")
		if err == nil {
			_, err = p.Decode("x", got.Body)
		}
		mend()
		if c.words == "" {
			if err != nil {
				t.Errorf("%s: %v; the content decides, not its declared type", name, err)
			}
			continue
		}
		want := errs.Upstream
		if c.outage {
			want = errs.Unavailable // R1 tells the two apart
		}
		if !errs.Is(err, want) || upstream.IsOutage(err) != c.outage || !strings.Contains(errs.Public(err), c.words) {
			t.Errorf("%s: %v, want %q, outage %v", name, err, c.words, c.outage)
		}
	}
	h := n.Hang("/x")
	if _, err := fetch(p, r, "x"); !upstream.IsOutage(err) || !strings.Contains(errs.Public(err), "did not begin to answer within 50ms") {
		t.Errorf("hanging: %v", err)
	}
	h.Release()
	if _, err := fetch(p, r, "x"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
