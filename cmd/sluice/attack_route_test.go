package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/workload"
)

// routeAttempts reach for what stands beside packages and GraphQL: the export of
// the audit events, the tokens for jobs, and the pages of those who operate the
// platform.
func routeAttempts() (out []attempt) {
	out = append(out, exportAttempts()...)
	out = append(out, workloadAttempts()...)
	return append(out, operatorAttempts()...)
}

// exportAttempts ask for audit events that are not for who asks.
func exportAttempts() (out []attempt) {
	const group = "Audit export: events that are another's (A5, T3)"
	add := func(name, as string, aim func(f *field) shot) { out = append(out, attempt{group, name, as, aim}) }
	get := func(f *field, home, token string, header ...string) func() answer {
		return func() answer { return f.send(call{to: home + exportPath, token: token, header: header}) }
	}
	add("of globex, with acme's token", "the owner of acme", func(f *field) shot {
		token, none := f.tokens["owner"], invented(9, true)
		return shot{fire: get(f, globexAt, token), like: get(f, globexAt, none), sent: []string{token, none}}
	})
	add("of globex, with acme's session", "who has Ana's session of acme", func(f *field) shot {
		secret, none := f.enter().secret(acmeAt), strings.Repeat("A", 43)
		with := func(s string) func() answer {
			return get(f, globexAt, "", "Cookie", sessionCookie+"="+s, "Sec-Fetch-Site", "same-origin")
		}
		return shot{fire: with(secret), like: with(none), sent: []string{secret, none}}
	})
	add("of acme, without a token", "nobody", func(f *field) shot { return shot{fire: get(f, acmeAt, "")} })
	for _, role := range []string{"member", "reader", "publisher", "for one package", "for one network", "service account"} {
		add("of acme, without audit:read", role+" of acme", func(f *field) shot { return shot{fire: get(f, acmeAt, f.tokens[role])} })
	}
	for _, how := range []string{"expired", "revoked", "of a member who was deactivated"} {
		add("of acme, with a token that is "+how, "who had it", func(f *field) shot { return shot{fire: get(f, acmeAt, f.spent[how])} })
	}
	// These may read, but not everything; that they did is an event itself.
	part := func(name, as string, hidden func(f *field) uuid.UUID) {
		add(name, as+" of acme", func(f *field) shot {
			return shot{fire: get(f, acmeAt, f.tokens[as]), writes: exporting, refused: func(a answer) bool {
				return a.status == http.StatusOK && strings.Contains(string(a.body), "audit:export") && !strings.Contains(string(a.body), hidden(f).String())
			}}
		})
	}
	part("has nothing of globex", "owner", func(f *field) uuid.UUID { return f.theirs.ids["organization"] })
	part("has nothing of another registry", "security", func(f *field) uuid.UUID { return f.ours.reg["other"] })
	part("has nothing of a registry that the token is not for", "for one registry", func(f *field) uuid.UUID { return f.ours.reg["other"] })
	return out
}

// exporting are the tables into which an export writes that it took place.
var exporting = []string{"audit_events", "audit_pending"}

