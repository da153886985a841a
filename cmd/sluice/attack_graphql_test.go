package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// graphqlAttempts are about the API as such: what is too much, what is no
// request, what tells of the schema, and what browsers can be made to send.
func graphqlAttempts() (out []attempt) {
	const bombs = "GraphQL: too much at once, and the schema (F3, A5)"
	add := func(group, name, as string, fire func(f *field) answer) {
		out = append(out, attempt{group, name, as, func(f *field) shot { return shot{fire: func() answer { return fire(f) }} }})
	}
	bomb := func(name, query string) {
		add(bombs, name, "the owner of acme", func(f *field) answer { return f.asOwner(query, nil) })
	}
	many := func(n int, text string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, text, i)
		}
		return b.String()
	}
	bomb("3,000 aliases of a list", "{"+many(3000, " a%d: registries { totalCount }")+" }")
	bomb("1,200 aliases of lists of 100", "{"+many(1200, " a%d: registries(first: 100) { edges { node { name } } }")+" }")
	bomb("lists in lists in lists", `{ registries(first: 100) { edges { node { packages(first: 100) { edges { node { versions(first: 100) { edges { node { version } } } } } } } } } }`)
	bomb("fields nested 40 deep", "{ registry(name: \"workshop\") "+strings.Repeat("{ downstreams ", 40)+"{ id }"+strings.Repeat(" }", 40)+" }")
	bomb("fragments that double 20 times", "{ viewer { ...f0 } }"+many(20, " fragment f%[1]d on Viewer { ...g%[1]d a%[1]d: name b%[1]d: name }")+many(20, " fragment g%[1]d on Viewer { ...x%[1]d ...x%[1]d }"))
	bomb("a circle of fragments", `{ viewer { ...a } } fragment a on Viewer { ...b } fragment b on Viewer { ...a }`)
	bomb("a fragment of itself", `{ viewer { ...a } } fragment a on Viewer { name ...a }`)
	bomb("5,000 directives", "{ viewer "+strings.Repeat("@skip(if: false) ", 5000)+"{ name } }")
	bomb("a list of 100,000 numbers", "{ registries(first: ["+strings.Repeat("1,", 100_000)+"1]) { totalCount } }")
	bomb("200 ids at once", `{ nodes(ids: [`+strings.Repeat(`"x",`, 200)+`]) { id } }`)
	bomb("brackets 100,000 deep", strings.Repeat("{a", 100_000))
	bomb("the decision log of the whole organization by aliases of blast radii", "{"+many(3000, ` a%d: blastRadius(registry: "x", package: "x") { __typename }`)+" }")
	add(bombs, "a body of 5 MiB", "the owner of acme", func(f *field) answer { return f.asOwner("{ viewer { name } } #"+strings.Repeat("x", 5<<20), nil) })
	body := func(name, text string) {
		add(bombs, name, "the owner of acme", func(f *field) answer {
			return f.send(call{method: http.MethodPost, to: acmeAt + "/graphql", token: f.tokens["owner"], header: []string{"Content-Type", "application/json"}, body: text})
		})
	}
	body("a batch of 1,000 operations", "["+strings.Repeat(`{"query":"{ viewer { name } }"},`, 999)+`{"query":"{ viewer { name } }"}]`)
	body("no document, only the hash of one", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"`+strings.Repeat("a", 64)+`"}}}`)
	body("two operations without a name", `{"query":"query a { organization { id } } query b { organization { id } }"}`)
	body("an operation that is none", `{"query":"query a { organization { id } }","operationName":"b"}`)
	body("a number as the document", `{"query":1}`)
	for _, c := range []struct{ name, query string }{
		{"introspection", `{ __schema { types { name fields { name } } } }`}, {"one type", `{ __type(name: "Mutation") { fields { name } } }`},
		{"introspection by a fragment", `{ ...f } fragment f on Query { __schema { queryType { name } } }`},
		{"introspection by an alias", `{ x: __schema { mutationType { name } } }`},
	} {
		add(bombs, c.name, "nobody", func(f *field) answer { return f.ask(acmeAt, "", operation{query: c.query}) })
	}
	out = append(out, attempt{bombs, "the schema by what an error suggests", "nobody", func(f *field) shot {
		return shot{fire: func() answer { return f.ask(acmeAt, "", operation{query: `{ organisation { id } registrys { id } }`}) }, inside: func() string {
			if a := f.ask(acmeAt, "", operation{query: `{ organisation { id } registrys { id } }`}); strings.Contains(string(a.body), "Did you mean") {
				return "it suggests fields"
			}
			return ""
		}}
	}})
	return append(append(out, watching()...), forgedGraphQL()...)
}

// watching follows what another organization does.
func watching() (out []attempt) {
	for _, c := range []struct{ name, as, home, token string }{
		{"their cascade, at one's own address", "the owner of acme", acmeAt, "owner"},
		{"their cascade, at their address", "the owner of acme", globexAt, "owner"},
		{"their cascade, at their address", "nobody", globexAt, ""},
	} {
		out = append(out, attempt{"GraphQL: subscriptions of the other organization (T3)", c.name, c.as, func(f *field) shot {
			const query = `subscription($id: ID!) { cascadeProgress(id: $id) { id done total } }`
			id := f.theirs.id(f, "Cascade")
			none := ghost(id)
			ask := func(id string) func() answer {
				return func() answer {
					return f.ask(c.home, f.tokens[c.token], operation{query: query, vars: map[string]any{"id": id}, stream: true})
				}
			}
			return shot{fire: ask(id), like: ask(none), sent: []string{id, none}}
		}})
	}
	return out
}

const takeOver = `mutation { createServiceToken(input: {name: "stolen", write: true, roles: [{role: "owner"}]}) { secret userErrors { message } } }`

// forgedGraphQL is what a page of another origin can have Ana's browser send,
// who is logged in at acme as its owner.
func forgedGraphQL() (out []attempt) {
	const group = "GraphQL: what another site makes a logged-in browser send (CSRF)"
	asked, _ := json.Marshal(map[string]string{"query": takeOver}) // of strings: cannot fail
	query := "?" + url.Values{"query": {takeOver}}.Encode()
	multipart := "--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" + string(asked) + "\r\n--b\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{}\r\n--b--\r\n"
	sibling := []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Origin", globexAt}
	stranger := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty", "Origin", "https://evil.example"}
	for _, c := range []struct {
		name, as, method, path, media, body string
		header                              []string
	}{
		{"JSON as text/plain by fetch with no-cors", "a page of globex", "POST", "", "text/plain", string(asked), sibling},
		{"JSON as text/plain by fetch with no-cors", "a page of elsewhere", "POST", "", "text/plain", string(asked), stranger},
		{"JSON by fetch", "a page of globex", "POST", "", "application/json", string(asked), sibling},
		{"JSON by an old browser", "a page of globex", "POST", "", "application/json", string(asked), []string{"Origin", globexAt}},
		{"JSON by a sandboxed frame", "a page of globex", "POST", "", "application/json", string(asked), []string{"Origin", "null"}},
		{"JSON by something that says nothing of its origin", "a page of globex", "POST", "", "application/json", string(asked), nil},
		{"text/plain whose parameter says JSON", "a page of globex", "POST", "", "text/plain; application/json", string(asked), sibling},
		{"a form", "a page of globex", "POST", "", "application/x-www-form-urlencoded", "query=" + url.QueryEscape(takeOver), sibling},
		{"a form with parts", "a page of globex", "POST", "", "multipart/form-data; boundary=b", multipart, sibling},
		{"a form with parts of its own origin's name", "a page of globex", "POST", "", "multipart/form-data; boundary=b", multipart, []string{"Origin", acmeAt, "Sec-Fetch-Site", "same-site"}},
		{"a mutation by GET, as an image", "a page of globex", "GET", query, "", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}},
		{"a mutation by GET, as a link", "a page of globex", "GET", query, "", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"a mutation by GET, from its own page", "a link on a page of acme", "GET", query, "", "", []string{"Sec-Fetch-Site", "same-origin"}},
		{"a mutation by HEAD", "a page of globex", "HEAD", query, "", "", sibling},
		{"a subscription by EventSource", "a page of globex", "GET", "?query=subscription%7BcascadeProgress(id:%22x%22)%7Bid%7D%7D", "", "", append([]string{"Accept", "text/event-stream"}, sibling...)},
		{"a method override", "a page of globex", "GET", query, "", "", append([]string{"X-Http-Method-Override", "POST"}, sibling...)},
		{"a read by JSONP", "a page of globex", "GET", "?callback=x&query=%7Bviewer%7Bname%7D%7D", "", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}},
	} {
		out = append(out, attempt{group, c.name, c.as, func(f *field) shot {
			secret := f.enter().secret(acmeAt)
			header := append([]string{"Cookie", sessionCookie + "=" + secret}, c.header...)
			if c.media != "" {
				header = append(header, "Content-Type", c.media)
			}
			return shot{
				fire: func() answer {
					return f.send(call{method: c.method, to: acmeAt + "/graphql" + c.path, header: header, body: c.body})
				},
				refused: func(a answer) bool {
					return (declined(a) || c.method == "HEAD" || strings.Contains(string(a.body), `{"name":"anonymous"}`)) &&
						a.header.Get("Access-Control-Allow-Origin") == "" && !strings.Contains(string(a.body), "ana@")
				},
			}
		}})
	}
	out = append(out, attempt{group, "asking whether it may (preflight)", "a page of globex", func(f *field) shot {
		return shot{fire: func() answer {
			return f.send(call{method: http.MethodOptions, to: acmeAt + "/graphql", header: []string{"Origin", globexAt, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,graphql-preflight"}})
		}, refused: func(a answer) bool {
			return a.header.Get("Access-Control-Allow-Origin") == "" && a.header.Get("Access-Control-Allow-Credentials") == ""
		}}
	}})
	return out
}
