// Package api has the Go types of the GraphQL schema that are no types of the
// domain: ids, scalars, and what is generated from the schema (inputs, payloads
// and connections).
package api

import (
	"encoding/base64"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// ID names an object: its type, and what finds it among those. It is opaque to
// clients. The zero ID names nothing, and is what malformed text reads as, so
// that it is the same as one that does not exist (T3).
type ID struct {
	Type string
	UUID uuid.UUID // nil for types that are found by text alone
	Text string    // "" for types that are found by UUID alone
}

// form tells what an id of a type has besides the type.
type form struct{ uuid, text bool }

var forms = map[string]form{
	"Advisory":         {text: true}, // OSV id
	"AdvisoryImport":   {uuid: true},
	"AuditEvent":       {uuid: true},
	"Cascade":          {uuid: true},
	"Decision":         {text: true}, // reference
	"Finding":          {uuid: true},
	"Grant":            {uuid: true},
	"GroupMapping":     {uuid: true},
	"Hold":             {uuid: true},
	"IdentityProvider": {uuid: true},
	"Invitation":       {uuid: true},
	"JoinRequest":      {uuid: true},
	"LinkedAccount":    {uuid: true},
	"Member":           {uuid: true},
	"Organization":     {uuid: true},
	"Package":          {uuid: true, text: true}, // registry, name
	"Pull":             {uuid: true},
	"Registry":         {uuid: true},
	"Remote":           {uuid: true},
	"Rule":             {uuid: true},
	"Scan":             {uuid: true},
	"ServiceAccount":   {uuid: true},
	"Session":          {uuid: true},
	"StagedVersion":    {uuid: true, text: true}, // registry, its own id
	"Team":             {uuid: true},
	"Token":            {uuid: true},
	"Tombstone":        {uuid: true},
	"TrustRule":        {uuid: true},
	"Upstream":         {uuid: true},
	"Version":          {uuid: true, text: true}, // registry, name and version with a line feed between
}

// Types returns the types that have ids, in alphabetical order.
func Types() []string {
	out := make([]string, 0, len(forms))
	for t := range forms {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// maxID bounds the text of an id in bytes: a type, a UUID, a package's name and
// a version, in base64.
const maxID = 2048

// Of returns the id of an object that is found by a UUID.
func Of(typ string, id uuid.UUID) ID { return ID{Type: typ, UUID: id} }

// String returns the text that clients see.
func (id ID) String() string {
	parts := id.Type
	f := forms[id.Type]
	if f.uuid {
		parts += ":" + id.UUID.String()
	}
	if f.text {
		parts += ":" + id.Text
	}
	return base64.RawURLEncoding.EncodeToString([]byte(parts))
}

// ParseID reads the text of an id. It is false for anything that [ID.String]
// did not write.
func ParseID(text string) (ID, bool) {
	if len(text) > maxID {
		return ID{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || !utf8.Valid(raw) {
		return ID{}, false
	}
	typ, rest, _ := strings.Cut(string(raw), ":")
	f, ok := forms[typ]
	if !ok {
		return ID{}, false
	}
	id := ID{Type: typ}
	if f.uuid {
		var first string
		first, rest, _ = strings.Cut(rest, ":")
		if id.UUID, err = uuid.Parse(first); err != nil || id.UUID == uuid.Nil {
			return ID{}, false
		}
	}
	id.Text = rest
	// One object has one id: another spelling of it is none.
	if f.text == (rest == "") || id.String() != text {
		return ID{}, false
	}
	return id, true
}

// MarshalGQL implements graphql.Marshaler.
func (id ID) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(id.String())) }

// UnmarshalGQL implements graphql.Unmarshaler. It never fails: what is no id
// names nothing.
func (id *ID) UnmarshalGQL(v any) error {
	text, _ := v.(string)
	*id, _ = ParseID(text)
	return nil
}
