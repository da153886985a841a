package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// invented is a token that nobody has, its checksum right or not.
func invented(seed byte, right bool) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := strings.Repeat(string(digits[seed%62]), 30)
	n := crc32.ChecksumIEEE([]byte(body))
	if !right {
		n++
	}
	var check [6]byte
	for i := 5; i >= 0; i-- {
		check[i] = digits[n%62]
		n /= 62
	}
	return "sluice_" + body + string(check[:])
}

const sauce = "/npm/workshop/@acme%2fwidgets"

// tokenAttempts use tokens that are another's, have ended, or are none. All of
// them are answered as an invented one is.
func tokenAttempts() (out []attempt) {
	add := func(name, as string, secret func(f *field) string, at func(f *field) *served, how func(secret string) []string) {
		out = append(out, attempt{"Tokens: of another organization, ended, forged (A2, T3)", name, as, func(f *field) shot {
			ask := func(secret string) func() answer {
				return func() answer { return f.send(call{to: acmeAt + sauce, header: how(secret), at: at(f)}) }
			}
			given, none := secret(f), invented(7, true)
			if !access.LooksLikeToken(given) {
				none = invented(7, false) // that it is none at all may be said
			}
			return shot{fire: ask(given), like: ask(none), sent: []string{given, none}, inside: func() string {
				if a := f.ask(acmeAt, given, operation{query: `{ organization { slug } }`}); strings.Contains(string(a.body), `"acme"`) {
					return "GraphQL takes the token"
				}
				return ""
			}}
		}})
	}
	bearer := func(s string) []string { return []string{"Authorization", "Bearer " + s} }
	first, second := func(*field) *served { return nil }, func(f *field) *served { return f.second }
	for _, c := range []struct {
		how    string
		header func(string) []string
	}{
		{"as Bearer", bearer},
		{"as the password of Basic", func(s string) []string { return []string{"Authorization", basic("x", s)} }},
		{"as X-NuGet-ApiKey", func(s string) []string { return []string{"X-Nuget-Apikey", s} }},
	} {
		add("a token of globex "+c.how, "the owner of globex", func(f *field) string { return f.theirs.owner }, first, c.header)
	}
	for _, how := range []string{"revoked", "expired", "of a member who was deactivated", "of a service account that was deactivated"} {
		add("a token that is "+how, "who had it", func(f *field) string { return f.spent[how] }, first, bearer)
		add("a token that is "+how+", at the other node", "who had it", func(f *field) string { return f.spent[how] }, second, bearer)
	}
	add("a token with a wrong checksum", "nobody", func(*field) string { return invented(3, false) }, first, bearer)
	owner := func(change func(string) string) func(f *field) string {
		return func(f *field) string { return change(f.tokens["owner"]) }
	}
	add("a token with another last character", "nobody", owner(func(s string) string {
		return s[:len(s)-1] + map[bool]string{true: "1", false: "0"}[s[len(s)-1] == '0']
	}), first, bearer)
	add("the beginning of a token", "nobody", owner(func(s string) string { return s[:20] }), first, bearer)
	add("a token in lower case", "nobody", owner(strings.ToLower), first, bearer)
	add("the hash of a token", "who reads the database", owner(func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }), first, bearer)
	add("a wildcard", "nobody", func(*field) string { return "sluice_%" }, first, bearer)
	add("SQL", "nobody", func(*field) string { return "' OR '1'='1" }, first, bearer)
	add("two Authorization headers, the second one good", "nobody", func(*field) string { return invented(9, true) }, first, func(s string) []string {
		return []string{"Authorization", "Bearer " + s, "Authorization", "Bearer " + invented(4, true)}
	})
	add("a secret of a session as a token", "Ana's browser", func(f *field) string { return f.enter().secret(acmeAt) }, first, bearer)
	add("an invitation's secret as a token", "who was invited", func(f *field) string {
		secret, made, err := f.first.access.Invite(f.acme.ctx, access.InvitationInput{Email: uuid.NewString() + "@acme.example"})
		f.ok(err)
		f.ok(f.first.access.RevokeInvitation(f.acme.ctx, made.ID))
		return secret
	}, first, bearer)
	add("a token limited to another network", "who stole it", func(f *field) string { return f.tokens["for one network"] }, first, bearer)
	out[len(out)-1].aim = networkAim(nil)
	return append(out, smuggledTokens(networkAim)...)
}

