package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// attack tries to log a browser in; it returns the answer that decides.
type attack struct {
	name string
	try  func(b *loginBench, br *browser) answer
	// later marks answers that say that the provider does not answer, which is no
	// hint about anybody.
	later bool
	// alone marks attacks that change what the others find.
	alone bool
}

// tampered is a login whose id token says something else.
func tampered(change func(c map[string]any)) func(*loginBench, *browser) answer {
	return func(b *loginBench, br *browser) answer {
		b.own.Do(func() { b.own.Tamper = change })
		return br.login(acmeAt, "staff")
	}
}

// forged is a login whose id token is signed in another way.
func forged(sign func(p *protocoltest.OIDC) func(map[string]any) string) func(*loginBench, *browser) answer {
	return func(b *loginBench, br *browser) answer {
		b.own.Do(func() { b.own.Forge = sign(b.own) })
		return br.login(acmeAt, "staff")
	}
}

// person is a login of somebody else.
func person(change func(c map[string]any)) func(*loginBench, *browser) answer {
	return func(b *loginBench, br *browser) answer {
		b.own.Do(func() { b.own.Person = claims("x9", "ana@acme.example"); change(b.own.Person) })
		return br.login(acmeAt, "staff")
	}
}

// answered is a login whose redirect back says something else.
func answered(change func(q url.Values)) func(*loginBench, *browser) answer {
	return func(b *loginBench, br *browser) answer {
		b.own.Do(func() { b.own.Answer = change })
		return br.login(acmeAt, "staff")
	}
}

