package main

import (
	"fmt"
	"strings"
)

// hostAttempts reach for globex's package with acme's token, by the host name
// and by the path. What a path must not give is what the same gives for a
// registry that does not exist.
func hostAttempts() (out []attempt) {
	const group = "Hosts: another organization than the token's, by the host name (T1)"
	// with is a request for globex's package and one for a package of nobody.
	with := func(name, as string, ask func(f *field, registry string) answer) {
		out = append(out, attempt{group, name, as, func(f *field) shot {
			return shot{fire: func() answer { return ask(f, "vault") }, like: func() answer { return ask(f, "ghost") }, sent: []string{"vault", "ghost"}}
		}})
	}
	path := func(registry string) string { return "/npm/" + registry + "/@hush%2fsauce" }
	header := func(name, home string, header ...string) {
		with(name, "the owner of acme", func(f *field, registry string) answer {
			return f.send(call{to: home + path(registry), token: f.tokens["owner"], header: header})
		})
	}
	stranger := func(name string, header ...string) {
		with(name, "the owner of acme, past the proxy", func(f *field, registry string) answer {
			return f.send(call{to: acmeAt + path(registry), token: f.tokens["owner"], header: header, from: "127.0.0.2"})
		})
	}
	header("the Host of globex", acmeAt, "Host", "globex.sluice.example")
	header("the Host of globex in upper case", acmeAt, "Host", "GLOBEX.Sluice.Example")
	header("the Host of globex with a final dot", acmeAt, "Host", "globex.sluice.example.")
	header("the Host of globex with a port", acmeAt, "Host", "globex.sluice.example:8443")
	header("the Host of globex with a user", acmeAt, "Host", "acme.sluice.example@globex.sluice.example")
	header("an IPv6 literal as Host", acmeAt, "Host", "[::1]")
	header("an IPv6 literal with a zone as Host", acmeAt, "Host", "[fe80::1%25globex.sluice.example]:80")
	header("globex below acme as Host", acmeAt, "Host", "globex.acme.sluice.example")
	header("acme below globex as Host", acmeAt, "Host", "acme.globex.sluice.example")
	header("the Host of globex on this machine", acmeAt, "Host", "globex.localhost")
	header("a Host with a path", acmeAt, "Host", "globex.sluice.example/o/acme")
	header("two names in the Host", acmeAt, "Host", "acme.sluice.example, globex.sluice.example")
	header("an escaped dot in the Host", acmeAt, "Host", "globex%2esluice.example")
	header("X-Forwarded-Host by the proxy itself", acmeAt, "X-Forwarded-Host", "globex.sluice.example")
	header("two X-Forwarded-Host by the proxy, the last one counts", acmeAt, "X-Forwarded-Host", "acme.sluice.example", "X-Forwarded-Host", "globex.sluice.example")
	stranger("X-Forwarded-Host from an address that is no proxy's", "X-Forwarded-Host", "globex.sluice.example")
	stranger("Forwarded from an address that is no proxy's", "Forwarded", "host=globex.sluice.example")
	stranger("X-Host, X-Original-Host and X-HTTP-Host-Override", "X-Host", "globex.sluice.example", "X-Original-Host", "globex.sluice.example", "X-Http-Host-Override", "globex.sluice.example")
	stranger("X-Original-URL and X-Rewrite-URL", "X-Original-Url", "/o/globex/npm/vault/@hush%2fsauce", "X-Rewrite-Url", "/o/globex/npm/vault/@hush%2fsauce")
	stranger("X-Forwarded-Prefix", "X-Forwarded-Prefix", "/o/globex")
	raw := func(name string, text func(registry, token string) string) {
		with(name, "the owner of acme", func(f *field, registry string) answer { return f.raw(text(registry, f.tokens["owner"])) })
	}
	raw("an absolute request line to globex, the Host of acme", func(registry, token string) string {
		return lines("GET https://globex.sluice.example"+path(registry)+" HTTP/1.1", "Host: acme.sluice.example", "Authorization: Bearer "+token)
	})
	raw("an absolute request line to acme, the Host of globex", func(registry, token string) string {
		return lines("GET https://acme.sluice.example"+path(registry)+" HTTP/1.1", "Host: globex.sluice.example", "Authorization: Bearer "+token)
	})
	raw("an absolute request line with a user", func(registry, token string) string {
		return lines("GET https://acme.sluice.example@globex.sluice.example"+path(registry)+" HTTP/1.1", "Host: acme.sluice.example", "Authorization: Bearer "+token)
	})
	raw("two Host headers, acme's first", func(registry, token string) string {
		return lines("GET "+path(registry)+" HTTP/1.1", "Host: acme.sluice.example", "Host: globex.sluice.example", "Authorization: Bearer "+token)
	})
	raw("two Host headers, globex's first", func(registry, token string) string {
		return lines("GET "+path(registry)+" HTTP/1.1", "Host: globex.sluice.example", "Host: acme.sluice.example", "Authorization: Bearer "+token)
	})
	raw("a Host on a continued line", func(registry, token string) string {
		return lines("GET "+path(registry)+" HTTP/1.1", "Host: acme.sluice.example", " globex.sluice.example", "Authorization: Bearer "+token)
	})
	raw("no Host in HTTP/1.0", func(registry, token string) string {
		return lines("GET "+path(registry)+" HTTP/1.0", "Authorization: Bearer "+token)
	})
	raw("a second request hidden behind two lengths (smuggling)", func(registry, token string) string {
		return "POST /graphql HTTP/1.1\r\nHost: acme.sluice.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n" +
			lines("GET "+path(registry)+" HTTP/1.1", "Host: globex.sluice.example", "Authorization: Bearer "+token)
	})
	return append(out, pathAttempts()...)
}