// networkAim uses a token that is for 192.0.2.0/24 from here. The client is told
// that the address is the reason, which an owner of the token may know.
func networkAim(header []string) func(f *field) shot {
	return func(f *field) shot {
		return shot{fire: func() answer {
			return f.send(call{to: acmeAt + sauce, token: f.tokens["for one network"], header: header, from: "127.0.0.2"})
		}}
	}
}

// smuggledTokens are good tokens where none is read, and good limits evaded.
func smuggledTokens(network func(header []string) func(*field) shot) (out []attempt) {
	const group = "Tokens: where none is read, and past their limits (A2, T6)"
	add := func(name, as string, aim func(f *field) shot) { out = append(out, attempt{group, name, as, aim}) }
	for _, h := range []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip"} {
		value := map[bool]string{true: "for=192.0.2.1", false: "192.0.2.1"}[h == "Forwarded"]
		add("a token for one network, with "+h, "who stole it", network([]string{h, value}))
	}
	where := func(name string, c func(f *field, secret string) call) {
		add(name, "who has the owner's token", func(f *field) shot {
			ask := func(secret string) func() answer { return func() answer { return f.send(c(f, secret)) } }
			mine, none := f.tokens["owner"], invented(8, true)
			return shot{fire: ask(mine), like: ask(none), sent: []string{mine, none}}
		})
	}
	where("a token in the query of a package route", func(_ *field, s string) call { return call{to: acmeAt + sauce + "?token=" + s + "&_authToken=" + s} })
	where("a token in a cookie of a package route", func(_ *field, s string) call {
		return call{to: acmeAt + sauce, header: []string{"Cookie", sessionCookie + "=" + s + "; token=" + s}}
	})
	where("a token as the user of Basic", func(_ *field, s string) call {
		return call{to: acmeAt + sauce, header: []string{"Authorization", basic(s, "")}}
	})
	where("a token in the user part of the address", func(_ *field, s string) call { return call{to: "https://x:" + s + "@acme.sluice.example" + sauce} })
	where("a token as a client certificate's header", func(_ *field, s string) call {
		return call{to: acmeAt + sauce, header: []string{"X-Client-Cert", s, "X-Remote-User", "root@acme.example"}}
	})
	limited := func(name, token, path string) {
		add(name, "a token "+token, func(f *field) shot {
			ask := func(registry string) func() answer {
				return func() answer {
					return f.send(call{to: acmeAt + "/npm/" + strings.Replace(path, "NAME", registry, 1), token: f.tokens[token]})
				}
			}
			return shot{fire: ask("attic"), like: ask("ghost"), sent: []string{"attic", "ghost"}}
		})
	}
	limited("another registry's package", "for one registry", "NAME/some")
	limited("another registry's search", "for one registry", "NAME/-/v1/search?text=a")
	limited("who may read another registry", "for one registry", "NAME/-/package/some/collaborators")
	query := func(name, token, query string, vars func(f *field) map[string]any) {
		add(name, "a token "+token, func(f *field) shot {
			return shot{fire: func() answer { return f.ask(acmeAt, f.tokens[token], operation{query: query, vars: vars(f)}) }}
		})
	}
	none := func(*field) map[string]any { return nil }
	query("the organization", "for one registry", `{ organization { id } }`, none)
	query("a registry of its own", "for one registry", `mutation { createRegistry(input: {ecosystem: NPM, name: "wide"}) { registry { id } userErrors { message } } }`, none)
	query("a wider token for itself", "for one registry", `mutation { createToken(input: {name: "wide", write: true}) { secret userErrors { message } } }`, none)
	query("a service token that owns everything", "for one registry", `mutation { createServiceToken(input: {name: "wide", write: true, roles: [{role: "owner"}]}) { secret userErrors { message } } }`, none)
	query("a tag of a package that it is not for", "for one package", `mutation($r: ID!) { setTag(input: {registry: $r, package: "@acme/widgets", tag: "x", version: "1.0.0"}) { userErrors { message } } }`,
		func(f *field) map[string]any { return map[string]any{"r": f.ours.id(f, "Registry")} })
	add("publishing a package that it is not for", "a token for one package", func(f *field) shot {
		return shot{fire: func() answer {
			return f.send(call{method: http.MethodPut, to: acmeAt + sauce, token: f.tokens["for one package"], header: []string{"Content-Type", "application/json"}, body: publishBody("@acme/widgets", "9.9.9")})
		}}
	})
	add("a child token without the parent's limit to packages", "a token for one package", func(f *field) shot {
		return shot{writes: []string{"tokens", "audit_events", "audit_pending"}, refused: func(a answer) bool { return declined(a) || a.status == http.StatusCreated }, fire: func() answer {
			return f.send(call{method: http.MethodPost, to: acmeAt + "/npm/workshop/-/npm/v1/tokens", token: f.tokens["for one package"], header: []string{"Content-Type", "application/json"},
				body: `{"name":"child","packages_all":true}`})
		}, inside: func() string {
			if f.acme.count("tokens", "name = 'child' AND packages = '{}'") > 0 {
				return "the child has no limit"
			}
			return ""
		}}
	})
	return append(out, writingRoutes()...)
}

