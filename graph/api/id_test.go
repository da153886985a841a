package api_test

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
)

var one = uuid.MustParse("01890a5d-ac96-774b-bcce-b302099a8057")

func TestID_RoundTrip(t *testing.T) {
	for _, want := range []api.ID{
		api.Of("Registry", one),
		api.Of("Hold", one),
		{Type: "Advisory", Text: "GHSA-35jh-r3h4-6jhm"},
		{Type: "Decision", Text: "O3DoMGv-VB_qOcM9AKTQKA"},
		{Type: "Package", UUID: one, Text: "@scope/name"},
		{Type: "Version", UUID: one, Text: "org.x:y\n1.0"},
	} {
		got, ok := api.ParseID(want.String())
		if !ok || got != want {
			t.Errorf("%v became %v (%v)", want, got, ok)
		}
		var b bytes.Buffer
		want.MarshalGQL(&b)
		if text, err := strconv.Unquote(b.String()); err != nil || text != want.String() {
			t.Errorf("%v is written as %s", want, b.String())
		}
	}
}

// TestT3_OneObjectHasOneID: another spelling of an id would be a second name
// for the same thing, and what is malformed must name nothing.
func TestT3_OneObjectHasOneID(t *testing.T) {
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, text := range map[string]string{
		"empty":           "",
		"a bare UUID":     one.String(),
		"not base64":      "%%%",
		"padding":         base64.URLEncoding.EncodeToString([]byte("Registry:"+one.String())) + "=",
		"unknown type":    raw("Secret:" + one.String()),
		"no value":        raw("Registry:"),
		"the nil UUID":    raw("Registry:" + uuid.Nil.String()),
		"capital letters": raw("Registry:" + strings.ToUpper(one.String())),
		"braces":          raw("Registry:{" + one.String() + "}"),
		"more than it":    raw("Registry:" + one.String() + ":x"),
		"no text":         raw("Advisory:"),
		"no name":         raw("Package:" + one.String() + ":"),
		"no registry":     raw("Package:left-pad"),
		"broken UTF-8":    raw("Advisory:\xff"),
		"very long":       strings.Repeat("A", 5000),
	} {
		if id, ok := api.ParseID(text); ok || id != (api.ID{}) {
			t.Errorf("%s: %q names %v", name, text, id)
		}
	}
	var id api.ID
	if err := id.UnmarshalGQL(12); err != nil || id != (api.ID{}) {
		t.Errorf("a number names %v, %v", id, err)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(api.Of("Registry", one).String())
	f.Add(api.ID{Type: "Version", UUID: one, Text: "a\n1"}.String())
	f.Add("UmVnaXN0cnk6")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := api.ParseID(text)
		switch {
		case !ok && id != (api.ID{}):
			t.Fatalf("%q names nothing, and yet %v", text, id)
		case ok && id.String() != text:
			t.Fatalf("%q is also written %q", text, id)
		}
	})
}
