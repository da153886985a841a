// Package apiclient is the typed client of Sluice's GraphQL API that the command
// line uses. What it knows of the server is schema.graphql, as any integrator
// does: the functions in generated.go are made from it and from the documents in
// operations.
package apiclient

//go:generate go tool genqlient genqlient.yaml

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/Khan/genqlient/graphql"
)

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 32 << 20

// Error is what the server, or the way to it, answered instead of what was asked
// for.
type Error struct {
	Code    string // stable, such as NOT_FOUND; NETWORK and BAD_ANSWER when no answer of the API came
	Field   string // the input that it is about; "" for none
	Message string
}

// Codes of what no API answered.
const (
	Network   = "NETWORK"
	BadAnswer = "BAD_ANSWER"
)

// Error returns the message with its code.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message + " (" + e.Code + ")"
	}
	return e.Message + " (" + e.Code + ")"
}

// Client asks one organization's API; it implements graphql.Client. It follows
// no redirects, which could lead a token elsewhere.
type Client struct {
	server string // the organization's address, without a final slash
	token  string
	agent  string
	http   *http.Client
}

// New returns a client for an organization's address, such as
// https://acme.sluice.example or https://sluice.example/o/acme. An empty token
// asks as nobody.
func New(server, token, agent string, transport http.RoundTripper) *Client {
	return &Client{server: strings.TrimRight(server, "/"), token: token, agent: agent, http: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Server returns the organization's address, without a final slash.
func (c *Client) Server() string { return c.server }

// MakeRequest implements graphql.Client. Every error is an *Error, but for a
// context that ended.
func (c *Client) MakeRequest(ctx context.Context, req *graphql.Request, resp *graphql.Response) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	status, header, answer, err := c.Post(ctx, "/graphql", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(header.Get("Content-Type")); kind == "application/problem+json" || status >= 300 && status < 400 {
		return c.Refusal(status, header, answer)
	}
	if err := json.Unmarshal(answer, resp); err != nil {
		if status != http.StatusOK {
			return c.Refusal(status, header, answer)
		}
		return &Error{BadAnswer, "", "what answered at " + c.server + "/graphql is no Sluice of this version: " + err.Error()}
	}
	if len(resp.Errors) == 0 {
		return nil
	}
	first := resp.Errors[0]
	code, _ := first.Extensions["code"].(string)
	field, _ := first.Extensions["field"].(string)
	return &Error{code, field, first.Message}
}

// Post sends a body to a path below the organization's address and reads the
// whole answer, whatever its status.
func (c *Client) Post(ctx context.Context, path, contentType string, body io.Reader) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server+path, body)
	if err != nil {
		return 0, nil, nil, &Error{Network, "", "the server's address cannot be used: " + withoutURL(err)}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.agent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, nil, c.unreachable(ctx, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, nil, c.unreachable(ctx, err)
	}
	if len(answer) > maxAnswer {
		return 0, nil, nil, &Error{BadAnswer, "", fmt.Sprintf("the answer of %s has more than %d bytes", c.server, maxAnswer)}
	}
	return res.StatusCode, res.Header, answer, nil
}

// unreachable says which address did not answer, and what to try.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &Error{Network, "", fmt.Sprintf("%s does not answer: %s. Is the address right (--server, SLUICE_SERVER), does the server run, and does a proxy or firewall stand between?", c.server, withoutURL(err))}
}

// withoutURL is an error of net/http without the address that it repeats.
func withoutURL(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

// Refusal reads an answer that is not what was asked for.
func (c *Client) Refusal(status int, header http.Header, body []byte) error {
	var p struct {
		Detail string `json:"detail"`
		Code   string `json:"code"`
		OAuth  string `json:"error"`
		Says   string `json:"error_description"`
	}
	_ = json.Unmarshal(body, &p) // what is no JSON says nothing
	switch to := header.Get("Location"); {
	case p.Says != "":
		return &Error{p.OAuth, "", p.Says}
	case p.Detail != "" && p.Code != "":
		return &Error{p.Code, "", p.Detail}
	case status >= 300 && status < 400:
		return &Error{BadAnswer, "", fmt.Sprintf("%s leads to %.200q; use the address of the organization itself", c.server, to)}
	}
	return &Error{BadAnswer, "", fmt.Sprintf("%s answered %d %s, which is no answer of Sluice's API; the address must be an organization's, such as https://acme.sluice.example or https://sluice.example/o/acme",
		c.server, status, http.StatusText(status))}
}
