package main

import (
	"net/http"
	"net/url"
	"strings"

	"sluice.dev/sluice/tenants/login"
)

// sessionAttempts are about the cookies of people who are logged in, and about
// forms.
func sessionAttempts() (out []attempt) {
	out = append(out, cookieAttempts()...)
	out = append(out, formAttempts()...)
	out = append(out, redirectAttempts()...)
	out = append(out, logoutAttempts()...)
	return append(out, linkAttempts()...)
}

// cookieAttempts carry sessions to where they must be worth nothing.
func cookieAttempts() (out []attempt) {
	const group = "Sessions: cookies in other places, planted and tossed (T6)"
	add := func(name, as string, aim func(f *field) shot) { out = append(out, attempt{group, name, as, aim}) }
	// carried sends Ana's session where it must be worth nothing; an invented one is
	// answered alike.
	carried := func(name, to, cookie string, more ...string) {
		add(name, "who has Ana's session of acme", func(f *field) shot {
			secret, none := f.enter().secret(acmeAt), strings.Repeat("A", 43)
			ask := func(secret string) func() answer {
				return func() answer {
					return f.send(call{to: to, header: append([]string{"Cookie", cookie + "=" + secret, "Sec-Fetch-Site", "same-origin"}, more...)})
				}
			}
			return shot{fire: ask(secret), like: ask(none), sent: []string{secret, none}}
		})
	}
	const page = "/account/sessions"
	carried("at globex", globexAt+page, sessionCookie)
	carried("at globex, in the path form", "http://localhost/o/globex"+page, "sluice-session-globex")
	carried("at globex, under acme's path cookie", "http://localhost/o/globex"+page, "sluice-session-acme")
	carried("in the path form over https", platformAt+"/o/acme"+page, sessionCookie)
	carried("in the host form over http", "http://acme.sluice.example"+page, "sluice-session")
	carried("under another cookie's name", acmeAt+page, "sluice-session")
	carried("under the name in lower case", acmeAt+page, "__host-sluice-session")
	carried("at the platform's host", platformAt+"/login", sessionCookie)
	out[len(out)-1].aim = func(f *field) shot {
		secret := f.enter().secret(acmeAt)
		return shot{fire: func() answer {
			return f.send(call{to: platformAt + "/login", header: []string{"Cookie", sessionCookie + "=" + secret}})
		},
			refused: func(a answer) bool {
				return a.status == http.StatusOK && !strings.Contains(string(a.body), "ana@") && !strings.Contains(string(a.body), "acme")
			}}
	}
	carried("as the cookie of a login under way", acmeAt+"/login/callback/staff?code=x&state="+strings.Repeat("a", 43), "__Host-sluice-login")
	carried("on a package route", acmeAt+sauce, sessionCookie)
	carried("on a package's file", acmeAt+"/npm/workshop/@acme/widgets/-/widgets-1.0.0.tgz", sessionCookie)
	carried("on the list of npm's tokens", acmeAt+"/npm/workshop/-/npm/v1/tokens", sessionCookie)
	carried("on a registry's host", acmeAt+"/npm/workshop/-/whoami", sessionCookie)
	carried("beside a wrong token", acmeAt+page, sessionCookie, "Authorization", "Bearer nonsense")
	carried("in two cookies of one name (tossed by a sibling)", acmeAt+page, sessionCookie, "Cookie", sessionCookie+"="+strings.Repeat("B", 43))
	carried("in one header with another one before it", acmeAt+page, sessionCookie+"="+strings.Repeat("B", 43)+"; "+sessionCookie)
	carried("quoted and with a path", acmeAt+page, `$Version=1; `+sessionCookie, "Cookie", sessionCookie+"=x")
	add("a session that the attacker planted before the login (fixation)", "who planted it", func(f *field) shot {
		attacker, victim := f.enter(), f.browser()
		planted := attacker.secret(acmeAt)
		victim.plant(acmeAt, sessionCookie, planted)
		if a := victim.login(acmeAt, "staff"); a.status != http.StatusSeeOther {
			f.Fatalf("the victim cannot log in: %d", a.status)
		}
		return shot{fire: func() answer { return attacker.get(acmeAt + page) }, inside: func() string {
			if victim.secret(acmeAt) == planted {
				return "the planted secret is the session's"
			}
			return ""
		}}
	})
	add("a secret that the attacker invented before the login (fixation)", "who planted it", func(f *field) shot {
		victim := f.browser()
		victim.plant(acmeAt, sessionCookie, strings.Repeat("A", 43))
		if a := victim.login(acmeAt, "staff"); a.status != http.StatusSeeOther {
			f.Fatalf("the victim cannot log in: %d", a.status)
		}
		return shot{fire: func() answer {
			return f.send(call{to: acmeAt + page, header: []string{"Cookie", sessionCookie + "=" + strings.Repeat("A", 43)}})
		}}
	})
	add("the choice of an organization, after logging out", "the next one at Ana's browser", func(f *field) shot {
		br := f.browser()
		if a := br.login(acmeAt, "platform"); a.status != http.StatusSeeOther || !br.in(acmeAt) {
			f.Fatalf("Ana cannot log in: %d", a.status)
		}
		end(f.loginBench, br)
		return shot{fire: func() answer { return br.get(platformAt + "/login") },
			refused: func(a answer) bool {
				return a.status == http.StatusOK && !strings.Contains(string(a.body), "ana@acme.example")
			},
			inside: func() string {
				if to := br.get(br.get(acmeAt + "/login/start?provider=platform").next()).next(); !strings.HasPrefix(to, f.platform.URL) {
					return "it goes on to " + to + " without asking the provider"
				}
				return ""
			}}
	})
	for _, node := range []string{"first", "other"} {
		add("a session that was logged out, at the "+node+" node", "who kept it", func(f *field) shot {
			br := f.enter()
			secret := br.secret(acmeAt)
			end(f.loginBench, br)
			at := map[string]*served{"first": f.first, "other": f.second}[node]
			return shot{fire: func() answer {
				return f.send(call{to: acmeAt + page, header: []string{"Cookie", sessionCookie + "=" + secret}, at: at})
			}}
		})
	}
	add("ending a session of globex by its number", "the owner of acme", func(f *field) shot {
		br := f.enter()
		id, form := f.theirs.row(f, "sessions"), br.form(acmeAt+page)
		return shot{fire: func() answer { return br.post(acmeAt+page, url.Values{"form": {form}, "session": {id.String()}}) },
			refused: func(a answer) bool { return a.status == http.StatusSeeOther && a.next() == acmeAt+page }, writes: []string{"sessions"},
			inside: func() string {
				if f.globex.count("sessions", "id = $1 AND ended_at IS NULL", id) != 1 {
					return "it has ended"
				}
				return ""
			}}
	})
	add("revoking a token of globex by its number", "the owner of acme", func(f *field) shot {
		br := f.enter()
		id, form := f.theirs.row(f, "tokens"), br.form(acmeAt+page)
		return shot{fire: func() answer {
			return br.post(acmeAt+"/account/tokens/revoke", url.Values{"form": {form}, "token": {id.String()}})
		},
			refused: func(a answer) bool { return a.status == http.StatusSeeOther }}
	})
	add("a token for a registry of globex", "the owner of acme", func(f *field) shot {
		br := f.enter()
		form, reg := br.form(acmeAt+page), f.theirs.reg["team"]
		return shot{fire: func() answer {
			return br.post(acmeAt+"/account/tokens", url.Values{"form": {form}, "name": {"x"}, "days": {"7"}, "registry": {reg.String()}})
		}}
	})
	return out
}

