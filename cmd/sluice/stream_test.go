package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/quarantine"
)

// stream follows the organization's holds as a page of the console does. Its
// events end with the stream.
func (br *browser) stream(ctx context.Context) <-chan string {
	br.b.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, acmeAt+"/graphql", strings.NewReader(`{"query":"subscription { holdChanged { package } }"}`))
	if err != nil {
		br.b.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "text/event-stream", "Origin": acmeAt, "Sec-Fetch-Site": "same-origin"} {
		req.Header.Set(name, value)
	}
	resp, err := br.http.Do(req)
	if err != nil {
		br.b.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		br.b.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	out := make(chan string, 16)
	go func() {
		defer close(out)
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				out <- data
			}
		}
	}()
	return out
}

// TestA1_StreamsEndWithTheSession: logging out, on whatever node, ends what the
// browser follows within a second, and a stream that waits keeps no session
// from running out.
func TestA1_StreamsEndWithTheSession(t *testing.T) {
	b := newLoginBench(t)
	lib := b.acme.team("lib")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ends := func(events <-chan string, why string) {
		t.Helper()
		began := time.Now()
		for e := range events {
			if strings.Contains(e, "UNAUTHENTICATED") {
				if took := time.Since(began); took > 2*time.Second { // the second of the law, and a slow machine
					t.Errorf("%s: the stream ended after %v", why, took)
				}
				return
			}
		}
		t.Errorf("%s: the stream does not say why it ends", why)
	}
	br := b.enter()
	events := br.stream(ctx)
	// It follows once something arrives: until then, more of it happens.
	for i, heard := 0, false; !heard; i++ {
		_, err := b.first.quarantine.Hold(b.acme.ctx, quarantine.HoldInput{Registry: lib, Name: "left-pad", Version: "1.0." + strings.Repeat("1", i+1), Reason: "odd"})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-events:
			heard = strings.Contains(e, "left-pad")
		case <-time.After(200 * time.Millisecond):
		}
	}
	second := b.serve()
	away := *br
	away.at = second
	away.http = &http.Client{Jar: br.jar, Transport: proxy{&away}, CheckRedirect: br.http.CheckRedirect}
	end(b, &away)
	ends(events, "logging out on another node")

	idle := b.enter().stream(ctx)
	b.clock.pass(login.IdleTime)
	ends(idle, "twelve hours without a request")
}
