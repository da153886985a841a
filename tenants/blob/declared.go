package blob

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1" // declared by sources; SHA-256 is what names bytes here
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"

	"sluice.dev/sluice/tenants/errs"
)

// SizeUnknown is the Declared.Size of a source that does not tell one.
const SizeUnknown int64 = -1

// Declared is what a source says about bytes before they arrive. Only what is
// set is checked; a zero Declared says that the file is empty, so a forgotten
// Size fails instead of passing.
type Declared struct {
	Size   int64  // bytes, or SizeUnknown
	SHA256 []byte // nil when not declared, as below
	SHA512 []byte
	SHA1   []byte
	MD5    []byte
}

// Undeclared is what a source that says nothing declares.
func Undeclared() Declared { return Declared{Size: SizeUnknown} }

// Mismatch says that bytes are not the declared ones (R2).
type Mismatch struct {
	What     string // "size", "sha256", "sha512", "sha1" or "md5"
	Declared string // digits, hexadecimal for digests
	Received string
	Info     Info // of the bytes that came, all digests
}

// Error names both values.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("%s: declared %s, received %s", m.What, m.Declared, m.Received)
}

// check returns an Upstream error with a *Mismatch when info is not what was
// declared: the strongest digest first, for that is the one to report (O6).
func (d Declared) check(info Info) error {
	var m *Mismatch
	for _, c := range []struct {
		what      string
		want, got []byte
	}{
		{"sha512", d.SHA512, info.SHA512[:]},
		{"sha256", d.SHA256, info.Digest[:]},
		{"sha1", d.SHA1, info.SHA1[:]},
		{"md5", d.MD5, info.MD5[:]},
	} {
		if c.want != nil && !bytes.Equal(c.want, c.got) {
			m = &Mismatch{What: c.what, Declared: hex.EncodeToString(c.want), Received: hex.EncodeToString(c.got), Info: info}
			break
		}
	}
	if m == nil && d.Size != SizeUnknown && d.Size != info.Size {
		m = &Mismatch{What: "size", Declared: strconv.FormatInt(d.Size, 10), Received: strconv.FormatInt(info.Size, 10), Info: info}
	}
	if m == nil {
		return nil
	}
	return errs.Wrap(m, errs.Upstream, "blob.Commit", "the bytes are not the declared ones: %v", m)
}

// hashes computes all digests in one pass.
type hashes struct {
	sha256, sha512, sha1, md5 hash.Hash
	size                      int64
}

func newHashes() *hashes {
	return &hashes{sha256: sha256.New(), sha512: sha512.New(), sha1: sha1.New(), md5: md5.New()}
}

// Write never fails.
func (h *hashes) Write(p []byte) (int, error) {
	for _, one := range []hash.Hash{h.sha256, h.sha512, h.sha1, h.md5} {
		one.Write(p) // documented never to return an error
	}
	h.size += int64(len(p))
	return len(p), nil
}

func (h *hashes) info() Info {
	i := Info{Size: h.size}
	h.sha256.Sum(i.Digest[:0])
	h.sha512.Sum(i.SHA512[:0])
	h.sha1.Sum(i.SHA1[:0])
	h.md5.Sum(i.MD5[:0])
	return i
}
