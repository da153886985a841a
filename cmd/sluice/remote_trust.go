package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

type trustCmd struct {
	List listTrustCmd `cmd:"" help:"List the trust rules that you may see."`
	Test testTrustCmd `cmd:"" help:"Show how an identity would fare with a trust rule."`
}

type trustRow = apiclient.TrustRulesTrustRulesTrustRuleConnectionEdgesTrustRuleEdgeNodeTrustRule

type listTrustCmd struct {
	remoteFlags
	limitFlag
	Search string `help:"With this text in the name."`
}

// Run lists trust rules.
func (c *listTrustCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *listTrustCmd) run(ctx context.Context, r *remote) error {
	rows, err := r.trustRules(ctx, c.limitFlag, &apiclient.TrustRuleFilter{Search: given(c.Search)})
	if err != nil {
		return err
	}
	return r.show(rows, func() {
		var out [][]string
		for _, t := range rows {
			var claims, reaches []string
			for _, claim := range t.Claims {
				claims = append(claims, claim.Name+"="+claim.Value)
			}
			if t.ServiceAccount != nil {
				reaches = append(reaches, "account "+*t.ServiceAccount)
			}
			for _, reg := range t.Registries {
				reaches = append(reaches, reg.Name)
			}
			rights := "read"
			if t.Write {
				rights = "write"
			}
			out = append(out, []string{t.Name, t.Issuer, strings.Join(claims, " "), strings.Join(reaches, " "), rights, maybeMoment(t.LastUsedAt), t.Id})
		}
		r.table("NAME, ISSUER, CLAIMS, REACHES, RIGHTS, LAST USED, RULE", out)
	})
}

func (r *remote) trustRules(ctx context.Context, limit limitFlag, filter *apiclient.TrustRuleFilter) ([]trustRow, error) {
	return upTo(limit, func(first int, after *string) (p page[trustRow], err error) {
		got, err := apiclient.TrustRules(ctx, r, first, after, filter)
		if err != nil || got.TrustRules == nil {
			return p, err
		}
		for _, e := range got.TrustRules.Edges {
			p.rows = append(p.rows, e.Node)
		}
		p.more, p.end = got.TrustRules.PageInfo.HasNextPage, got.TrustRules.PageInfo.EndCursor
		return p, nil
	})
}

type testTrustCmd struct {
	remoteFlags
	Name  string            `arg:"" name:"rule" help:"The name of the trust rule."`
	Claim map[string]string `help:"A claim and its value, as repository=acme/widgets; may be given more than once. Without any, the identity token in SLUICE_ID_TOKEN is tested."`
}

// Run compares an identity with a rule; it fails when the rule does not match.
func (c *testTrustCmd) Run(ctx context.Context) error { return c.do(ctx, c.run) }

func (c *testTrustCmd) run(ctx context.Context, r *remote) error {
	var claims []apiclient.TrustClaimInput
	for name, value := range c.Claim {
		claims = append(claims, apiclient.TrustClaimInput{Name: name, Value: value})
	}
	token := given(os.Getenv(idTokenVariable))
	if len(claims) > 0 {
		token = nil
	} else if token == nil {
		return misused("what is to be tested? Give --claim, or an identity token in %s", idTokenVariable)
	}
	rules, err := r.trustRules(ctx, limitFlag{1000}, &apiclient.TrustRuleFilter{Search: given(c.Name)})
	if err != nil {
		return err
	}
	id := ""
	for _, t := range rules {
		if t.Name == c.Name {
			id = t.Id
		}
	}
	if id == "" {
		return &apiclient.Error{Code: "NOT_FOUND", Message: "there is no trust rule of that name, or you may not see it"}
	}
	got, err := apiclient.TestTrustRule(ctx, r, id, token, claims)
	if err != nil {
		return err
	}
	t := got.TestTrustRule
	if t == nil {
		return &apiclient.Error{Code: apiclient.BadAnswer, Message: "the server did not say how the identity fares"}
	}
	if err := r.show(t, func() { trustTestTo(r, t) }); err != nil {
		return err
	}
	if !t.Matches {
		return &apiclient.Error{Code: "NO_MATCH", Message: "the rule " + c.Name + " does not match"}
	}
	return nil
}

func trustTestTo(r *remote, t *apiclient.TestTrustRuleTestTrustRuleTrustTest) {
	if t.Problem != nil {
		r.line("the identity token: %s", *t.Problem)
	}
	var out [][]string
	for _, c := range t.Claims {
		value := valueOr(c.Given, "")
		var text string
		if json.Unmarshal([]byte(value), &text) == nil {
			value = text
		}
		out = append(out, []string{c.Name, c.Wanted, value, yes(c.Matches)})
	}
	r.table("CLAIM, WANTED, GIVEN, MATCHES", out)
}
