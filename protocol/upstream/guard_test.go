package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

func TestF6_TheDialledAddressIsChecked(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an internal address was reached")
	}))
	defer inside.Close()
	c, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(inside.Listener.Addr().String(), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "0"} {
		_, err := get(c, Remote{ID: host, Name: "npm-public", BaseURL: "http://" + host + ":" + port}, "/")
		if err == nil {
			t.Fatalf("%s was reached", host)
		}
		if host == "127.0.0.1" || host == "localhost" {
			wantError(t, err, false, "a loopback address, which is not allowed")
			if strings.Contains(errs.Public(err), "127.") {
				t.Errorf("the public message tells what the name resolves to: %s", errs.Public(err))
			}
		}
	}
}

func TestF6_RedirectsAreCheckedAndLoseCredentials(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintf(w, "auth=%q referer=%q", req.Header.Get("Authorization"), req.Referer())
	}))
	defer other.Close()
	forbidden := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a redirect reached an address that is not allowed")
	}))
	defer forbidden.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		to := map[string]string{
			"/same": "/here", "/other": other.URL + "/x", "/forbidden": forbidden.URL + "/?sig=topsecret",
			"/loop": "/loop", "/scheme": "gopher://x/", "/user": "http://a:b@127.0.0.1/",
		}[req.URL.Path]
		if to != "" {
			http.Redirect(w, req, to, http.StatusFound)
			return
		}
		fmt.Fprintf(w, "auth=%q", req.Header.Get("Authorization"))
	}))
	defer home.Close()
	c := client(t, Config{}, home, other)
	r := Remote{ID: "1", Name: "npm-public", BaseURL: home.URL, Token: "s3cret"}
	for path, want := range map[string]string{"/same": `auth="Bearer s3cret"`, "/other": `auth="" referer=""`} {
		if d, err := get(c, r, path); err != nil || string(d.Body) != want {
			t.Errorf("%s: %q, %v; want %s", path, d.Body, err, want)
		}
	}
	for path, words := range map[string]string{
		"/forbidden": "a loopback address, which is not allowed",
		"/loop":      "redirected more than 5 times",
		"/scheme":    "neither http nor https",
		"/user":      "user name in it",
	} {
		_, err := get(c, r, path)
		wantError(t, err, false, words)
		if s := err.Error(); strings.Contains(s, "topsecret") || strings.Contains(s, "s3cret") {
			t.Errorf("secret in error: %s", s)
		}
	}
}

func TestF6_BasicCredential(t *testing.T) {
	c, r := serve(t, Config{}, func(w http.ResponseWriter, req *http.Request) {
		u, p, _ := req.BasicAuth()
		fmt.Fprint(w, u, "/", p)
	})
	r.Username, r.Password = "bob", "p:w"
	if d, err := get(c, r, "/x"); err != nil || string(d.Body) != "bob/p:w" {
		t.Errorf("%q, %v", d.Body, err)
	}
}

func TestF3_AHangingRemoteEnds(t *testing.T) {
	hang := make(chan struct{})
	h := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/body" {
			_, _ = w.Write([]byte("{"))
			w.(http.Flusher).Flush()
		}
		<-hang
	}
	c, r := serve(t, Config{HeaderTime: 30 * time.Millisecond, IdleTime: 30 * time.Millisecond}, h)
	defer close(hang)

	_, err := get(c, r, "/headers")
	wantError(t, err, true, "did not begin to answer within 30ms")
	_, err = get(c, r, "/body")
	wantError(t, err, true, "sent nothing for 30ms")

	c2 := client(t, Config{DocumentTime: 30 * time.Millisecond, AllowedHosts: []string{strings.TrimPrefix(r.BaseURL, "http://")}})
	_, err = get(c2, r, "/body")
	wantError(t, err, true, "not complete within the time bound")
}