func publishBody(pkg, version string) string {
	file := []byte("attack")
	name := pkg[strings.IndexByte(pkg, '/')+1:] + "-" + version + ".tgz"
	body, _ := json.Marshal(map[string]any{"_id": pkg, "name": pkg, "dist-tags": map[string]string{"latest": version}, // of strings: cannot fail
		"versions":     map[string]any{version: map[string]any{"name": pkg, "version": version, "dist": map[string]any{"integrity": integrity(file), "tarball": "https://localhost/" + name}}},
		"_attachments": map[string]any{name: map[string]any{"content_type": "application/octet-stream", "data": base64.StdEncoding.EncodeToString(file), "length": len(file)}}})
	return string(body)
}

// writingRoutes are npm's routes that change something, with a token that only
// reads, with a reader's, and with one of the other organization.
func writingRoutes() (out []attempt) {
	for _, who := range []struct{ group, as, token string }{
		{"npm: every writing route with a token that only reads (A2)", "a read-only token of an owner", "read-only"},
		{"npm: every writing route by who may only read (A5)", "a reader of the registry", "reader"},
		{"npm: every writing route by the other organization (T3)", "the owner of globex", ""},
	} {
		for _, c := range []struct{ method, path, body string }{
			{"PUT", "/@acme%2fwidgets", publishBody("@acme/widgets", "9.9.9")},
			{"PUT", "/brand-new", publishBody("brand-new", "1.0.0")},
			{"PUT", "/@acme%2fwidgets/-rev/1-x", `{"_id":"@acme/widgets","name":"@acme/widgets","versions":{},"dist-tags":{}}`},
			{"DELETE", "/@acme%2fwidgets/-rev/1-x", ""},
			{"DELETE", "/@acme/widgets/-/widgets-1.0.0.tgz/-rev/1-x", ""},
			{"PUT", "/-/package/@acme%2fwidgets/dist-tags/beta", `"1.0.0"`},
			{"POST", "/-/package/@acme%2fwidgets/dist-tags", `{"beta":"1.0.0"}`},
			{"DELETE", "/-/package/@acme%2fwidgets/dist-tags/beta", ""},
			{"PUT", "/-/package/@acme%2fwidgets/owners", `{"name":"eve"}`},
			{"DELETE", "/-/package/@acme%2fwidgets/owners/ann", ""},
			{"POST", "/-/stage/package/@acme%2fwidgets", publishBody("@acme/widgets", "9.9.9")},
			{"POST", "/-/stage/STAGED/approve", ""},
			{"DELETE", "/-/stage/STAGED", ""},
			{"POST", "/-/package/@acme%2fwidgets/trust", `{"type":"github","claims":{"repository":"evil/evil","workflow_ref":{"file":"x.yml"}},"permissions":["createPackage"]}`},
			{"DELETE", "/-/package/@acme%2fwidgets/trust/TRUST", ""},
			{"POST", "/-/npm/v1/tokens", `{"name":"child","readonly":false}`},
			{"POST", "/-/package/@acme%2fwidgets/access", `{"access":"public"}`},
			{"PUT", "/-/org/acme/user", `{"user":"eve","role":"owner"}`},
		} {
			if who.token == "reader" && c.path == "/-/npm/v1/tokens" {
				continue // every member may make a token that may what they may
			}
			out = append(out, attempt{who.group, c.method + " " + c.path, who.as, func(f *field) shot {
				path := strings.NewReplacer("STAGED", f.ours.row(f, "staged_versions").String(), "TRUST", f.ours.ids["trust rule"].String()).Replace(c.path)
				token := f.tokens[who.token]
				if who.token == "" {
					token = f.theirs.owner
				}
				ask := func(registry string) func() answer {
					return func() answer {
						return f.send(call{method: c.method, to: acmeAt + "/npm/" + registry + path, token: token, header: []string{"Content-Type", "application/json"}, body: c.body})
					}
				}
				s := shot{fire: ask("workshop")}
				if who.token == "" {
					s.like, s.sent = ask("ghost"), []string{"workshop", "ghost"}
				}
				return s
			}})
		}
	}
	return out
}
