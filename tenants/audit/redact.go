package audit

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// hidden stands in the place of a secret.
const hidden = "***"

// secretKeys are parts of the names of members that hold secrets, in lower case
// without separators.
var secretKeys = []string{"secret", "password", "passwd", "passphrase", "credential", "authorization", "cookie", "privatekey", "apikey", "accesskey", "hash", "bearer"}

// secretForms are what secrets look like anywhere in a text: our own tokens and
// invitations, a password in an address, a private key, tokens of others whose
// form is their own.
var secretForms = regexp.MustCompile(`sluice_(invitation_)?[0-9A-Za-z]{36}|npm_[0-9A-Za-z]{36}|gh[pousr]_[0-9A-Za-z]{36,}|pypi-[0-9A-Za-z_-]{40,}|` +
	`eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(-----END [A-Z ]*PRIVATE KEY-----)?`)

// userInfo is the part of an address that may hold a password.
var userInfo = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^/\s@"]+@`)

// redactText takes out what looks like a secret.
func redactText(s string) string {
	s = secretForms.ReplaceAllString(s, hidden)
	if strings.Contains(s, "://") {
		s = userInfo.ReplaceAllString(s, "${1}"+hidden+"@")
	}
	return s
}

// redactJSON takes secrets out of a document: texts in members that are named
// like secrets, and texts that look like some. Services give none to the log;
// this is for the one that forgets. The trail is append-only, so that what got
// in would stay.
func redactJSON(raw []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(redact(v, false))
}

func redact(v any, named bool) any {
	switch v := v.(type) {
	case string:
		if named && v != "" {
			return hidden
		}
		return redactText(v)
	case []any:
		for i := range v {
			v[i] = redact(v[i], named)
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[redactText(k)] = redact(x, named || namesSecret(k))
		}
		return out
	}
	return v
}

func namesSecret(key string) bool {
	key = strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(key))
	for _, s := range secretKeys {
		if strings.Contains(key, s) {
			return true
		}
	}
	return false
}
