// Package protocol is what the four wire protocols share: whom a request is
// for ([Target]), the gate as handlers see it ([Gate]), how a refusal and an
// error look to package clients ([Refuse], [Problem]), and the headers that
// every package route sends.
package protocol

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
)

// Target is the registry that a request is for. Whoever makes one has found the
// organization and the registry, authenticated the subject, and checked that it
// may read (F2): handlers do neither.
type Target struct {
	Org          uuid.UUID
	OrgSlug      string
	Registry     uuid.UUID
	RegistryName string

	// BaseURL is the absolute public URL of the registry as this request should
	// see it, without a trailing slash. URLs in documents begin with it (R4).
	BaseURL string
	// OrgURL is the absolute root URL of the organization, without a trailing
	// slash, for links to pages.
	OrgURL string
	// Path is the escaped rest of the request's path below the registry; it
	// begins with a slash.
	Path string

	Subject   string // name of who asks, "" for nobody
	Anonymous bool   // whether the registry is readable without credentials (Q2)
}

// CacheControl is the header for answers of package routes (Q2): caches may keep
// them but must ask each time, shared ones only what everybody may read.
func (t Target) CacheControl() string {
	if t.Anonymous {
		return "public, no-cache"
	}
	return "private, no-cache"
}

// Gate is the read gate as handlers use it. Its errors have a kind of package
// errs.
type Gate interface {
	// List returns the view of a package: which versions the registry shows,
	// and which it withholds. NotFound when no source knows the package.
	List(ctx context.Context, registry uuid.UUID, pkg coord.Package) (*gate.View, error)
	// Open delivers the bytes of one file, or a refusal.
	Open(ctx context.Context, req gate.OpenRequest) (gate.Opened, error)
	// Refuse records that a withheld entry of a view was asked for by name, and
	// returns what to tell the client.
	Refuse(ctx context.Context, v *gate.View, e *gate.Entry) (*gate.Refusal, error)
}

var _ Gate = (*gate.Gate)(nil)

// Headers that never change, as ready slices: setting them allocates nothing.
var (
	noSniff = []string{"nosniff"}
	sandbox = []string{"default-src 'none'; sandbox"}
)

// Harden sets the headers that keep whatever a publisher chose from running on
// our origin (T6). Every answer of a package route has them.
func Harden(h http.Header) {
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = sandbox
}
