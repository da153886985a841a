package main

import (
	"archive/tar"
	"encoding/base64"
	"strings"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
)

// hostile is a request that changes nothing.
type hostile struct {
	name   string
	method string // default PUT
	path   string // default /@acme%2fx
	body   string
	header []string
	status int // default 400
	says   string
}

type (
	entry  = protocoltest.Entry
	object = protocoltest.Object
)

const hostilePackage = "@acme/x"

// publication is what npm sends to publish version 2.0.0 of the package of these
// tests.
func publication(tgz []byte) object {
	return protocoltest.PublishBody("npm", hostilePackage, "2.0.0", tgz)
}

// with is a publication of a tarball with one more entry.
func with(e ...entry) string {
	return publication(protocoltest.Pack(append([]entry{protocoltest.PackageJSON(hostilePackage, "2.0.0", "")}, e...)...)).String()
}

// TestF5_HostileRequests: each is refused with an error of its own, and leaves
// nothing behind: no bytes, no rows.
func TestF5_HostileRequests(t *testing.T) {
	h, x := publisher(t)
	x.published("team", hostilePackage, "1.0.0", nil)
	rev := x.writeDoc(hostilePackage)["_rev"].(string)
	before := x.kept()
	said := map[string]string{}
	table := hostileTable(rev)
	if len(table) < 60 {
		t.Fatalf("%d requests", len(table))
	}
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			h.in(t)
			if c.method == "" {
				c.method = "PUT"
			}
			if c.path == "" {
				c.path = "/@acme%2fx"
			}
			if c.status == 0 {
				c.status = 400
			}
			a := x.send(c.method, "team", c.path, c.body, c.header...)
			if !a.says(c.status, c.says) {
				t.Errorf("%d %s %v, want %d with %q", a.status, a.body, a.err, c.status, c.says)
			}
			if other, ok := said[a.problem().Error]; ok {
				t.Errorf("the same error as %q: %s", other, a.problem().Error)
			}
			said[a.problem().Error] = c.name
			if after := x.kept(); after != before {
				t.Errorf("kept %v, before %v", after, before)
			}
		})
	}
	if d := x.doc("team", hostilePackage); len(d.Versions) != 1 || d.Versions["1.0.0"].Deprecated != "" {
		t.Errorf("%+v", d)
	}
}

