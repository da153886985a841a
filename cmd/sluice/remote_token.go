package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

type tokensCmd struct {
	List   listTokensCmd  `cmd:"" help:"List your tokens, or everybody's if you may."`
	Create createTokenCmd `cmd:"" help:"Make a personal token and print its secret, this once."`
	Revoke revokeTokenCmd `cmd:"" help:"End a token for good."`
}

type listTokensCmd struct {
	remoteFlags
	limitFlag
}

// Run lists tokens.
func (c *listTokensCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *listTokensCmd) run(ctx context.Context, r *remote) error {
	rows, err := upTo(c.limitFlag, func(first int, after *string) (p page[apiclient.TokenShown], err error) {
		got, err := apiclient.Tokens(ctx, r, first, after)
		if err != nil || got.Tokens == nil {
			return p, err
		}
		for _, e := range got.Tokens.Edges {
			p.rows = append(p.rows, e.Node.TokenShown)
		}
		p.more, p.end = got.Tokens.PageInfo.HasNextPage, got.Tokens.PageInfo.EndCursor
		return p, nil
	})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, t := range rows {
			owner, rights, state := "", "read", "valid"
			if t.Member != nil {
				owner = t.Member.Email
			}
			if t.Write {
				rights = "write"
			}
			switch {
			case t.RevokedAt != nil:
				state = "revoked"
			case t.ExpiresAt != nil && !t.ExpiresAt.After(r.now()):
				state = "expired"
			}
			out = append(out, []string{t.Name, "…" + t.Hint, owner, rights, registryNames(t), state, maybeMoment(t.ExpiresAt), maybeMoment(t.LastUsedAt), t.Id})
		}
		r.table("NAME, SECRET, OWNER, RIGHTS, REGISTRIES, STATE, EXPIRES, LAST USED, TOKEN", out)
	})
}

func registryNames(t apiclient.TokenShown) string {
	names := make([]string, len(t.Registries))
	for i, reg := range t.Registries {
		names[i] = reg.Name
	}
	return strings.Join(names, " ")
}

type createTokenCmd struct {
	remoteFlags
	Name       string        `arg:"" help:"To recognise it by."`
	Write      bool          `help:"It may do more than read."`
	Registry   []string      `help:"Limit it to this registry; may be given more than once."`
	ExpiresIn  time.Duration `help:"It ends after this time, such as 720h." placeholder:"DURATION"`
	SecretOnly bool          `help:"Print nothing but the secret."`
}

// Run makes a token. Its secret is printed, since it is kept nowhere.
func (c *createTokenCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *createTokenCmd) run(ctx context.Context, r *remote) error {
	if c.ExpiresIn < 0 {
		return misused("--expires-in %s must not be negative", c.ExpiresIn)
	}
	var ends *time.Time
	if c.ExpiresIn > 0 {
		at := r.now().Add(c.ExpiresIn)
		ends = &at
	}
	var registries []string
	for _, name := range c.Registry {
		id, err := r.registryID(ctx, name)
		if err != nil {
			return err
		}
		registries = append(registries, id)
	}
	got, err := apiclient.CreateToken(ctx, r, c.Name, c.Write, registries, ends)
	if err != nil {
		return err
	}
	p := got.CreateToken
	if p == nil {
		return &apiclient.Error{Code: apiclient.BadAnswer, Message: "the server did not say what became of the token"}
	}
	for _, e := range p.UserErrors {
		return wrong([]apiclient.Wrong{e.Wrong})
	}
	if p.Token == nil || p.Secret == nil {
		return &apiclient.Error{Code: apiclient.BadAnswer, Message: "the server did not say what became of the token"}
	}
	if c.SecretOnly {
		fmt.Fprintln(r.out, *p.Secret)
		return nil
	}
	shown := struct {
		apiclient.TokenShown
		Secret string `json:"secret"`
	}{p.Token.TokenShown, *p.Secret}
	return r.show(shown, func() {
		r.line("%s\n\nIt is shown this once. To end it: sluice tokens revoke %s", shown.Secret, shown.Id)
	})
}

type revokeTokenCmd struct {
	remoteFlags
	ID string `arg:"" name:"token" help:"The token, as 'sluice tokens list' shows it in its last column; not the secret."`
}

// Run ends a token.
func (c *revokeTokenCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *revokeTokenCmd) run(ctx context.Context, r *remote) error {
	got, err := apiclient.RevokeToken(ctx, r, c.ID)
	if err != nil {
		return err
	}
	if p := got.RevokeToken; p != nil {
		for _, e := range p.UserErrors {
			return wrong([]apiclient.Wrong{e.Wrong})
		}
	}
	return r.show(map[string]string{"token": c.ID}, func() { r.line("revoked") })
}
