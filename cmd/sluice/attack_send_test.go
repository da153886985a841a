package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// call is a request as an attacker writes it. It reaches the node whatever its
// address says, by the proxy that ends TLS unless from says otherwise.
type call struct {
	method string // "" is GET
	to     string // an absolute URL
	token  string // as Bearer, "" for none
	header []string
	body   string
	from   string // another address on loopback, which is no trusted proxy's
	at     *served
}

// send makes a request and reads the whole answer. Redirects are not followed.
func (f *field) send(c call) (a answer) {
	f.Helper()
	within := 20 * time.Second
	if slices.Contains(c.header, "text/event-stream") {
		within = 3 * time.Second // one that is let in has no end
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if c.method == "" {
		c.method = http.MethodGet
	}
	fmt.Fprintln(&f.said, c.method, c.to, c.header, c.body)
	if plain, err := url.QueryUnescape(c.to); err == nil {
		fmt.Fprintln(&f.said, plain)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.to, strings.NewReader(c.body))
	if err != nil {
		return answer{err: err}
	}
	req.Header.Set("X-Forwarded-Proto", req.URL.Scheme)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(c.header); i += 2 {
		if c.header[i] == "Host" {
			req.Host = c.header[i+1]
			continue
		}
		req.Header.Add(c.header[i], c.header[i+1])
	}
	resp, err := f.transport(c).RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// transport reaches a node for every host name.
func (f *field) transport(c call) http.RoundTripper {
	at := f.first
	if c.at != nil {
		at = c.at
	}
	dial := net.Dialer{}
	if c.from != "" {
		dial.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	reach := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dial.DialContext(ctx, "tcp", at.server.Listener.Addr().String())
	}
	return &http.Transport{DisableKeepAlives: true, DisableCompression: true, DialContext: reach, DialTLSContext: reach}
}

// raw sends text as it is, for what no client would write.
func (f *field) raw(text string) (a answer) {
	f.Helper()
	f.said.WriteString(text)
	conn, err := net.Dial("tcp", f.first.server.Listener.Addr().String())
	if err != nil {
		return answer{err: err}
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return answer{err: err}
	}
	if _, err := io.WriteString(conn, text); err != nil {
		return answer{err: err}
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// lines is a request of raw: a request line and headers.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\nConnection: close\r\n\r\n" }

// operation is a GraphQL request.
type operation struct {
	query string
	vars  map[string]any
	// file is sent for the variable of this path, "" for none.
	file   string
	stream bool // a subscription
}

// ask sends an operation to an organization's address.
func (f *field) ask(home, token string, op operation, header ...string) answer {
	f.Helper()
	body, err := json.Marshal(map[string]any{"query": op.query, "variables": op.vars})
	f.ok(err)
	c := call{method: http.MethodPost, to: home + "/graphql", token: token, header: append([]string{"Content-Type", "application/json"}, header...), body: string(body)}
	if op.stream {
		c.header = append(c.header, "Accept", "text/event-stream")
	}
	if op.file != "" {
		f.attach(&c, op.file)
	}
	return f.send(c)
}

// attach makes a request one of a form with a file.
func (f *field) attach(c *call, path string) {
	f.Helper()
	var text bytes.Buffer
	form := multipart.NewWriter(&text)
	f.ok(form.SetBoundary("the-same-every-time"))
	f.ok(form.WriteField("operations", c.body))
	f.ok(form.WriteField("map", fmt.Sprintf(`{"0":["variables.%s"]}`, path)))
	part, err := form.CreateFormFile("0", "package-lock.json")
	f.ok(err)
	_, err = io.WriteString(part, `{"name":"x","lockfileVersion":3,"packages":{}}`)
	f.ok(err)
	f.ok(form.Close())
	c.header = append(c.header[2:], "Content-Type", form.FormDataContentType(), "GraphQL-Preflight", "1")
	c.body = text.String()
}

// asOwner asks as acme's owner at acme.
func (f *field) asOwner(query string, vars map[string]any) answer {
	f.Helper()
	return f.ask(acmeAt, f.tokens["owner"], operation{query: query, vars: vars})
}
