package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"sluice.dev/sluice/cmd/internal/apiclient"
	"sluice.dev/sluice/protocol/workload"
)

// idTokenVariable is where a job without GitHub's service has its identity
// token, as .gitlab-ci.yml names it.
const idTokenVariable = "SLUICE_ID_TOKEN" //nolint:gosec // a variable's name

type ciTokenCmd struct {
	Server    string `help:"Address of the organization, such as https://acme.sluice.example." env:"SLUICE_SERVER" required:"" placeholder:"URL"`
	Audience  string `help:"Audience that GitHub's identity token is asked for; default: the server."`
	ReadOnly  bool   `help:"A token that only reads, whatever the trust rule allows."`
	GitHubEnv string `name:"github-env" help:"Put the token into this variable for the job's later steps instead of printing it." placeholder:"NAME"`
	JSON      bool   `name:"json" help:"Print the whole answer as JSON."`
	PlainHTTP bool   `name:"plain-http" help:"Send the identity token over http to another machine, where everybody on the way can read it." env:"SLUICE_PLAIN_HTTP"`
}

// job is the environment of a CI job.
type job struct {
	getenv     func(string) string
	http       *http.Client
	out, notes io.Writer
}

// Run exchanges the identity of the CI job for a token of fifteen minutes, and
// prints it.
func (c *ciTokenCmd) Run(ctx context.Context) error {
	return c.run(ctx, job{os.Getenv, &http.Client{Transport: transport()}, os.Stdout, os.Stderr})
}

func (c *ciTokenCmd) run(ctx context.Context, j job) error {
	server, err := checkServer(c.Server, c.PlainHTTP)
	if err != nil {
		return err
	}
	if c.GitHubEnv != "" && (!regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(c.GitHubEnv) || j.getenv("GITHUB_ENV") == "") {
		return misused("--github-env %q must be the name of a variable, in a job of GitHub Actions", c.GitHubEnv)
	}
	audience := c.Audience
	if audience == "" {
		audience = server
	}
	identity, err := j.identity(ctx, audience)
	if err != nil {
		return err
	}
	got, err := exchangeIdentity(ctx, apiclient.New(server, "", "sluice/"+version, j.http.Transport), identity, c.ReadOnly)
	if err != nil {
		return err
	}
	if j.getenv("GITHUB_ACTIONS") == "true" {
		// The runner takes this line away and hides the token in all logs.
		fmt.Fprintln(j.notes, "::add-mask::"+got.Token)
	}
	switch {
	case c.GitHubEnv != "":
		return appendLine(j.getenv("GITHUB_ENV"), c.GitHubEnv+"="+got.Token)
	case c.JSON:
		return json.NewEncoder(j.out).Encode(got)
	}
	fmt.Fprintln(j.out, got.Token)
	return nil
}

// identity is the job's identity token: asked of GitHub's service where there is
// one, else from the environment.
func (j job) identity(ctx context.Context, audience string) (string, error) {
	if token := j.getenv(idTokenVariable); token != "" {
		return strings.TrimSpace(token), nil
	}
	address, bearer := j.getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), j.getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	if address == "" || bearer == "" {
		return "", misused("there is no identity token. On GitHub Actions, give the job 'permissions: id-token: write'; on GitLab, 'id_tokens: %s: aud: %s'", idTokenVariable, audience)
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", &apiclient.Error{Code: apiclient.Network, Message: "ACTIONS_ID_TOKEN_REQUEST_URL is no address"}
	}
	q := u.Query()
	q.Set("audience", audience)
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	res, err := j.http.Do(req)
	if err != nil {
		return "", &apiclient.Error{Code: apiclient.Network, Message: "GitHub's identity service at " + u.Host + " does not answer: " + errors.Unwrap(err).Error()}
	}
	defer res.Body.Close()
	var answer struct{ Value string }
	err = json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&answer)
	if res.StatusCode != http.StatusOK || err != nil || answer.Value == "" {
		return "", &apiclient.Error{Code: apiclient.BadAnswer, Message: fmt.Sprintf("GitHub's identity service at %s answered %d without an identity token", u.Host, res.StatusCode)}
	}
	return answer.Value, nil
}

// exchanged is the answer to an exchange.
type exchanged struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Seconds int    `json:"expires_in"`
	Scope   string `json:"scope"`
}

// exchangeIdentity asks for a token (RFC 8693).
func exchangeIdentity(ctx context.Context, c *apiclient.Client, identity string, readOnly bool) (out exchanged, err error) {
	form := url.Values{"grant_type": {workload.GrantType}, "subject_token": {identity}, "subject_token_type": {workload.IDToken}}
	if readOnly {
		form.Set("scope", "read")
	}
	status, header, answer, err := c.Post(ctx, workload.Path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
	if err != nil {
		return out, err
	}
	if status != http.StatusOK {
		return out, c.Refusal(status, header, answer)
	}
	if err := json.Unmarshal(answer, &out); err != nil || out.Token == "" {
		return out, &apiclient.Error{Code: apiclient.BadAnswer, Message: c.Server() + workload.Path + " answered without a token"}
	}
	return out, nil
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
