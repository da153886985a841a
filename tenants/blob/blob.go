// Package blob keeps bytes by their SHA-256. It knows no organization: bytes
// are reachable only through rows that name them (T4), and go away only when a
// job has proved that no row does (D3).
//
// Bytes are stored whole or not at all (F4), are never changed afterwards, and
// are checked against everything that their source declared about them before
// they can be stored (R2). They are hashed when written, not when read.
package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// Digest is the SHA-256 of some bytes and the name under which they are kept.
// Its text form is 64 lower-case hexadecimal digits.
type Digest [sha256.Size]byte

// ParseDigest reads the text form; letters of either case are accepted. The
// error is Invalid.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	return d, d.UnmarshalText([]byte(s))
}

// String returns the text form.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the text form.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText is ParseDigest into d, which stays as it was on an error.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) {
		return errs.New(errs.Invalid, "blob.ParseDigest", "a SHA-256 has %d hexadecimal digits, this has %d characters", 2*len(d), len(text))
	}
	var out Digest
	if _, err := hex.Decode(out[:], text); err != nil {
		return errs.New(errs.Invalid, "blob.ParseDigest", "%q is not a SHA-256 in hexadecimal digits", text)
	}
	*d = out
	return nil
}

// Info is what was learnt about bytes while they were written.
type Info struct {
	Digest Digest // SHA-256
	Size   int64  // bytes
	SHA512 [64]byte
	SHA1   [20]byte
	MD5    [16]byte
}

// Stat is what a store knows of stored bytes.
type Stat struct {
	Digest Digest
	Size   int64
	// ModTime is when the bytes were last put: storing bytes that are there
	// already renews it, so that a collector gives them their grace (D3).
	ModTime time.Time
}

// Content is an open blob's bytes.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Blob is an open blob. It stays readable when it is deleted meanwhile.
type Blob struct {
	Stat
	content Content
}

// NewBlob is for implementations of Store.
func NewBlob(st Stat, content Content) *Blob { return &Blob{Stat: st, content: content} }

// Content returns the bytes, for http.ServeContent and io.Copy: from Disk it is
// an *os.File, which the kernel can send without copying (sendfile).
func (b *Blob) Content() Content { return b.content }

// Close ends the use of Content.
func (b *Blob) Close() error { return b.content.Close() }

// Store keeps blobs. Implementations pass the suite in blobtest and are safe
// for concurrent use, by several processes too.
//
// Errors: NotFound when there is no such blob, TooLarge over a limit (naming
// it, F3), Unavailable when the store has no room, Upstream for a mismatch
// (with a *Mismatch inside), Internal for everything else that goes wrong in
// the store. Errors of a caller's reader or function come back wrapped, with
// their own kind.
type Store interface {
	// Put stores what r holds, at most limit bytes, and returns when it is
	// durable. Bytes that are there already get a new ModTime instead.
	Put(ctx context.Context, r io.Reader, limit int64) (Info, error)

	// Create begins a blob whose bytes arrive in pieces and may be read by
	// others while they do, at most limit bytes. The caller must end it with
	// Commit or Abort.
	Create(ctx context.Context, limit int64) (*Pending, error)

	// Open returns the blob for reading. The caller must Close it.
	Open(ctx context.Context, d Digest) (*Blob, error)

	// Stat returns the blob's size and time.
	Stat(ctx context.Context, d Digest) (Stat, error)

	// Delete removes the blob if recheck says so. No Put or Commit of the same
	// bytes completes while recheck runs, so the time that it is shown and the
	// rows that it counts are the last word (D3). It reports whether the blob
	// was removed. recheck must not call the store.
	Delete(ctx context.Context, d Digest, recheck func(Stat) (bool, error)) (bool, error)

	// Walk calls fn for every blob, in the order of their digests, until fn
	// returns an error, which Walk returns. Blobs that come or go meanwhile may
	// be missed or shown.
	Walk(ctx context.Context, fn func(Stat) error) error
}
