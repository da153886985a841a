package protocoltest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func ask(t *testing.T, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

type document struct {
	Name     string
	Modified string
	Tags     map[string]string `json:"dist-tags"`
	Time     map[string]string
	Readme   string
	Versions map[string]struct {
		Name, Version    string
		HasInstallScript bool
		Dist             struct {
			Tarball, Integrity string
			Signatures         []struct{ KeyID, Sig string }
		}
	}
}

func TestNPMIsFaithful(t *testing.T) {
	n := NewNPM(t)
	n.Publish("@acme/x", "1.0.0", Release{Scripts: map[string]string{"install": "node i.js"}})
	n.Publish("@acme/x", "2.0.0-rc.1", Release{Tags: []string{"next"}, Published: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)})

	for _, path := range []string{"/@acme%2fx", "/@acme%2Fx", "/@acme/x"} {
		resp, body := ask(t, "GET", n.URL+path)
		var d document
		if err := json.Unmarshal(body, &d); err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
		}
		if d.Name != "@acme/x" || d.Tags["latest"] != "1.0.0" || d.Tags["next"] != "2.0.0-rc.1" || d.Readme == "" ||
			d.Time["2.0.0-rc.1"] != "2024-05-06T07:08:09.000Z" || d.Time["modified"] != d.Time["2.0.0-rc.1"] || d.Time["created"] != d.Time["1.0.0"] {
			t.Errorf("%s: %+v", path, d)
		}
		again, _ := ask(t, "GET", n.URL+path, "If-None-Match", resp.Header.Get("ETag"))
		if again.StatusCode != http.StatusNotModified {
			t.Errorf("%s: conditional request = %d", path, again.StatusCode)
		}
	}
	resp, body := ask(t, "GET", n.URL+"/@acme%2fx", "Accept", corgi+"; q=1.0, application/json; q=0.8, */*", "Accept-Encoding", "gzip")
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.NewDecoder(z).Decode(&d); err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Content-Type") != corgi || d.Readme != "" || d.Time != nil || d.Modified == "" || !d.Versions["1.0.0"].HasInstallScript {
		t.Errorf("abbreviated: %v %+v", resp.Header, d)
	}
	for path, want := range map[string]string{
		"/@acme/x/latest":                      `"version":"1.0.0"`,
		"/@acme%2fx/2.0.0-rc.1":                `"version":"2.0.0-rc.1"`,
		"/-/package/@acme%2fx/dist-tags":       `"next":"2.0.0-rc.1"`,
		"/-/ping":                              `{}`,
		"/missing":                             `"error":"Not found"`,
		"/@acme%2fx/3.0.0":                     `"error":"Not found"`,
		"/@acme/x/-/x-9.9.9.tgz":               `"error":"Not found"`,
		"/-/package/@acme%2fmissing/dist-tags": `"error":"Not found"`,
	} {
		if _, body := ask(t, "GET", n.URL+path); !strings.Contains(string(body), want) {
			t.Errorf("%s = %s, want %s", path, body, want)
		}
	}
}

func TestNPMTarballsAreRealAndSigned(t *testing.T) {
	n := NewNPM(t)
	n.Publish("x", "1.0.0", Release{Files: map[string]string{"lib/a.js": "a"}})
	_, body := ask(t, "GET", n.URL+"/x/1.0.0")
	var m struct {
		Dist struct {
			Tarball, Integrity string
			Signatures         []struct{ KeyID, Sig string }
		}
	}
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	_, tgz := ask(t, "GET", m.Dist.Tarball)
	sum := sha512.Sum512(tgz)
	if m.Dist.Integrity != "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) || !bytes.Equal(tgz, n.Tarball("x", "1.0.0")) {
		t.Error("the integrity is not that of the tarball")
	}
	if resp, part := ask(t, "GET", m.Dist.Tarball, "Range", "bytes=2-5"); resp.StatusCode != 206 || !bytes.Equal(part, tgz[2:6]) {
		t.Errorf("range = %d %x", resp.StatusCode, part)
	}
	names := ""
	z, _ := gzip.NewReader(bytes.NewReader(tgz))
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names += h.Name + " "
	}
	if names != "package/index.js package/lib/a.js package/package.json " {
		t.Errorf("files = %s", names)
	}

	_, body = ask(t, "GET", n.URL+"/-/npm/v1/keys")
	var keys struct{ Keys []struct{ KeyID, Key string } }
	if err := json.Unmarshal(body, &keys); err != nil {
		t.Fatal(err)
	}
	spki, _ := base64.StdEncoding.DecodeString(keys.Keys[0].Key)
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	sig, _ := base64.StdEncoding.DecodeString(m.Dist.Signatures[0].Sig)
	digest := sha256.Sum256([]byte("x@1.0.0:" + m.Dist.Integrity))
	if m.Dist.Signatures[0].KeyID != keys.Keys[0].KeyID || !ecdsa.VerifyASN1(pub.(*ecdsa.PublicKey), digest[:], sig) {
		t.Error("the signature does not verify")
	}
}

