// Package gate is the one read path: [Gate.List] answers which versions of a
// package a registry shows, [Gate.Open] delivers the bytes of one file. Every
// path of every protocol that can reveal or deliver a version goes through it
// (laws P2, F7), and it fails closed (F1).
//
// The gate knows no wire format. What an ecosystem's documents look like is
// taught to it by a [Protocol].
package gate

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
)

// Protocol is what one ecosystem teaches the gate. The Decode methods are pure
// and safe for hostile input; the Fetch methods talk to a remote through the
// guarded client (R3, F3, F6). All are safe for concurrent use.
type Protocol interface {
	// Ecosystem names the ecosystem.
	Ecosystem() coord.Ecosystem
	// Decode reads one source's document of a package. The listing keeps slices
	// of raw, which the caller must not change afterwards. A document that is
	// not one, or is about another package, is an errs.Upstream error that says
	// what is wrong; a single version that cannot be read is left out and named
	// in Listing.Skipped.
	Decode(pkg string, raw []byte) (*Listing, error)
	// DecodeVersion reads the metadata of one version, as Listed.Raw keeps it.
	DecodeVersion(pkg string, raw []byte) (*Listed, error)
	// FetchList asks the remote for the document of a package, conditionally
	// when prev is not empty. Its error is errs.Unavailable when the remote could
	// not be asked, and errs.Upstream when it answered something unwelcome.
	FetchList(ctx context.Context, r Remote, pkg string, prev Validators) (Fetched, error)
	// FetchFile opens a file of the remote. The caller closes the stream. Size
	// is -1 when the remote does not say. The bytes are not verified here.
	FetchFile(ctx context.Context, r Remote, f File) (body io.ReadCloser, size int64, err error)
}

// Remote is an external source as a Protocol needs it.
type Remote struct {
	ID        uuid.UUID
	Name      string // for error messages: "the remote npm-public"
	BaseURL   string // absolute, no trailing slash
	Token     string // bearer credential, "" for none; goes only to BaseURL's origin (F6)
	Username  string // basic credential together with Password, "" for none
	Password  string
	FileHosts []string // other hosts from which files of this remote may come (F6)
}

// Validators are what a conditional request sends.
type Validators struct {
	ETag         string
	LastModified string
}

// Fetched is a remote's answer for a document. Exactly one of NotModified,
// NotFound and Body is set.
type Fetched struct {
	NotModified bool
	NotFound    bool   // 404 or 410: an answer, which evicts (R3)
	Body        []byte // decoded from any content encoding
	Validators  Validators
}

// Listing is one source's document of a package, decoded once and shared
// read-only.
type Listing struct {
	Package  coord.Package
	Versions []*Listed         // in the ecosystem's order, ascending
	Tags     map[string]string // dist-tags and the like; empty where the ecosystem has none
	Skipped  []string          // versions that could not be read, with the reason, for the log
	Raw      []byte            // the document as the source gave it
	Document any               // what the protocol decoded it to
}

// Listed is one version as a source lists it.
type Listed struct {
	Version    string             // normalized
	Published  time.Time          // zero when the source does not say (R5)
	License    policy.LicenseFact // as declared
	Deprecated string             // what the source says against its use; "" for nothing
	Files      []File             // the first is the primary file; never empty
	Raw        []byte             // the version's own metadata, as the source gave it
	Document   any                // what the protocol decoded it to
}

// File is one downloadable of a version.
type File struct {
	Name    string  // under which every registry of ours serves it
	URL     string  // absolute, where the source has it; "" for a published one
	Digests Digests // what the source declared; all empty when nothing
	Size    int64   // -1 when the source does not say
}

// Digests are declared digests of a file; nil means not declared.
type Digests struct {
	SHA256, SHA512, SHA1, MD5 []byte
}

// Empty reports whether nothing was declared.
func (d Digests) Empty() bool {
	return d.SHA256 == nil && d.SHA512 == nil && d.SHA1 == nil && d.MD5 == nil
}

// String tells digests apart.
func (d Digests) String() string {
	return fmt.Sprintf("%x %x %x %x", d.SHA512, d.SHA256, d.SHA1, d.MD5)
}

// Differ returns the strongest digest that both declare and that is not the
// same, in hexadecimal digits; "" when nothing tells them apart.
func (d Digests) Differ(o Digests) (ours, theirs string) {
	for _, p := range [][2][]byte{{d.SHA512, o.SHA512}, {d.SHA256, o.SHA256}, {d.SHA1, o.SHA1}, {d.MD5, o.MD5}} {
		if len(p[0]) == 0 || len(p[1]) == 0 {
			continue
		}
		if bytes.Equal(p[0], p[1]) {
			return "", ""
		}
		return hex.EncodeToString(p[0]), hex.EncodeToString(p[1])
	}
	return "", ""
}
