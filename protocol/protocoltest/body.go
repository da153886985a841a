package protocoltest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Member is a member of an Object.
type Member struct {
	Name  string
	Value any
}

// Object is a JSON object whose members have an order, and may have the same
// name twice.
type Object []Member

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(m.Value)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// String is the object as JSON.
func (o Object) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // tests put only JSON values in
	}
	return string(b)
}

// With returns the object with another value of a member, at its place or at the
// end. A path leads through objects: "versions/1.0.0/dist".
func (o Object) With(path string, value any) Object {
	out := slices.Clone(o)
	i := slices.IndexFunc(out, func(m Member) bool { return path == m.Name || strings.HasPrefix(path, m.Name+"/") })
	switch {
	case i < 0:
		return append(out, Member{path, value})
	case path == out[i].Name:
		out[i].Value = value
	default:
		inner, _ := out[i].Value.(Object) // nil when the test leads nowhere
		out[i].Value = inner.With(path[len(out[i].Name)+1:], value)
	}
	return out
}

// Without returns the object without a member.
func (o Object) Without(path string) Object {
	out := slices.Clone(o)
	return slices.DeleteFunc(out, func(m Member) bool { return m.Name == path })
}

// Clients are the clients whose publications [PublishBody] imitates.
var Clients = []string{"npm", "pnpm", "yarn-classic", "yarn-berry", "bun"}

// PublishBody is the body of PUT /{package} with which a client publishes a
// tarball; they differ in the order and in the additional members.
func PublishBody(client, pkg, version string, tgz []byte) Object {
	s1, s512 := sha1.Sum(tgz), sha512.Sum512(tgz)
	shasum, integrity := hex.EncodeToString(s1[:]), "sha512-"+base64.StdEncoding.EncodeToString(s512[:])
	dist := Object{{"integrity", integrity}, {"shasum", shasum}, {"tarball", "http://registry.invalid/" + pkg + "/-/" + pkg + "-" + version + ".tgz"}}
	tags := Object{{"latest", version}}
	file := Object{{pkg + "-" + version + ".tgz", Object{{"content_type", "application/octet-stream"}, {"data", base64.StdEncoding.EncodeToString(tgz)}, {"length", len(tgz)}}}}
	manifest := Object{{"name", pkg}, {"version", version}, {"description", "the package " + pkg}, {"keywords", []string{"test", "one"}},
		{"license", "MIT"}, {"main", "index.js"}, {"_id", pkg + "@" + version}}
	of := func(manifest Object) Object { return Object{{version, manifest}} }
	switch client {
	case "npm":
		return Object{{"_id", pkg}, {"name", pkg}, {"description", "the package " + pkg}, {"dist-tags", tags},
			{"versions", of(append(manifest, Member{"_nodeVersion", "24.1.0"}, Member{"_npmVersion", "11.19.1"}, Member{"dist", dist}))},
			{"access", "public"}, {"_attachments", file}}
	case "pnpm":
		return Object{{"_attachments", file}, {"_id", pkg}, {"access", nil}, {"dist-tags", tags}, {"name", pkg},
			{"versions", of(append(manifest, Member{"dist", dist}))}}
	case "yarn-classic":
		return Object{{"_id", pkg}, {"access", "public"}, {"name", pkg}, {"description", "the package " + pkg}, {"dist-tags", tags},
			{"versions", of(append(manifest, Member{"dist", dist.Without("integrity")}))}, {"readme", "# " + pkg}, {"_attachments", file}}
	case "yarn-berry":
		return Object{{"_id", pkg}, {"_attachments", file}, {"name", pkg}, {"access", "public"}, {"dist-tags", tags},
			{"versions", of(append(manifest, Member{"gitHead", nil}, Member{"dist", dist}))}, {"readme", ""}}
	case "bun":
		return Object{{"_id", pkg}, {"name", pkg}, {"dist-tags", tags},
			{"versions", of(append(manifest, Member{"_integrity", integrity}, Member{"_nodeVersion", "24.3.0"}, Member{"_npmVersion", "10.8.3"},
				Member{"integrity", integrity}, Member{"shasum", shasum}, Member{"dist", dist}))},
			{"access", nil}, {"_attachments", file}}
	}
	panic("no client " + client)
}

// Bundle is the text of a Sigstore bundle that says where a tarball was built.
// Its signature is none.
func Bundle(purl string, tgz []byte) string {
	s512 := sha512.Sum512(tgz)
	statement := Object{{"_type", "https://in-toto.io/Statement/v1"},
		{"subject", []Object{{{"name", purl}, {"digest", Object{{"sha512", hex.EncodeToString(s512[:])}}}}}},
		{"predicateType", "https://slsa.dev/provenance/v1"}, {"predicate", Object{}}}
	return Object{{"mediaType", "application/vnd.dev.sigstore.bundle.v0.3+json"}, {"verificationMaterial", Object{}},
		{"dsseEnvelope", Object{{"payload", base64.StdEncoding.EncodeToString([]byte(statement.String()))}, {"payloadType", "application/vnd.in-toto+json"},
			{"signatures", []Object{{{"sig", "AA=="}, {"keyid", ""}}}}}}}.String()
}

// WithBundle adds a provenance bundle to a publication.
func (o Object) WithBundle(pkg, version, text string) Object {
	return o.With("_attachments/"+pkg+"-"+version+".sigstore",
		Object{{"content_type", "application/vnd.dev.sigstore.bundle.v0.3+json"}, {"data", text}, {"length", len(text)}})
}