// formAttempts send a form with Ana's session from where it does not come from.
func formAttempts() (out []attempt) {
	const group = "Forms: what another site, a sibling or a page without the form's token sends (CSRF)"
	const page = acmeAt + "/account/sessions"
	type sent = struct{ form, other string }
	for _, c := range []struct {
		name   string
		form   func(s sent) url.Values
		header []string
	}{
		{"from a sibling subdomain", good, []string{"Sec-Fetch-Site", "same-site", "Origin", globexAt}},
		{"from another site", good, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}},
		{"by an old browser at a sibling", good, []string{"Origin", globexAt}},
		{"from a sandboxed page", good, []string{"Origin", "null"}},
		{"by a browser that says nothing", good, nil},
		{"from the host over http", good, []string{"Origin", "http://acme.sluice.example"}},
		{"from another port", good, []string{"Origin", acmeAt + ":444"}},
		{"from an origin that begins like ours", good, []string{"Origin", acmeAt + ".evil.example"}},
		{"where the site and the origin differ", good, []string{"Sec-Fetch-Site", "same-origin", "Origin", globexAt}},
		{"with two origins", good, []string{"Sec-Fetch-Site", "same-origin", "Origin", acmeAt, "Origin", globexAt}},
		{"without the form's token", func(sent) url.Values { return url.Values{"others": {"1"}} }, []string{"Sec-Fetch-Site", "same-origin"}},
		{"with another session's token", func(s sent) url.Values { return url.Values{"form": {s.other}, "others": {"1"}} }, []string{"Sec-Fetch-Site", "same-origin"}},
		{"with the token in the address", func(s sent) url.Values { return url.Values{"others": {"1"}} }, []string{"Sec-Fetch-Site", "same-origin", "X-Form", "IN THE ADDRESS"}},
	} {
		out = append(out, attempt{group, "ending the other sessions, " + c.name, "a page that Ana looks at", func(f *field) shot {
			ana, other := f.enter(), f.enter()
			s := sent{ana.form(page), other.form(page)}
			form, to, cookie := c.form(s), page, sessionCookie+"="+ana.secret(acmeAt)
			if len(c.header) > 3 && c.header[3] == "IN THE ADDRESS" {
				to += "?form=" + s.form
			}
			return shot{fire: func() answer {
				return f.send(call{method: http.MethodPost, to: to, body: form.Encode(), header: append([]string{"Cookie", cookie, "Content-Type", "application/x-www-form-urlencoded"}, c.header...)})
			}, inside: func() string {
				if !other.in(acmeAt) {
					return "the other session has ended"
				}
				return ""
			}}
		}})
	}
	for _, to := range []string{"/logout", "/account/tokens", "/account/tokens/revoke", "/login/break-glass"} {
		out = append(out, attempt{group, "POST " + to + " from a sibling subdomain", "a page that Ana looks at", func(f *field) shot {
			ana := f.enter()
			form := ana.form(page)
			return shot{fire: func() answer {
				return ana.ask(http.MethodPost, acmeAt+to, url.Values{"form": {form}, "name": {"x"}, "days": {"7"}}, "Sec-Fetch-Site", "same-site")
			}, inside: func() string {
				if !ana.in(acmeAt) {
					return "Ana was logged out"
				}
				return ""
			}}
		}})
	}
	return out
}

