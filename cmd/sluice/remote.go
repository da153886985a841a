package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

// remoteFlags name the organization that a command works with, over its API.
type remoteFlags struct {
	Server    string `help:"Address of the organization, such as https://acme.sluice.example or https://sluice.example/o/acme; default: where 'sluice login' was." env:"SLUICE_SERVER" placeholder:"URL"`
	Token     secret `help:"Token; the environment variable is better, since other people on this machine see command lines." env:"SLUICE_TOKEN"`
	JSON      bool   `name:"json" help:"Print JSON for programs, with the names of the API."`
	PlainHTTP bool   `name:"plain-http" help:"Send the token over http to another machine, where everybody on the way can read it." env:"SLUICE_PLAIN_HTTP"`
}

// remote is what the commands on a server use.
type remote struct {
	*apiclient.Client
	out  io.Writer
	json bool
	now  func() time.Time
}

// usageError is a mistake in how a command was called: exit status 2.
type usageError struct{ says string }

// Error implements error.
func (e usageError) Error() string { return e.says }

func misused(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// exitStatus is what the process ends with: 2 for a mistake in the call, 1 for
// what was refused or failed.
func exitStatus(err error) int {
	var u usageError
	if errors.As(err, &u) {
		return 2
	}
	return 1
}

// do runs a command on the server that the flags, the environment or the login
// name.
func (f remoteFlags) do(ctx context.Context, run func(context.Context, *remote) error) error {
	r, err := f.connect(os.Stdout)
	if err != nil {
		return err
	}
	return run(ctx, r)
}

func (f remoteFlags) connect(out io.Writer) (*remote, error) {
	kept, err := readLogin()
	if err != nil {
		return nil, err
	}
	server, token := f.Server, string(f.Token)
	if server == "" {
		server = kept.Server
	}
	if server == "" {
		return nil, misused("which server? Give --server or SLUICE_SERVER, or log in with 'sluice login --server https://acme.sluice.example'")
	}
	if server, err = checkServer(server, f.PlainHTTP); err != nil {
		return nil, err
	}
	// A kept token goes nowhere but to the server that it was kept for.
	if token == "" && server == kept.Server {
		token = kept.Token
	}
	if token == "" {
		return nil, misused("which token? Set SLUICE_TOKEN, or log in with 'sluice login --server %s'", server)
	}
	return &remote{Client: apiclient.New(server, token, "sluice/"+version, transport()), out: out, json: f.JSON, now: time.Now}, nil
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = time.Minute
	return t
}

// checkServer returns the address of an organization as it is compared and
// kept.
func checkServer(address string, plain bool) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", misused("the server %.200q is no address of an organization; want for example https://acme.sluice.example or https://sluice.example/o/acme", address)
	}
	if u.Scheme == "http" && !plain && !local(u.Hostname()) {
		return "", misused("the server %s would get the token over http, where everybody on the way can read it; use https, or --plain-http if you mean it", u.Redacted())
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// registryID finds a registry by its name.
func (r *remote) registryID(ctx context.Context, name string) (string, error) {
	found, err := apiclient.RegistryNamed(ctx, r, name)
	if err != nil {
		return "", err
	}
	if found.Registry == nil {
		return "", &apiclient.Error{Code: "NOT_FOUND", Field: "registry", Message: fmt.Sprintf("there is no registry %q", name)}
	}
	return found.Registry.Id, nil
}

// maybeRegistry is registryID for a flag that may be left out.
func (r *remote) maybeRegistry(ctx context.Context, name string) (*string, error) {
	if name == "" {
		return nil, nil
	}
	id, err := r.registryID(ctx, name)
	return &id, err
}

// wrong turns what a mutation found wrong into an error.
func wrong(errors []apiclient.Wrong) error {
	if len(errors) == 0 {
		return nil
	}
	first := errors[0]
	return &apiclient.Error{Code: string(first.Code), Field: valueOr(first.Field, ""), Message: first.Message}
}

// valueOr is what a pointer points to, or something else.
func valueOr[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}

// given is a pointer to what is not the zero value.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// largestPage is the most that the API gives at once.
const largestPage = 100

// limitFlag bounds lists.
type limitFlag struct {
	Limit int `help:"Most entries shown." default:"50"`
}

// page is a part of a list as it arrived.
type page[T any] struct {
	rows []T
	more bool
	end  *string
}

// upTo reads pages until there are so many entries, or no more.
func upTo[T any](f limitFlag, next func(first int, after *string) (page[T], error)) ([]T, error) {
	if f.Limit < 1 {
		return nil, misused("--limit %d must be at least 1", f.Limit)
	}
	out := []T{}
	for after := (*string)(nil); ; {
		p, err := next(min(f.Limit-len(out), largestPage), after)
		if err != nil {
			return nil, err
		}
		out = append(out, p.rows...)
		if !p.more || len(out) >= f.Limit || p.end == nil {
			return out[:min(len(out), f.Limit)], nil
		}
		after = p.end
	}
}