func TestNPMChanges(t *testing.T) {
	n := NewNPM(t)
	n.Publish("x", "1.0.0", Release{})
	n.Publish("x", "1.1.0", Release{})
	first, _ := ask(t, "GET", n.URL+"/x")
	n.Tag("x", "beta", "1.0.0")
	n.Deprecate("x", "1.0.0", "old")
	n.Unpublish("x", "1.1.0")
	after, body := ask(t, "GET", n.URL+"/x")
	if s := string(body); !strings.Contains(s, `"dist-tags":{"beta":"1.0.0"}`) || !strings.Contains(s, `"deprecated":"old"`) || strings.Contains(s, "1.1.0") {
		t.Errorf("after changes: %s", body)
	}
	if first.Header.Get("ETag") == after.Header.Get("ETag") {
		t.Error("the ETag did not change")
	}
	n.Untimed("x")
	if _, body := ask(t, "GET", n.URL+"/x"); strings.Contains(string(body), `"time"`) {
		t.Errorf("untimed: %s", body)
	}
	n.Unpublish("x", "1.0.0")
	if resp, _ := ask(t, "GET", n.URL+"/x"); resp.StatusCode != 404 {
		t.Errorf("a package without versions = %d", resp.StatusCode)
	}
	if n.Count("/x") != 4 || len(n.Requests()) != 4 {
		t.Errorf("log = %v", n.Requests())
	}
	n.Forget()
	n.RequireToken("t")
	if resp, _ := ask(t, "GET", n.URL+"/x"); resp.StatusCode != 401 || n.Count("/") != 1 {
		t.Errorf("without the token = %d", resp.StatusCode)
	}
}

func TestNPMFaults(t *testing.T) {
	n := NewNPM(t)
	n.Publish("x", "1.0.0", Release{})
	for name, c := range map[string]struct {
		f      Fault
		status int
		has    string
	}{
		"html":         {HTML(), 200, "<!DOCTYPE html>"},
		"status":       {Status(503), 503, `"error":"Service Unavailable"`},
		"content type": {ContentType("image/png"), 200, `"name":"x"`},
		"huge":         {Huge(1 << 20), 200, "xxxx"},
	} {
		mend := n.Break("/x", c.f)
		if resp, body := ask(t, "GET", n.URL+"/x"); resp.StatusCode != c.status || !strings.Contains(string(body), c.has) {
			t.Errorf("%s = %d %.80s", name, resp.StatusCode, body)
		}
		mend()
	}
	n.Break("/x", Malformed())
	if _, body := ask(t, "GET", n.URL+"/x"); json.Valid(body) {
		t.Error("malformed: the body is valid")
	}
	n.Break("/x/-/", Corrupted())
	if _, body := ask(t, "GET", n.URL+"/x/-/x-1.0.0.tgz"); len(body) != len(n.Tarball("x", "1.0.0")) || bytes.Equal(body, n.Tarball("x", "1.0.0")) {
		t.Error("corrupted: the bytes are right, or of another length")
	}
	n.Heal()
	for _, f := range []Fault{Down(), Truncated()} {
		mend := n.Break("/x", f)
		resp, err := http.Get(n.URL + "/x")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Error("a broken connection did not show")
		}
		mend()
	}
	if resp, _ := ask(t, "GET", n.URL+"/x"); resp.StatusCode != 200 {
		t.Errorf("after mending = %d", resp.StatusCode)
	}
}

func TestNPMWaitsForTheTest(t *testing.T) {
	n := NewNPM(t)
	n.Publish("x", "1.0.0", Release{})
	h := n.Hang("/x")
	status := make(chan int)
	go func() {
		resp, err := http.Get(n.URL + "/x")
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	if p := <-h.Reached; p != "/x" {
		t.Errorf("reached %s", p)
	}
	h.Release()
	if s := <-status; s != 200 {
		t.Errorf("released = %d", s)
	}

	d := n.Drip("/x/-/")
	resp, err := http.Get(n.URL + "/x/-/x-1.0.0.tgz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	<-d.Reached
	d.Allow(7)
	got := make([]byte, 7)
	if _, err := io.ReadFull(resp.Body, got); err != nil {
		t.Fatal(err)
	}
	d.Release()
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(append(got, rest...), n.Tarball("x", "1.0.0")) {
		t.Errorf("dripped %d bytes, %v", 7+len(rest), err)
	}
}