func good(s struct{ form, other string }) url.Values {
	return url.Values{"form": {s.form}, "others": {"1"}}
}

// redirectAttempts have a login lead elsewhere afterwards.
func redirectAttempts() (out []attempt) {
	for _, back := range []string{"//evil.example", "https://evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "javascript:alert(1)", "evil.example",
		"/%5cevil.example", "/a//evil.example", "/../evil", "/%2e%2e/evil", "/login", "/login/start?provider=staff", "/logout", "@evil.example", "/ü", "/x\r\nSet-Cookie: a=b", ".evil.example",
		"/%09/evil.example", "/;@evil.example", "///evil.example", "/" + strings.Repeat("a", 3000)} {
		for _, provider := range []string{"staff", "platform"} {
			name := strings.NewReplacer("\t", "\\t", "\r\n", "\\r\\n").Replace(back)
			if len(name) > 40 {
				name = name[:40] + "…"
			}
			out = append(out, attempt{"Open redirects: where a login leads back to (T6)", "return=" + name + ", by the provider " + provider, "who sends Ana a link", func(f *field) shot {
				br := f.browser()
				to := br.startAt(acmeAt, provider, back)
				return shot{fire: func() answer { return br.get(to) }, writes: []string{"sessions", "identities", "audit_events", "audit_pending"},
					refused: func(a answer) bool { return a.next() == acmeAt+"/account" && len(a.header.Values("Set-Cookie")) < 3 }}
			}})
		}
	}
	out = append(out, attempt{"Open redirects: where a login leads back to (T6)", "return of the page that asks to log in", "who sends Ana a link", func(f *field) shot {
		return shot{fire: func() answer { return f.send(call{to: acmeAt + "//evil.example/account/sessions"}) },
			refused: func(a answer) bool {
				return !strings.HasPrefix(a.next(), "//") && !strings.Contains(a.next(), "://evil")
			}}
	}}, attempt{"Open redirects: where a login leads back to (T6)", "return on the login page's own links", "who sends Ana a link", func(f *field) shot {
		return shot{fire: func() answer { return f.send(call{to: acmeAt + "/login?return=https://evil.example"}) },
			refused: func(a answer) bool { return a.status == http.StatusOK && !strings.Contains(string(a.body), "evil") }}
	}})
	return out
}

