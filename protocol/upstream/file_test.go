package upstream

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func open(c *Client, r Remote, url string) (string, int64, error) {
	f, size, err := c.GetFile(context.Background(), Request{Remote: r, URL: url})
	if err != nil {
		return "", size, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), size, err
}

func TestFileStreamsWithoutDecoding(t *testing.T) {
	c, r := serve(t, Config{}, func(w http.ResponseWriter, req *http.Request) {
		if e := req.Header.Get("Accept-Encoding"); e != "identity" {
			t.Errorf("Accept-Encoding = %q", e)
		}
		_, _ = w.Write([]byte("bytes"))
	})
	if got, size, err := open(c, r, r.BaseURL+"/f.tgz"); got != "bytes" || size != 5 || err != nil {
		t.Errorf("%q, %d, %v", got, size, err)
	}
}

func TestF6_FilesComeFromListedHostsOnly(t *testing.T) {
	echo := func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, "auth=", req.Header.Get("Authorization"))
	}
	home, files := httptest.NewServer(http.HandlerFunc(echo)), httptest.NewServer(http.HandlerFunc(echo))
	defer home.Close()
	defer files.Close()
	c := client(t, Config{}, home, files)
	r := Remote{ID: "1", Name: "npm-public", BaseURL: home.URL, Token: "s3cret"}

	if got, _, err := open(c, r, home.URL+"/f"); err != nil || got != "auth=Bearer s3cret" {
		t.Errorf("own host: %q, %v", got, err)
	}
	_, _, err := open(c, r, files.URL+"/f")
	wantError(t, err, false, "neither its own nor one of its file hosts")
	r.FileHosts = []string{files.Listener.Addr().String()}
	if got, _, err := open(c, r, files.URL+"/f"); err != nil || got != "auth=" {
		t.Errorf("file host: %q, %v; a credential may not go there", got, err)
	}
}

func TestFileHostsWithoutPortMeanTheSchemesPort(t *testing.T) {
	c := client(t, Config{})
	r := Remote{Name: "npm-public", BaseURL: "https://registry.example/npm", FileHosts: []string{"CDN.example", "files.example:8443"}}
	for url, want := range map[string]string{
		"https://registry.example/x":      "https://registry.example/x",
		"https://registry.example:443/x":  "https://registry.example:443/x",
		"http://registry.example/x":       "https://registry.example/x",
		"http://registry.example:8080/x":  "",
		"https://cdn.example/x":           "https://cdn.example/x",
		"http://cdn.example/x":            "http://cdn.example/x",
		"https://cdn.example:8443/x":      "",
		"https://files.example:8443/x":    "https://files.example:8443/x",
		"https://files.example/x":         "",
		"https://registry.example.evil/x": "",
		"https://evil.cdn.example/x":      "",
	} {
		u, err := target(Request{Remote: r, URL: url})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.fileTarget(u, r)
		if want == "" && err == nil || want != "" && (err != nil || got.String() != want) {
			t.Errorf("%s: %v, %v; want %q", url, got, err, want)
		}
	}
}

func TestFileFailures(t *testing.T) {
	hang := make(chan struct{})
	c, r := serve(t, Config{MaxFile: 1 << 10, IdleTime: 30 * time.Millisecond}, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/announced":
			w.Header().Set("Content-Length", "1025")
			_, _ = w.Write(make([]byte, 1025))
		case "/streamed":
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 1025))
		case "/exact":
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 1024))
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		case "/hang":
			_, _ = w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			<-hang
		}
	})
	defer close(hang)
	if got, size, err := open(c, r, r.BaseURL+"/exact"); len(got) != 1024 || size != -1 || err != nil {
		t.Errorf("a file of exactly the bound: %d bytes, size %d, %v", len(got), size, err)
	}
	for path, want := range map[string]struct {
		outage bool
		words  string
	}{
		"/gone":      {false, "does not have this file"},
		"/announced": {false, "bound of 1 KiB"},
		"/streamed":  {false, "bound of 1 KiB"},
		"/short":     {true, "before it was complete"},
		"/hang":      {true, "sent nothing for 30ms"},
	} {
		_, _, err := open(c, r, r.BaseURL+path)
		wantError(t, err, want.outage, want.words)
	}
}

func TestF3_FileSlotsAreHeldUntilClose(t *testing.T) {
	c, r := serve(t, Config{FilesPerHost: 1, QueueTime: 10 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<10))
	})
	f, _, err := c.GetFile(context.Background(), Request{Remote: r, URL: r.BaseURL + "/a"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = open(c, r, r.BaseURL+"/b")
	wantError(t, err, true, "is busy")
	f.Close()
	f.Close()
	if _, _, err = open(c, r, r.BaseURL+"/b"); err != nil {
		t.Error(err)
	}
}

func TestF6_NoDowngradeToPlainHTTP(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked over plain http") }))
	defer plain.Close()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/down" {
			http.Redirect(w, req, plain.URL, http.StatusFound)
			return
		}
		fmt.Fprint(w, req.Proto)
	}))
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	r := Remote{ID: "1", Name: "npm-public", BaseURL: s.URL}
	c := client(t, Config{RootCAs: pool}, s, plain)
	if _, err := get(c, r, "/x"); err != nil {
		t.Error(err)
	}
	_, err := get(c, r, "/down")
	wantError(t, err, false, "from https to http")

	_, err = get(client(t, Config{}, s), r, "/x")
	wantError(t, err, true, "TLS certificate is not valid")
	if !strings.Contains(err.Error(), "x509") {
		t.Errorf("the log does not say what is wrong with the certificate: %v", err)
	}
}