// workloadAttempts trade identity tokens of a CI service for acme's, as any job
// may that a rule of trust names.
func workloadAttempts() (out []attempt) {
	const group = "Tokens for jobs: identity tokens that are not for this (A2, T3)"
	redeem := func(f *field, home, query, raw string) func() answer {
		form := url.Values{"grant_type": {workload.GrantType}, "subject_token": {raw}, "subject_token_type": {workload.IDToken}}.Encode()
		c := call{method: http.MethodPost, to: home + workload.Path, header: []string{"Content-Type", "application/x-www-form-urlencoded"}, body: form}
		if query != "" {
			c.to, c.body = c.to+"?"+form, ""
		}
		return func() answer { return f.send(c) }
	}
	// add compares with a token of an issuer that nobody trusts, where alike says
	// that there is one answer for both.
	add := func(name, home, query string, alike bool, raw func(f *field) string) {
		out = append(out, attempt{group, name, "a build", func(f *field) shot {
			if a := redeem(f, acmeAt, "", f.job(acmeAt, nil))(); a.status != http.StatusOK {
				f.Fatalf("an honest build gets no token: %d %s", a.status, a.body)
			}
			s := shot{fire: redeem(f, home, query, raw(f))}
			if alike {
				s.like = redeem(f, home, query, f.job(home, map[string]any{"iss": "https://nobody.example"}))
			}
			return s
		}})
	}
	of := func(audience string, change map[string]any) func(f *field) string {
		return func(f *field) string { return f.job(audience, change) }
	}
	add("of another repository", acmeAt, "", true, of(acmeAt, map[string]any{"repository": "evil/widgets"}))
	add("of a repository that globex trusts", acmeAt, "", true, of(acmeAt, map[string]any{"repository": "globex/widgets"}))
	add("of a repository that only acme trusts, at globex", globexAt, "", true, of(globexAt, nil))
	add("for globex, at acme", acmeAt, "", false, of(globexAt, nil))
	add("for acme, at globex", globexAt, "", false, of(acmeAt, nil))
	add("for the platform", acmeAt, "", false, of(platformAt, nil))
	add("for npm's exchange", acmeAt, "", false, of("npm:acme.sluice.example", nil))
	add("at the platform", platformAt, "", false, of(platformAt, nil))
	add("that has expired", acmeAt, "", false, func(f *field) string {
		return f.job(acmeAt, map[string]any{"exp": f.clock.Now().Unix() - 3600})
	})
	add("in the address, where logs have it", acmeAt, "query", false, of(acmeAt, nil))
	add("that was used already, where the rule lets it be used once", acmeAt, "", true, func(f *field) string {
		used := f.job(acmeAt, nil)
		if a := redeem(f, acmeAt, "", used)(); a.status != http.StatusOK {
			f.Fatalf("an honest build gets no token: %d %s", a.status, a.body)
		}
		return used
	})
	add("with the claims of another one", acmeAt, "", true, func(f *field) string {
		good, bad := strings.Split(f.job(acmeAt, nil), "."), strings.Split(f.job(acmeAt, map[string]any{"repository": "evil/widgets"}), ".")
		return bad[0] + "." + good[1] + "." + bad[2]
	})
	add("of algorithm none", acmeAt, "", false, func(f *field) string {
		head, err := json.Marshal(map[string]string{"alg": "none", "kid": "k"})
		f.ok(err)
		return base64.RawURLEncoding.EncodeToString(head) + "." + strings.Split(f.job(acmeAt, nil), ".")[1] + "."
	})
	return out
}

// job is an identity token of a job of acme/widgets that nobody has used, with
// changes.
func (f *field) job(audience string, change map[string]any) string {
	f.Helper()
	claims := map[string]any{"jti": uuid.NewString()}
	maps.Copy(claims, change)
	return f.ci.token(audience, claims)
}

// operatorAttempts reach for the operators' pages, where Olga operates. To all
// others they do not exist (T5).
func operatorAttempts() (out []attempt) {
	const group = "The platform's operators: their pages, for others (T5)"
	secrets := []struct {
		name, as string
		header   func(f *field) []string
	}{
		{"without anything", "nobody", func(*field) []string { return nil }},
		{"with an owner's token", "the owner of acme", func(f *field) []string { return []string{"Authorization", "Bearer " + f.tokens["owner"]} }},
		{"with an owner's session as the operator's", "Ana of acme", func(f *field) []string {
			return []string{"Cookie", operatorCookie + "=" + f.enter().secret(acmeAt)}
		}},
		{"with an invented session", "nobody", func(*field) []string { return []string{"Cookie", operatorCookie + "=" + strings.Repeat("A", 43)} }},
	}
	for _, path := range []string{"/", "/organizations", "/organizations/globex", "/nodes", "/log", "/river/api/jobs"} {
		for _, s := range secrets {
			out = append(out, attempt{group, "GET " + path + " " + s.name, s.as, unseen(http.MethodGet, platformAt, "/-/operator"+path, s.header)})
		}
	}
	for _, s := range secrets {
		out = append(out, attempt{group, "suspending globex " + s.name, s.as, unseen(http.MethodPost, platformAt, "/-/operator/organizations/globex/suspend", s.header)},
			attempt{group, "the pages on acme's own host " + s.name, s.as, unseen(http.MethodGet, acmeAt, "/-/operator/organizations", s.header)})
	}
	return out
}

// unseen asks for a path, and for one that does not exist.
func unseen(method, home, path string, header func(f *field) []string) func(f *field) shot {
	return func(f *field) shot {
		with := append([]string{"Sec-Fetch-Site", "same-origin"}, header(f)...)
		body := ""
		if method == http.MethodPost {
			with, body = append(with, "Content-Type", "application/x-www-form-urlencoded"), "form=&reason=x"
		}
		ask := func(path string) func() answer {
			return func() answer {
				return f.send(call{method: method, to: home + path, header: with, body: body, at: f.second})
			}
		}
		return shot{fire: ask(path), like: ask("/-/nothing"), sent: []string{path, "/-/nothing"}}
	}
}