// logoutAttempts are logout tokens that no provider of acme's made for this.
func logoutAttempts() (out []attempt) {
	const at = acmeAt + "/login/backchannel/staff"
	type made struct {
		f    *field
		good map[string]any
	}
	with := func(change func(map[string]any)) func(m made) string {
		return func(m made) string {
			c := m.f.own.LogoutClaims()
			change(c)
			return m.f.own.Sign(c)
		}
	}
	keep := with(func(map[string]any) {})
	for _, c := range []struct {
		name, to string
		token    func(m made) string
	}{
		{"signed by a stranger", at, func(m made) string { return m.f.own.SignAsStranger(m.good) }},
		{"signed with an unknown key", at, func(m made) string { return m.f.own.SignUnknown(m.good) }},
		{"of algorithm none", at, func(m made) string { return m.f.own.Unsigned(m.good) }},
		{"signed with the client secret", at, func(m made) string { return m.f.own.SignWithSecret(m.good) }},
		{"that is an id token", at, func(m made) string { return m.f.own.Sign(m.f.own.Claims("nonce")) }},
		{"with a nonce", at, with(func(c map[string]any) { c["nonce"] = "x" })},
		{"with an empty nonce", at, with(func(c map[string]any) { c["nonce"] = "" })},
		{"without event", at, with(func(c map[string]any) { delete(c, "events") })},
		{"of another event", at, with(func(c map[string]any) { c["events"] = map[string]any{"other": map[string]any{}} })},
		{"for another audience", at, with(func(c map[string]any) { c["aud"] = "other" })},
		{"of another issuer", at, func(m made) string {
			c := m.f.own.LogoutClaims()
			c["iss"] = m.f.loginBench.theirs.URL
			return m.f.own.Sign(c)
		}},
		{"without id", at, with(func(c map[string]any) { delete(c, "jti") })},
		{"without end", at, with(func(c map[string]any) { delete(c, "exp") })},
		{"that has expired", at, with(func(c map[string]any) { c["exp"] = c["iat"].(int64) - 1 })},
		{"that is an hour old", at, with(func(c map[string]any) { c["iat"] = c["iat"].(int64) - 3600 })},
		{"from the future", at, with(func(c map[string]any) { c["iat"] = c["iat"].(int64) + 3600 })},
		{"about nobody", at, with(func(c map[string]any) { delete(c, "sub"); delete(c, "sid") })},
		{"of acme's provider, to globex", globexAt + "/login/backchannel/staff", keep},
		{"of acme's provider, to the platform", platformAt + "/login/backchannel", keep},
		{"to a provider that does not exist", acmeAt + "/login/backchannel/none", keep},
		{"of globex's provider, to acme", at, func(m made) string { return m.f.loginBench.theirs.Sign(m.f.loginBench.theirs.LogoutClaims()) }},
		{"that is empty", at, func(made) string { return "" }},
		{"twice in one form", at, func(m made) string { return keep(m) + "&logout_token=" + keep(m) }},
		{"in the address", at + "?logout_token=TOKEN", keep},
	} {
		out = append(out, attempt{"Back-channel logout: tokens that end nobody's session (A1)", "a logout token " + c.name, "who wants Ana out", func(f *field) shot {
			ana := f.enter()
			token, body := c.token(made{f, f.own.LogoutClaims()}), ""
			to := strings.Replace(c.to, "TOKEN", token, 1)
			if to == c.to {
				body = "logout_token=" + token
			}
			return shot{fire: func() answer {
				return f.send(call{method: http.MethodPost, to: to, body: body, header: []string{"Content-Type", "application/x-www-form-urlencoded"}})
			}, refused: func(a answer) bool {
				return a.status == http.StatusBadRequest && strings.Contains(string(a.body), "invalid_request") && len(a.body) < 200
			}, inside: func() string {
				if !ana.in(acmeAt) {
					return "Ana was logged out"
				}
				return ""
			}}
		}})
	}
	return out
}

