package oidc

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"time"
)

// calm answers requests for a provider's keys from memory for some seconds: a
// token with a key id that nobody knows makes the verifier ask for the keys
// again, and strangers can send as many of those as they like.
type calm struct {
	next http.RoundTripper
	now  func() time.Time
	url  string // of the keys; "" before they are known

	mu    sync.Mutex
	until time.Time
	body  []byte
	head  http.Header
}

// RoundTrip implements http.RoundTripper.
func (c *calm) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet || c.url == "" || r.URL.String() != c.url {
		return c.next.RoundTrip(r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.body != nil && c.now().Before(c.until) {
		return c.answer(r), nil
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	c.body, c.head, c.until = body, resp.Header, c.now().Add(keysFor)
	return c.answer(r), nil
}

func (c *calm) answer(r *http.Request) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.head.Clone(), Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)), Request: r}
}
