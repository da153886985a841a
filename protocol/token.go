package protocol

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
)

// Access decides who a request is from and what it may see; *access.Service is
// one. Contexts are bound to the organization.
type Access interface {
	// Authenticate returns the subject of a token that came from an IP address;
	// errs.Unauthenticated when it is not valid in the organization, or not from
	// there.
	Authenticate(ctx context.Context, secret, ip string) (access.Subject, error)
	// Reads reports whether the subject has registry:read on the registry.
	Reads(ctx context.Context, who access.Subject, registry uuid.UUID) (bool, error)
}

// maxCredential bounds what is decoded, in bytes.
const maxCredential = 4096

// secretOf returns the token that a request carries, and whether it carries a
// credential at all; one that cannot be read is "" and true. Clients send it as
// Bearer (npm, pnpm, bun, deno), as the password of Basic with any user name
// (pip, twine, uv, mvn, dotnet), or as X-NuGet-ApiKey (pushes). An API key that
// is no token does not hide a Basic credential beside it: dotnet asks for some
// key even where none is needed.
func secretOf(h http.Header) (secret string, given bool) {
	key := h.Get("X-NuGet-ApiKey")
	if access.LooksLikeToken(key) {
		return key, true
	}
	auth := h.Values("Authorization")
	switch {
	case len(auth) == 0:
		return key, key != ""
	case len(auth) > 1 || len(auth[0]) > maxCredential:
		return "", true
	}
	scheme, value, _ := strings.Cut(auth[0], " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		return value, true
	case "basic":
		return password(value), true
	}
	return "", true
}

func password(encoded string) string {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	_, pass, _ := strings.Cut(string(b), ":")
	return pass
}

// authenticate returns the subject of a request, the anonymous one when it
// carries no credential. A credential that is not valid is an error even where
// none would be needed: a client with a mistyped token should hear of it.
func authenticate(ctx context.Context, a Access, h http.Header, ip string) (access.Subject, error) {
	secret, given := secretOf(h)
	if !given {
		return access.Anonymous(), nil
	}
	return a.Authenticate(ctx, secret, ip)
}