// linkAttempts are break-glass links that are another organization's, used, late,
// or of somebody who is no owner any more.
func linkAttempts() (out []attempt) {
	for _, c := range []struct {
		name, home string
		before     func(f *field, link string)
	}{
		{"of acme, at globex", globexAt, func(*field, string) {}},
		{"that was used", acmeAt, func(f *field, link string) {
			if a := f.browser().post(acmeAt+"/login/break-glass", url.Values{"form": {""}, "link": {link}}); a.status != http.StatusSeeOther {
				f.Fatalf("the link does not work: %d", a.status)
			}
		}},
		{"that is a quarter of an hour old", acmeAt, func(f *field, _ string) { f.clock.pass(login.LinkTime) }},
		{"in the path form over https", platformAt + "/o/acme", func(*field, string) {}},
		{"at the platform", platformAt, func(*field, string) {}},
	} {
		out = append(out, attempt{"Break-glass links (A1)", "a link " + c.name, "who found it", func(f *field) shot {
			link, _, err := f.first.logins.BreakGlass(f.acme.ctx, "ana@acme.example", "the provider is down")
			f.ok(err)
			c.before(f, link)
			br, none := f.browser(), strings.Repeat("A", len(link))
			ask := func(link string) func() answer {
				return func() answer { return br.post(c.home+"/login/break-glass", url.Values{"form": {""}, "link": {link}}) }
			}
			return shot{fire: ask(link), like: ask(none), sent: []string{link, none}, inside: func() string {
				if br.in(acmeAt) || br.in(globexAt) {
					return "the browser is logged in"
				}
				return ""
			}}
		}})
	}
	out = append(out, attempt{"Break-glass links (A1)", "looking at a link does not use it", "a mail scanner", func(f *field) shot {
		link, _, err := f.first.logins.BreakGlass(f.acme.ctx, "ana@acme.example", "the provider is down")
		f.ok(err)
		return shot{fire: func() answer { return f.send(call{to: acmeAt + "/login/break-glass?link=" + link}) },
			refused: func(a answer) bool { return a.status == http.StatusOK && len(a.header.Values("Set-Cookie")) == 0 }}
	}})
	return out
}