func TestR3_BreakerOpensAndHeals(t *testing.T) {
	var n atomic.Int32
	var up atomic.Bool
	h := func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	c, r := serve(t, Config{Attempts: 1, BreakerAfter: 3, BreakerDelay: time.Hour}, h)
	for range 5 {
		_, err := get(c, r, "/")
		wantError(t, err, true)
	}
	if n.Load() != 3 {
		t.Errorf("a remote that failed 3 times was asked %d times", n.Load())
	}
	_, err := get(c, r, "/")
	wantError(t, err, true, "not asked again for a moment")
	other := r
	other.ID, other.Name = "2", "npm-public"
	up.Store(true)
	if _, err := get(c, other, "/"); err != nil {
		t.Errorf("the breaker of one remote stopped another: %v", err)
	}

	// With no delay the next request is the trial that closes the breaker.
	up.Store(false)
	c, r = serve(t, Config{Attempts: 1, BreakerAfter: 1, BreakerDelay: time.Nanosecond}, h)
	_, err = get(c, r, "/")
	wantError(t, err, true, "failed (503)")
	up.Store(true)
	for range 3 {
		if _, err := get(c, r, "/"); err != nil {
			t.Errorf("after healing: %v", err)
		}
	}
}

func TestR3_AnswersDoNotOpenTheBreaker(t *testing.T) {
	var n atomic.Int32
	c, r := serve(t, Config{Attempts: 1, BreakerAfter: 1, BreakerDelay: time.Hour}, func(w http.ResponseWriter, req *http.Request) {
		n.Add(1)
		w.WriteHeader(map[string]int{"/404": 404, "/401": 401, "/400": 400}[req.URL.Path])
	})
	for _, path := range []string{"/404", "/401", "/400", "/404"} {
		_, _ = get(c, r, path)
	}
	if n.Load() != 4 {
		t.Errorf("%d of 4 requests were sent", n.Load())
	}
}

func TestR3_ARefusedConnectionIsAnOutage(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	c := client(t, Config{}, s)
	s.Close()
	_, err := get(c, Remote{ID: "1", Name: "npm-public", BaseURL: s.URL}, "/x?sig=topsecret")
	wantError(t, err, true, "could not be reached: no connection")
	if strings.Contains(err.Error(), "topsecret") {
		t.Errorf("query string in error: %v", err)
	}
}

func TestF3_ConcurrencyPerHostIsBounded(t *testing.T) {
	started, hang := make(chan struct{}), make(chan struct{})
	c, r := serve(t, Config{DocumentsPerHost: 1, QueueTime: 20 * time.Millisecond}, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/hang" {
			close(started)
			<-hang
		}
	})
	done := make(chan error)
	go func() { _, err := get(c, r, "/hang"); done <- err }()
	<-started
	_, err := get(c, r, "/x")
	wantError(t, err, true, "is busy: 1 requests")
	close(hang)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := get(c, r, "/x"); err != nil {
		t.Errorf("the slot was not given back: %v", err)
	}
}

func TestAGivenUpRequestSaysNothingAboutTheRemote(t *testing.T) {
	started, hang := make(chan struct{}, 1), make(chan struct{})
	c, r := serve(t, Config{BreakerAfter: 1, BreakerDelay: time.Hour}, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/hang" {
			started <- struct{}{}
			<-hang
		}
	})
	defer close(hang)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-started; cancel() }()
	_, err := c.GetDocument(ctx, Request{Remote: r, URL: r.BaseURL + "/hang"})
	wantError(t, err, false, "given up")
	if _, err := get(c, r, "/x"); err != nil {
		t.Errorf("the breaker opened: %v", err)
	}
}

func TestRemotesDoNotPrintCredentials(t *testing.T) {
	r := Remote{Name: "n", Token: "s3cret", Password: "s3cret"}
	for _, s := range []string{fmt.Sprint(r), fmt.Sprintf("%+v", r), fmt.Sprintf("%#v", r), fmt.Sprintf("%v", &r)} {
		if strings.Contains(s, "s3cret") {
			t.Errorf("printed %s", s)
		}
	}
}
