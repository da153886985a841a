package npm

import (
	"fmt"
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/policy"
)

// bigDocument has the size and shape of the largest popular packages: 3,500
// versions in about 10 MB, most of them nightly builds.
func bigDocument() []byte {
	var b strings.Builder
	b.WriteString(`{"_id":"big","_rev":"1-a","name":"big","dist-tags":{"latest":"34.9.0","next":"34.9.0-dev.99"},"versions":{`)
	const n = 3500
	version := func(i int) string {
		if i%10 == 0 {
			return fmt.Sprintf("%d.%d.0", i/100, i/10%10)
		}
		return fmt.Sprintf("%d.%d.0-dev.%d", i/100, i/10%10, i)
	}
	var padding strings.Builder
	for i := range 52 {
		fmt.Fprintf(&padding, `"@scope/dependency-%d":"^1.2.3",`, i)
	}
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%[1]q:{"name":"big","author":"Somebody","homepage":"https://big.example/","version":%[1]q,"license":"Apache-2.0",`+
			`"description":"A language for application scale development","keywords":["a","b","c","d"],`+
			`"bugs":{"url":"https://big.example/issues"},"repository":{"type":"git","url":"https://big.example/big.git"},`+
			`"main":"./lib/big.js","typings":"./lib/big.d.ts","bin":{"big":"./bin/big","bigserver":"./bin/bigserver"},`+
			`"engines":{"node":">=14.17"},"files":["bin","lib","!lib/enu","LICENSE.txt","README.md"],`, version(i))
		fmt.Fprintf(&b, `"devDependencies":{%s"last":"1.0.0"},`, padding.String())
		fmt.Fprintf(&b, `"scripts":{"test":"run","build":"build --all","prepare":"husky"},"gitHead":"%040d","_id":"big@%[2]s",`+
			`"dist":{"integrity":"sha512-%[3]s==","shasum":"%040[1]d","tarball":"https://upstream.example/big/-/big-%[2]s.tgz","fileCount":100,"unpackedSize":%[1]d,`+
			`"signatures":[{"keyid":"SHA256:jl3bwswu80PjjokCgh0o2w5c2U4LhQAE57gj9cz1kzA","sig":"MEUCIQ"}]}}`, i, version(i), strings.Repeat("A", 86))
	}
	b.WriteString(`},"time":{"created":"2012-10-01T15:35:39.553Z","modified":"2026-01-01T00:00:00.000Z"`)
	for i := range n {
		fmt.Fprintf(&b, `,%q:"20%02d-%02d-01T15:35:39.553Z"`, version(i), 10+i/400, 1+i%12)
	}
	b.WriteString(`},"readme":"# big"}`)
	return []byte(b.String())
}

func BenchmarkDecode(b *testing.B) {
	raw := bigDocument()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if l := decode(b, "big", raw); len(l.Versions) != 3500 || len(l.Skipped) != 0 {
			b.Fatalf("%d versions, skipped %v", len(l.Versions), l.Skipped)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	l := decode(b, "big", bigDocument())
	decisions := map[string]policy.Decision{}
	for i, x := range l.Versions {
		if i%50 == 0 {
			decisions[x.Version] = deny("affected by GHSA-xxxx-xxxx-xxxx (HIGH)", false)
		}
	}
	v := viewOf(l, decisions)
	for name, render := range map[string]func(*gate.View, Place) ([]byte, error){"Full": Full, "Abbreviated": Abbreviated} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				body, err := render(v, at)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(body)))
			}
		})
	}
}