func hostileTable(rev string) []hostile {
	tgz := protocoltest.PackOf(hostilePackage, "2.0.0", nil)
	good := publication(tgz)
	const file = "_attachments/@acme/x-2.0.0.tgz"
	attached := func(name string, members object) object {
		return good.With("_attachments", object{{Name: name, Value: members}})
	}
	data := base64.StdEncoding.EncodeToString(tgz)
	whole := object{{Name: "content_type", Value: "application/octet-stream"}, {Name: "data", Value: data}, {Name: "length", Value: len(tgz)}}
	raw := good.String()
	other := protocoltest.PackOf("@acme/y", "2.0.0", nil)
	manifest := func(member string, v any) string { return good.With("versions/2.0.0/"+member, v).String() }
	doc := `{"_id":"@acme/x","_rev":"` + rev + `","name":"@acme/x",`
	at := "/@acme%2fx/-rev/" + rev
	tags := "/-/package/@acme%2fx/dist-tags"
	return []hostile{
		// Names and paths.
		{name: "name of another package", body: protocoltest.PublishBody("npm", "@acme/y", "2.0.0", other).String(), says: "neither @acme/x-{version}.tgz"},
		{name: "name differs", body: good.With("name", "@acme/z").String(), says: `name in the body is "@acme/z"`},
		{name: "_id differs", body: good.With("_id", "@acme/z").String(), says: `_id in the body is "@acme/z"`},
		{name: "no name", body: good.Without("name").String(), says: "the body has no name"},
		{name: "upper case", path: "/@acme%2fX", body: protocoltest.PublishBody("npm", "@acme/X", "2.0.0", tgz).String(), says: "must be lower case"},
		{name: "reserved name", path: "/node_modules", body: "{}", says: "is reserved"},
		{name: "module of Node.js", path: "/fs", body: protocoltest.PublishBody("npm", "fs", "2.0.0", tgz).String(), says: "module of Node.js"},
		{name: "no name after the scope", path: "/@acme", body: "{}", says: "is a scope"},
		{name: "escaped slash", path: "/x%2fy", body: raw, says: "escaped slash"},
		{name: "escaped twice", path: "/@acme%252fx", body: raw, says: "@acme%2fx"},
		{name: "dots escaped", path: "/%2e%2e", body: raw, says: `a segment ".."`},
		{name: "backslash in the path", path: "/x%5cy", body: raw, says: `'\\'`},
		{name: "null in the path", path: "/x%00y", body: raw, says: `the character '\x00'`},
		{name: "prototype", path: "/__proto__", body: raw, says: `"__proto__"`},
		{name: "name in letters that look alike", path: "/@acme%2f%D1%85", body: raw, says: "'х'"},
		{name: "space behind the name", body: good.With("name", "@acme/x ").String(), says: `name in the body is "@acme/x "`},

		// JSON.
		{name: "empty", body: "", says: "ends too early, after 0 bytes"},
		{name: "array", body: "[]", says: "the document, which is an object"},
		{name: "string", body: `"x"`, says: `not '"'`},
		{name: "cut off in the tarball", body: raw[:len(raw)-120], says: "ends too early"},
		{name: "cut off in the manifest", body: raw[:100], says: "ends too early, after 100 bytes"},
		{name: "trailing garbage", body: raw + "{}", says: "something follows the document"},
		{name: "member twice", body: strings.Replace(raw, `"name":"@acme/x"`, `"name":"@acme/x","name":"@acme/y"`, 1), says: `"name" occurs twice in the document`},
		{name: "member twice, escaped", body: strings.Replace(raw, `"name":"@acme/x"`, `"name":"@acme/x","n\u0061me":"@acme/y"`, 1), says: "occurs twice in the document"},
		{name: "attachments twice", body: strings.TrimSuffix(raw, "}") + `,"_attachments":{}}`, says: `"_attachments" occurs twice`},
		{name: "version twice", body: strings.Replace(raw, `"versions":{`, `"versions":{"2.0.0":{},`, 1), says: `"2.0.0" occurs twice in versions`},
		{name: "data twice", body: strings.Replace(raw, `"length":`, `"data":"AAAA","length":`, 1), says: `"data" occurs twice in the attachment`},
		{name: "manifest member twice", body: strings.Replace(raw, `"license":"MIT"`, `"license":"MIT","license":"GPL"`, 1), says: `"license" occurs twice`},
		{name: "depth", body: `{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", says: "nested deeper than the bound of 200"},
		{name: "depth in a manifest", body: strings.Replace(raw, `"license":"MIT"`, `"license":`+strings.Repeat(`{"a":`, 300)+"1"+strings.Repeat("}", 300), 1), says: "the manifest of 2.0.0 is nested deeper"},
		{name: "no UTF-8", body: strings.Replace(raw, "MIT", "M\xffT", 1), says: "it is not UTF-8"},
		{name: "single quotes", body: "{'name':1}", says: `must begin with '"', not '\''`},
		{name: "brackets that do not match", body: `{"a":{]}`, says: "a cannot be used"},
		{name: "large member", body: `{"readme":"` + strings.Repeat("x", 9<<20) + `"}`, status: 413, says: "readme is larger than the bound of 8388608 bytes"},
		{name: "large document", body: zipped(`{"a":1` + strings.Repeat(" ", 65<<20) + "}"), header: []string{"Content-Encoding", "gzip"}, status: 413, says: "more than the bound of 67108864 bytes besides the tarball"},
		{name: "long name of a member", body: `{"` + strings.Repeat("n", 2000) + `":1}`, status: 413, says: "a name of the document is larger than the bound of 1024 bytes"},
		{name: "__proto__ in the manifest", body: manifest("__proto__", object{{Name: "scripts", Value: 1}}), says: "member named __proto__"},
		{name: "__proto__ as a version", body: good.With("versions", object{{Name: "__proto__", Value: object{}}}).String(), says: `versions has "__proto__"`},
		{name: "__proto__ as a tag", body: good.With("dist-tags", object{{Name: "__proto__", Value: "2.0.0"}}).String(), says: "__proto__ cannot be a dist-tag"},
		{name: "__proto__ as an attachment", body: attached("__proto__", whole).String(), says: `the attachment "__proto__" is neither`},

		// Headers.
		{name: "plain text", body: raw, header: []string{"Content-Type", "text/plain"}, says: `content type "text/plain"`},
		{name: "form", body: raw, header: []string{"Content-Type", "multipart/form-data; boundary=x"}, says: "content type \"multipart/form-data"},
		{name: "broken content type", body: raw, header: []string{"Content-Type", ";;"}, says: `content type ";;"`},
		{name: "character set", body: raw, header: []string{"Content-Type", "application/json; charset=utf-16"}, says: `character set "utf-16"`},
		{name: "brotli", body: raw, header: []string{"Content-Encoding", "br"}, says: `content encoding "br"`},
		{name: "two encodings", body: raw, header: []string{"Content-Encoding", "gzip, gzip"}, says: `content encoding "gzip, gzip"`},
		{name: "no gzip", body: raw, header: []string{"Content-Encoding", "gzip"}, says: "not the gzip that its content encoding says"},
		{name: "gzip cut off", body: zipped(raw)[:300], header: []string{"Content-Encoding", "gzip"}, says: "ends too early"},

		// The version and what it is said to be.
		{name: "no semver", body: strings.ReplaceAll(raw, `"2.0.0":{`, `"2.0":{`), says: `versions has "2.0"`},
		{name: "semver that is too large", body: strings.ReplaceAll(raw, `"2.0.0":{`, `"99999999999999999999.0.0":{`), says: "99999999999999999999"},
		{name: "two versions", body: good.With("versions/3.0.0", object{{Name: "name", Value: hostilePackage}}).String(), says: "the body has 2 versions"},
		{name: "no versions", body: good.With("versions", object{}).String(), says: "the body has 0 versions"},
		{name: "versions is an array", body: good.With("versions", []int{}).String(), says: "versions, which is an object"},
		{name: "manifest is a string", body: good.With("versions/2.0.0", "x").String(), says: "the manifest is not an object"},
		{name: "manifest of another version", body: manifest("version", "2.0.1"), says: `the manifest there has the version "2.0.1"`},
		{name: "manifest of another package", body: manifest("name", "@acme/z"), says: `the manifest in the body has the name "@acme/z"`},
		{name: "dist is a string", body: manifest("dist", "x"), says: "dist is not an object"},
		{name: "attachment of another version", body: attached("@acme/x-2.0.1.tgz", whole).String(), says: `its attachment is "@acme/x-2.0.1.tgz"`},
		{name: "tarball of another version", body: publication(protocoltest.PackOf(hostilePackage, "2.0.1", nil)).String(), says: `package.json in the tarball has the version "2.0.1"`},
		{name: "tarball of another package", body: publication(other).String(), says: `package.json in the tarball has the name "@acme/y"`},
		{name: "existing version", body: protocoltest.PublishBody("npm", hostilePackage, "1.0.0", protocoltest.PackOf(hostilePackage, "1.0.0", nil)).String(), status: 403, says: "You cannot publish over the previously published versions: 1.0.0"},
		{name: "restricted without a scope", path: "/left", body: protocoltest.PublishBody("npm", "left", "2.0.0", protocoltest.PackOf("left", "2.0.0", nil)).With("access", "restricted").String(), says: "access restricted is for packages with a scope"},
		{name: "unknown access", body: good.With("access", "world").String(), says: `access is "world"`},
		{name: "access is a number", body: good.With("access", 7).String(), says: "access is not a string"},
		{name: "tag on another version", body: good.With("dist-tags", object{{Name: "next", Value: "1.0.0"}}).String(), says: "the version that is published is 2.0.0"},
		{name: "tag that is a range", body: good.With("dist-tags", object{{Name: "1.x", Value: "2.0.0"}}).String(), says: "the dist-tag 1.x would be taken for"},
		{name: "tag with a line break", body: good.With("dist-tags", object{{Name: "a\nb", Value: "2.0.0"}}).String(), says: `"a\nb" cannot be a dist-tag`},

		// The attachment.
		{name: "no attachment", body: good.Without("_attachments").String(), says: "a new one needs its tarball"},
		{name: "attachment with a path", body: attached("../@acme/x-2.0.0.tgz", whole).String(), says: `the attachment "../@acme/x-2.0.0.tgz" is neither`},
		{name: "attachment of another kind", body: attached("@acme/x-2.0.0.zip", whole).String(), says: `the attachment "@acme/x-2.0.0.zip" is neither`},
		{name: "two attachments", body: good.With("_attachments/x-2.0.0.tgz", whole).String(), says: "two attachments of a kind"},
		{name: "attachment without data", body: attached("@acme/x-2.0.0.tgz", whole.Without("data")).String(), says: "has no data"},
		{name: "data is a number", body: good.With(file, 1).With("_attachments", object{{Name: "@acme/x-2.0.0.tgz", Value: whole.With("data", 1)}}).String(), says: "which is a string"},
		{name: "length too small", body: attached("@acme/x-2.0.0.tgz", whole.With("length", 5)).String(), says: "says that its length is 5"},
		{name: "length too large", body: attached("@acme/x-2.0.0.tgz", whole.With("length", len(tgz)+1)).String(), says: "bytes came"},
		{name: "length is negative", body: attached("@acme/x-2.0.0.tgz", whole.With("length", -1)).String(), says: "is not a number of bytes: -1"},
		{name: "no base64", body: attached("@acme/x-2.0.0.tgz", whole.With("data", data[:40]+"*"+data[41:])).String(), says: "not base64: it has '*'"},
		{name: "base64 cut off", body: attached("@acme/x-2.0.0.tgz", whole.With("data", data[:len(data)-5])).String(), says: "no multiple of 4"},
		{name: "base64 with a line break", body: attached("@acme/x-2.0.0.tgz", whole.With("data", data[:40]+"\n"+data[40:])).String(), says: `escape \n`},
		{name: "base64 with padding inside", body: attached("@acme/x-2.0.0.tgz", whole.With("data", "AA=="+data)).String(), says: "follows its padding"},
		{name: "base64url", body: attached("@acme/x-2.0.0.tgz", whole.With("data", data[:40]+"-_"+data[42:])).String(), says: "not base64: it has '-'"},
		{name: "wrong integrity", body: manifest("dist", object{{Name: "integrity", Value: integrity([]byte("x"))}}), says: "dist.integrity says sha512-"},
		{name: "wrong shasum", body: manifest("dist", object{{Name: "shasum", Value: strings.Repeat("0", 40)}}), says: "dist.shasum says 0000"},
		{name: "integrity that is none", body: manifest("dist", object{{Name: "integrity", Value: "sha512-xyz"}}), says: "is not the base64 of a 64-byte sha512"},
		{name: "bundle without a tarball", body: good.With("_attachments", object{}).WithBundle(hostilePackage, "2.0.0", protocoltest.Bundle("pkg:npm/%40acme/x@2.0.0", tgz)).String(), says: "a provenance bundle but no tarball"},
		{name: "bundle of other bytes", body: good.WithBundle(hostilePackage, "2.0.0", protocoltest.Bundle("pkg:npm/%40acme/x@2.0.0", other)).String(), says: "but dist.integrity is of"},

		// The tarball.
		{name: "tarball is no gzip", body: publication([]byte("no gzip at all, but long enough to be read")).String(), says: "not compressed with gzip"},
		{name: "empty tarball", body: publication(nil).String(), says: "the tarball cannot be published: it is empty"},
		{name: "absolute entry", body: with(entry{Name: "/etc/passwd"}), says: `is absolute: "/etc/passwd"`},
		{name: "entry above", body: with(entry{Name: "package/../../up"}), says: `has "..": "package/../../up"`},
		{name: "entry with a backslash", body: with(entry{Name: `package\..\up`}), says: "has a backslash"},
		{name: "entry elsewhere", body: with(entry{Name: "elsewhere/up"}), says: `"elsewhere/up" is outside of the folder "package"`},
		{name: "symbolic link", body: with(entry{Name: "package/l", Type: tar.TypeSymlink, Link: "/etc"}), says: "is a symbolic link"},
		{name: "hard link", body: with(entry{Name: "package/l", Type: tar.TypeLink, Link: "/etc/passwd"}), says: "is a hard link"},
		{name: "device", body: with(entry{Name: "package/d", Type: tar.TypeChar}), says: "is a device"},
		{name: "pipe", body: with(entry{Name: "package/p", Type: tar.TypeFifo}), says: "is a pipe"},
		{name: "two manifests", body: with(protocoltest.PackageJSON(hostilePackage, "2.0.0", "")), says: `"package/package.json" is in it twice`},
		{name: "manifest in capitals", body: with(entry{Name: "package/PACKAGE.JSON"}), says: `one hides the other on some systems: "package/PACKAGE.JSON"`},
		{name: "manifest with an invisible letter", body: with(entry{Name: "package/package\u200d.json"}), says: "one hides the other on some systems"},
		{name: "no manifest", body: publication(protocoltest.Pack(entry{Name: "package/a"})).String(), says: "has no package/package.json"},
		{name: "bytes behind", body: publication(append(protocoltest.PackOf(hostilePackage, "2.0.0", nil), 'x')).String(), says: "something follows its gzip stream"},
		{name: "10 GB of zeros", body: publication(protocoltest.Bomb(protocoltest.PackageJSON(hostilePackage, "2.0.0", ""), 10<<30)).String(), status: 413, says: "more than the bound of 200 times its size"},

		// Changes.
		{name: "nothing to change", body: `{"_id":"@acme/x"}`, says: "the body changes nothing"},
		{name: "maintainers of nobody", path: at, body: doc + `"maintainers":[]}`, says: "at least one maintainer"},
		{name: "maintainer without a name", path: at, body: doc + `"maintainers":[{"email":"a@b.example"}]}`, says: "somebody in it has no name"},
		{name: "maintainers is an object", path: at, body: doc + `"maintainers":{}}`, says: "maintainers cannot be used: it is not an array"},
		{name: "stale maintainers", path: "/@acme%2fx/-rev/99-0", body: `{"maintainers":[{"name":"eve"}]}`, status: 409, says: "99-0"},
		{name: "two revisions", path: "/@acme%2fx/-rev/98-0", body: doc + `"maintainers":[{"name":"eve"}]}`, says: "the path names the revision 98-0"},
		{name: "publish at a revision", path: at, body: raw, says: "not at one of its revisions"},
		{name: "unpublish all by a document", path: at, body: doc + `"versions":{}}`, says: "no version left"},
		{name: "unpublish with a stale document", path: "/@acme%2fx/-rev/97-0", body: `{"versions":{"9.0.0":{}}}`, status: 409, says: "97-0"},
		{name: "deprecate with a stale document", body: `{"_rev":"96-0","versions":{"1.0.0":{"deprecated":"x"}}}`, status: 409, says: "96-0"},
		{name: "delete at a stale revision", method: "DELETE", path: "/@acme%2fx/-rev/95-0", status: 409, says: "95-0"},
		{name: "delete a tarball at a stale revision", method: "DELETE", path: "/@acme/x/-/x-1.0.0.tgz/-rev/94-0", status: 409, says: "94-0"},
		{name: "delete a tarball of another name", method: "DELETE", path: "/@acme/x/-/y-1.0.0.tgz/-rev/" + rev, status: 404, says: `"y-1.0.0.tgz" is no tarball of @acme/x`},
		{name: "delete another package", method: "DELETE", path: "/@acme%2fnone/-rev/" + rev, status: 404, says: "@acme/none"},
		{name: "star of nothing", path: "/@acme%2fzero", body: `{"users":{}}`, status: 404, says: "@acme/zero"},

		// Dist-tags.
		{name: "tag: empty", path: tags + "/next", body: "", says: "JSON string, such as \"1.0.0\": it is empty"},
		{name: "tag: no JSON", path: tags + "/next", body: "one", says: "JSON string, such as \"1.0.0\": it is not JSON"},
		{name: "tag: object", path: tags + "/next", body: `{}`, says: "it is not a string"},
		{name: "tag: no version", path: tags + "/next", body: `"latest"`, says: `"latest" is no version`},
		{name: "tag: two values", path: tags + "/next", body: `"1.0.0" "1.0.0"`, says: "something follows the document"},
		{name: "tag: huge", path: tags + "/next", body: `"` + strings.Repeat("1", 70<<10) + `"`, status: 413, says: "larger than the bound of 65536 bytes"},
		{name: "tag: name of a version", path: tags + "/1.0.0", body: `"1.0.0"`, says: "the dist-tag 1.0.0 would be taken for"},
		{name: "tag: wrong content type", path: tags + "/next", body: `"1.0.0"`, header: []string{"Content-Type", "text/html"}, says: `content type "text/html"`},
		{name: "tags: array", method: "POST", path: tags, body: `[]`, says: "it is not an object"},
		{name: "tags: twice", method: "POST", path: tags, body: `{"a":"1.0.0","a":"1.0.0"}`, says: `"a" occurs twice`},
		{name: "tags: none", method: "POST", path: tags, body: `{}`, says: "such as {\"next\":\"1.0.0\"}: it is empty"},
		{name: "tags: number", method: "POST", path: tags, body: `{"a":1}`, says: `the value of "a" is not a version`},

		// Other paths.
		{name: "stage without a tarball", method: "POST", path: "/-/stage/package/@acme%2fx", body: `{"_id":"@acme/x"}`, says: "the body has no tarball"},
		{name: "stage: no id", method: "GET", path: "/-/stage/none", status: 404, says: "is not the id of a staged version"},
		{name: "stage: page", method: "GET", path: "/-/stage?page=-1", says: `the parameter page is "-1"`},
		{name: "stage: package", method: "GET", path: "/-/stage?package=..", says: "the parameter package is no package name"},
		{name: "stars of no name", method: "GET", path: "/-/_view/starredByUser?key=ann", says: "the parameter key must be a name"},
		{name: "user that is none", method: "GET", path: "/-/user/ann", status: 404, says: "there is nothing at this path"},
	}
}