func attacks() []attack {
	return []attack{
		{name: "a callback twice", alone: true, try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "staff", "")
			first := br.get(to)
			if first.status != http.StatusSeeOther {
				b.Fatalf("the first time: %d", first.status)
			}
			end(b, br)
			return br.get(to)
		}},
		{name: "a used code in a new login", try: func(b *loginBench, br *browser) answer {
			used := param(b, br.startAt(acmeAt, "staff", ""), "code")
			first := b.browser()
			first.get(swap(b, first.startAt(acmeAt, "staff", ""), "code", used))
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "code", used))
		}},
		{name: "another login's code (code injection, PKCE)", try: func(b *loginBench, br *browser) answer {
			victim := param(b, b.browser().startAt(acmeAt, "staff", ""), "code")
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "code", victim))
		}},
		{name: "an invented state", try: func(b *loginBench, br *browser) answer {
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "state", strings.Repeat("A", 43)))
		}},
		{name: "no state", try: func(b *loginBench, br *browser) answer {
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "state", ""))
		}},
		{name: "two states", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "staff", "")
			return br.get(to + "&state=" + param(b, to, "state"))
		}},
		{name: "another browser's login (login CSRF)", try: func(b *loginBench, br *browser) answer {
			br.startAt(acmeAt, "staff", "")
			return br.get(b.browser().startAt(acmeAt, "staff", ""))
		}},
		{name: "a browser that began nothing", try: func(b *loginBench, br *browser) answer {
			return br.get(b.browser().startAt(acmeAt, "staff", ""))
		}},
		{name: "a login of the other organization", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(globexAt, "staff", "")
			return br.get(strings.Replace(to, globexAt, acmeAt, 1))
		}},
		{name: "a login that began in the path form, at the host", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmePath, "staff", "")
			return br.get(strings.Replace(to, acmePath, acmeAt, 1))
		}},
		{name: "after ten minutes", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "staff", "")
			b.clock.pass(login.FlowTime)
			return br.get(to)
		}},
		{name: "a foreign nonce", try: tampered(func(c map[string]any) { c["nonce"] = "other" })},
		{name: "no nonce", try: tampered(func(c map[string]any) { delete(c, "nonce") })},
		{name: "a wrong audience", try: tampered(func(c map[string]any) { c["aud"] = "another-client" })},
		{name: "two audiences and no authorized party", try: tampered(func(c map[string]any) { c["aud"] = []string{"sluice", "other"} })},
		{name: "another authorized party", try: tampered(func(c map[string]any) { c["azp"] = "other" })},
		{name: "another issuer inside", try: tampered(func(c map[string]any) { c["iss"] = "https://evil.example" })},
		{name: "the issuer with a slash more", try: tampered(func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" })},
		{name: "expired", try: tampered(func(c map[string]any) { c["exp"] = c["iat"].(int64) - 60 })},
		{name: "without expiry", try: tampered(func(c map[string]any) { delete(c, "exp") })},
		{name: "from the future", try: tampered(func(c map[string]any) { c["iat"] = c["iat"].(int64) + 3600 })},
		{name: "not valid yet", try: tampered(func(c map[string]any) { c["nbf"] = c["iat"].(int64) + 3600 })},
		{name: "another access token's hash", try: tampered(func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" })},
		{name: "groups that are no list", try: tampered(func(c map[string]any) { c["groups"] = map[string]any{"a": 1} })},
		{name: "algorithm none", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.Unsigned })},
		{name: "signed with the client secret", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.SignWithSecret })},
		{name: "signed with the public key as if it were a secret (HS256)", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.SignWithPublicKey })},
		{name: "the header names a key of its own (jwk)", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.SignWithOwnKey })},
		{name: "signed by a stranger under the provider's key id", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.SignAsStranger })},
		{name: "signed with an unknown key", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string { return p.SignUnknown })},
		{name: "without signature", try: forged(func(p *protocoltest.OIDC) func(map[string]any) string {
			return func(c map[string]any) string { t := p.Sign(c); return t[:strings.LastIndexByte(t, '.')+1] }
		})},
		{name: "no id token", try: forged(func(*protocoltest.OIDC) func(map[string]any) string {
			return func(map[string]any) string { return "" }
		})},
		{name: "another issuer's answer (mix-up)", try: answered(func(q url.Values) { q.Set("iss", "https://evil.example") })},
		{name: "an answer without issuer, where the provider names itself", try: answered(func(q url.Values) { q.Del("iss") })},
		{name: "two codes", try: answered(func(q url.Values) { q.Add("code", "other") })},
		{name: "no code", try: answered(func(q url.Values) { q.Del("code") })},
		{name: "the provider says no", try: answered(func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") })},
		{name: "at another provider's address (mix-up)", alone: true, try: func(b *loginBench, br *browser) answer {
			b.addProvider(b.acme, b.theirs, func(in *login.ProviderInput) { in.Name = "other" })
			return br.get(strings.Replace(br.startAt(acmeAt, "staff", ""), "/callback/staff", "/callback/other", 1))
		}},
		{name: "no subject", try: tampered(func(c map[string]any) { c["sub"] = "" })},
		{name: "a subject without end", try: tampered(func(c map[string]any) { c["sub"] = strings.Repeat("s", 256) })},
		{name: "an address that is not verified", try: person(func(c map[string]any) { c["email_verified"] = false })},
		{name: "an address that is verified in other words", try: person(func(c map[string]any) { c["email_verified"] = 1 })},
		{name: "a foreign domain of which nothing is said", alone: true, try: func(b *loginBench, br *browser) answer {
			b.member(b.acme, "olga@other.example", access.Owner)
			return person(func(c map[string]any) { delete(c, "email_verified"); c["email"] = "olga@other.example" })(b, br)
		}},
		{name: "a domain that ends like ours", alone: true, try: func(b *loginBench, br *browser) answer {
			b.member(b.acme, "eve@evilacme.example", access.Owner)
			return person(func(c map[string]any) { delete(c, "email_verified"); c["email"] = "eve@evilacme.example" })(b, br)
		}},
		{name: "two addresses in one", try: person(func(c map[string]any) {
			delete(c, "email_verified")
			c["email"] = "evil@evil.example, ana@acme.example"
		})},
		{name: "an address with a name", try: person(func(c map[string]any) { c["email"] = "Eve <ana@acme.example>" })},
		{name: "no member, where nobody joins", try: person(func(c map[string]any) { c["email"] = "new@acme.example" })},
		{name: "the same address by another account (recycled)", alone: true, try: func(b *loginBench, br *browser) answer {
			if a := b.browser().login(acmeAt, "staff"); a.status != http.StatusSeeOther {
				b.Fatalf("Ana: %d", a.status)
			}
			return person(func(map[string]any) {})(b, br)
		}},
		{name: "a member who was deactivated", alone: true, try: func(b *loginBench, br *browser) answer {
			b.member(b.acme, "second@acme.example", access.Owner)
			b.deactivate(b.ana)
			return br.login(acmeAt, "staff")
		}},
		{name: "a provider that is disabled meanwhile", alone: true, try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "staff", "")
			b.update(b.acme, b.provider, func(in *login.ProviderInput) { in.Enabled = false })
			return br.get(to)
		}},
		{name: "the platform's, where the own one is exclusive", alone: true, try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "platform", "")
			b.update(b.acme, b.provider, func(in *login.ProviderInput) { in.Exclusive = true })
			return br.get(to)
		}},
		{name: "the platform's ticket in another browser", try: func(b *loginBench, br *browser) answer {
			br.startAt(acmeAt, "platform", "")
			return br.get(b.browser().startAt(acmeAt, "platform", ""))
		}},
		{name: "the platform's ticket without a ticket", try: func(b *loginBench, br *browser) answer {
			return br.get(swap(b, br.startAt(acmeAt, "platform", ""), "ticket", ""))
		}},
		{name: "another login's ticket", try: func(b *loginBench, br *browser) answer {
			ticket := param(b, b.browser().startAt(acmeAt, "platform", ""), "ticket")
			return br.get(swap(b, br.startAt(acmeAt, "platform", ""), "ticket", ticket))
		}},
		{name: "the platform's ticket at a provider's address", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "platform", "")
			return br.get(strings.Replace(to, "/login/enter", "/login/callback/staff", 1))
		}},
		{name: "a provider's answer at the platform's address", try: func(b *loginBench, br *browser) answer {
			to := br.startAt(acmeAt, "staff", "")
			return br.get(strings.Replace(to, "/login/callback/staff", "/login/enter", 1) + "&ticket=" + strings.Repeat("A", 43))
		}},
		{name: "the platform's account of nobody here", try: func(b *loginBench, br *browser) answer {
			b.platform.Do(func() { b.platform.Person = claims("p7", "gil@globex.example") })
			to := acmeAt + "/login/start?provider=platform"
			var a answer
			for range 6 {
				if a = br.get(to); a.next() == "" {
					break
				}
				to = a.next()
			}
			return a
		}},
		{name: "a code that was asked for without PKCE (downgrade)", try: func(b *loginBench, br *browser) answer {
			// The attacker takes the challenge out on the way to the provider, which
			// forgets it: the verifier then proves nothing, and the code is refused.
			b.own.Do(func() { b.own.Ask = func(q url.Values) { q.Del("code_challenge") } })
			return br.login(acmeAt, "staff")
		}},
		{name: "a code that was asked for with another PKCE challenge", try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() { b.own.Ask = func(q url.Values) { q.Set("code_challenge", strings.Repeat("A", 43)) } })
			return br.login(acmeAt, "staff")
		}},
		{name: "the answer of globex's provider to acme's login (mix-up)", try: func(b *loginBench, br *browser) answer {
			theirs := b.browser().startAt(globexAt, "staff", "")
			return br.get(swap(b, swap(b, br.startAt(acmeAt, "staff", ""), "code", param(b, theirs, "code")), "iss", b.theirs.URL))
		}},
		{name: "globex's code under acme's issuer (mix-up)", try: func(b *loginBench, br *browser) answer {
			theirs := b.browser().startAt(globexAt, "staff", "")
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "code", param(b, theirs, "code")))
		}},
		{name: "an id token of globex's provider", try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() {
				b.own.Forge = func(c map[string]any) string {
					c["iss"] = b.theirs.URL
					return b.theirs.Sign(c)
				}
			})
			return br.login(acmeAt, "staff")
		}},
		{name: "a state that was used, with a fresh code", try: func(b *loginBench, br *browser) answer {
			first := br.startAt(acmeAt, "staff", "")
			if a := br.get(first); a.status != http.StatusSeeOther {
				b.Fatalf("the first time: %d", a.status)
			}
			end(b, br)
			return br.get(swap(b, br.startAt(acmeAt, "staff", ""), "state", param(b, first, "state")))
		}},
		{name: "a frame", try: func(_ *loginBench, br *browser) answer {
			return br.get(acmeAt+"/login/start?provider=staff", "Sec-Fetch-Dest", "iframe", "Sec-Fetch-Site", "cross-site")
		}},
		{name: "a provider of the other organization by name", alone: true, try: func(b *loginBench, br *browser) answer {
			b.addProvider(b.globex, b.platform, func(in *login.ProviderInput) { in.Name = "theirs" })
			return br.get(acmeAt + "/login/start?provider=theirs")
		}},
		{name: "a token endpoint that leads elsewhere", later: true, try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() {
				b.own.Token = func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, b.theirs.URL+"/token", http.StatusTemporaryRedirect)
				}
			})
			a := br.login(acmeAt, "staff")
			if b.theirs.TokensAsked > 0 {
				b.Error("the code and the client secret went elsewhere")
			}
			return a
		}},
		{name: "a token endpoint without end", later: true, try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() {
				b.own.Token = func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"id_token":"` + strings.Repeat("a", 3<<20) + `"}`))
				}
			})
			return br.login(acmeAt, "staff")
		}},
		{name: "a provider that calls itself otherwise", later: true, alone: true, try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() { b.own.Metadata = func(m map[string]any) { m["issuer"] = "https://evil.example" } })
			return br.get(acmeAt + "/login/start?provider=staff")
		}},
		{name: "a provider that sends people to a script", later: true, alone: true, try: func(b *loginBench, br *browser) answer {
			b.own.Do(func() {
				b.own.Metadata = func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)//x" }
			})
			return br.get(acmeAt + "/login/start?provider=staff")
		}},
		{name: "a provider at a metadata address (F6)", later: true, alone: true, try: func(b *loginBench, br *browser) answer {
			b.addProvider(b.acme, b.own, func(in *login.ProviderInput) { in.Name, in.Issuer = "meta", "https://169.254.169.254" })
			return br.get(acmeAt + "/login/start?provider=meta")
		}},
		{name: "a break-glass link that was invented", try: func(_ *loginBench, br *browser) answer {
			return br.post(acmeAt+"/login/break-glass", url.Values{"form": {""}, "link": {strings.Repeat("A", 43)}})
		}},
	}
}

// loginVerdicts are the rows of the attack table about logging in: none opens a
// session, and the page is the same for all of them.
func loginVerdicts(t *testing.T, only string, add func(*testing.T, verdict)) {
	const group = "Logging in: what the provider, the browser or the link may say falsely (A1)"
	plain := map[bool]string{}
	together := newLoginBench(t)
	for _, c := range attacks() {
		if !strings.Contains(group+" "+c.name, only) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			b := together
			if c.alone {
				b = newLoginBench(t)
			}
			b.in(t)
			b.honest()
			br := b.browser()
			a := c.try(b, br)
			v := verdict{attempt: attempt{group: group, name: c.name, as: "nobody"}, came: a.brief()}
			want := http.StatusForbidden
			if c.later {
				want = http.StatusServiceUnavailable
			}
			if a.status != want {
				v.got = fmt.Sprintf("status %d, want %d: %.400s", a.status, want, a.body)
			}
			for _, home := range []string{acmeAt, acmePath} {
				if br.in(home) {
					v.got = "the browser is logged in at " + home
				}
			}
			text := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(a.body), acmeAt, ""), platformAt, ""), " <span>acme</span>", "")
			if plain[c.later] == "" {
				plain[c.later] = text
			}
			if text != plain[c.later] {
				v.hint = "the page is another one: " + text
			}
			add(t, v)
		})
	}
}

// TestA1_AttacksAreWhatIsRefused: the same steps without the attack let Ana in,
// also as the account that the attacks pretend to be.
func TestA1_AttacksAreWhatIsRefused(t *testing.T) {
	b := newLoginBench(t)
	for _, try := range []func(*loginBench, *browser) answer{
		person(func(map[string]any) {}), person(func(c map[string]any) { delete(c, "email_verified") }), person(func(c map[string]any) { c["email_verified"] = "true" }),
		tampered(func(map[string]any) {}), answered(func(url.Values) {}),
	} {
		br := b.browser()
		if a := try(b, br); a.status != http.StatusSeeOther || !br.in(acmeAt) {
			t.Errorf("%d: %.300s", a.status, a.body)
		}
		b.honest()
		b.unlink()
	}
}

// unlink forgets Ana's accounts.
func (b *loginBench) unlink() {
	b.Helper()
	list, err := b.first.logins.Identities(b.acme.ctx, b.ana.ID)
	if err != nil || len(list) != 1 {
		b.Fatalf("%d accounts, %v", len(list), err)
	}
	if err := b.first.logins.Unlink(b.acme.ctx, list[0].ID); err != nil {
		b.Fatal(err)
	}
}

// honest undoes what an attack made of the providers.
func (b *loginBench) honest() {
	for _, p := range []*protocoltest.OIDC{b.platform, b.own, b.theirs} {
		p.Do(func() { p.Tamper, p.Forge, p.Answer, p.Metadata, p.Token, p.Ask = nil, nil, nil, nil, nil, nil })
	}
	b.own.Do(func() { b.own.Person = claims("a1", "ana@acme.example") })
	b.theirs.Do(func() { b.theirs.Person = claims("g1", "gil@globex.example") })
	b.platform.Do(func() { b.platform.Person = claims("p1", "ana@acme.example") })
}

// end logs out without looking.
func end(b *loginBench, br *browser) {
	b.Helper()
	form := br.form(acmeAt + "/account/sessions")
	if a := br.post(acmeAt+"/logout", url.Values{"form": {form}}); a.status != http.StatusOK || br.in(acmeAt) {
		b.Fatalf("logging out: %d %.300s", a.status, a.body)
	}
}

func param(b *loginBench, link, name string) string {
	b.Helper()
	u, err := url.Parse(link)
	if err != nil {
		b.Fatal(err)
	}
	return u.Query().Get(name)
}

// swap returns the link with another value of a parameter.
func swap(b *loginBench, link, name, value string) string {
	b.Helper()
	u, err := url.Parse(link)
	if err != nil {
		b.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func (b *loginBench) deactivate(m access.Member) {
	b.Helper()
	if err := b.first.access.DeactivateMember(b.acme.ctx, m.ID); err != nil {
		b.Fatal(err)
	}
}