func pathAttempts() (out []attempt) {
	for _, c := range []struct{ name, home, path string }{
		{"the path form of globex on the platform's host", platformAt, "/o/globex/npm/%s/@hush%%2fsauce"},
		{"the path form of globex on acme's host", acmeAt, "/o/globex/npm/%s/@hush%%2fsauce"},
		{"dot segments out of acme's path", platformAt, "/o/acme/../globex/npm/%s/@hush%%2fsauce"},
		{"escaped dot segments out of acme's path", platformAt, "/o/acme/%%2e%%2e/globex/npm/%s/@hush%%2fsauce"},
		{"dot segments with escaped slashes", platformAt, "/o/acme/..%%2fglobex/npm/%s/@hush%%2fsauce"},
		{"dot segments escaped twice", platformAt, "/o/acme/%%252e%%252e%%252fglobex/npm/%s/@hush%%2fsauce"},
		{"an escaped slash in the organization's name", platformAt, "/o/acme%%2f..%%2fglobex/npm/%s/@hush%%2fsauce"},
		{"dot segments out of a registry", acmeAt, "/npm/workshop/../../o/globex/npm/%s/@hush%%2fsauce"},
		{"escaped slashes out of a registry", acmeAt, "/npm/workshop%%2f..%%2f%s/@hush%%2fsauce"},
		{"a package's name out of its registry", acmeAt, "/npm/workshop/@x%%2f..%%2f..%%2f%s%%2f@hush%%2fsauce"},
		{"backslashes", platformAt, "/o/acme\\..\\globex/npm/%s/@hush%%2fsauce"},
		{"two slashes", platformAt, "//o/globex/npm/%s/@hush%%2fsauce"},
		{"upper case in the path", platformAt, "/O/GLOBEX/npm/%s/@hush%%2fsauce"},
		{"upper case in the organization's name", platformAt, "/o/GLOBEX/npm/%s/@hush%%2fsauce"},
		{"a path parameter", platformAt, "/o/acme;/../globex/npm/%s/@hush%%2fsauce"},
		{"a zero byte", platformAt, "/o/acme%%00/../globex/npm/%s/@hush%%2fsauce"},
		{"a line feed", acmeAt, "/npm/workshop%%0d%%0aHost:%%20globex.sluice.example/%s/@hush%%2fsauce"},
		{"an overlong slash", platformAt, "/o/acme/..%%c0%%afglobex/npm/%s/@hush%%2fsauce"},
		{"globex's registry in acme", acmeAt, "/npm/%s/@hush%%2fsauce"},
		{"globex's tarball in acme", acmeAt, "/npm/%s/@hush/sauce/-/sauce-1.0.0.tgz"},
		{"globex's registry in another ecosystem's path", acmeAt, "/pypi/%s/@hush%%2fsauce"},
		{"globex's package by acme's GraphQL explorer", acmeAt, "/graphql/explorer/..%%2f..%%2fo/globex/npm/%s/@hush%%2fsauce"},
	} {
		out = append(out, attempt{"Paths: another organization than the token's, by the path (T1)", c.name, "the owner of acme", func(f *field) shot {
			ask := func(registry string) func() answer {
				host := strings.TrimPrefix(c.home, "https://")
				return func() answer {
					return f.raw(lines("GET "+fmt.Sprintf(c.path, registry)+" HTTP/1.1", "Host: "+host, "X-Forwarded-Proto: https", "Authorization: Bearer "+f.tokens["owner"]))
				}
			}
			return shot{fire: ask("vault"), like: ask("ghost"), sent: []string{"vault", "ghost"}, refused: func(a answer) bool {
				// A path may be cleaned by a redirect that the client follows by itself.
				return declined(a) || a.status == 301 || a.status == 307 || a.status == 308
			}}
		}})
	}
	return out
}
