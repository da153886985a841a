package npm

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"sluice.dev/sluice/tenants/gate"
)

// digests reads dist.integrity (Subresource Integrity, W3C) and dist.shasum.
// Hashes of algorithms that we do not compute are ignored as long as another
// one remains. Of several hashes of one algorithm the first counts. No digest
// at all is no error: very old versions have none.
func digests(integrity, shasum []byte) (d gate.Digests, err error) {
	for _, field := range bytes.Fields(integrity) {
		alg, enc, found := bytes.Cut(field, []byte("-"))
		enc, _, _ = bytes.Cut(enc, []byte("?"))
		if !found {
			return gate.Digests{}, fmt.Errorf("dist.integrity %.80q is not algorithm-base64", field)
		}
		at, size := &d.SHA512, 64
		switch string(alg) {
		case "sha512":
		case "sha256":
			at, size = &d.SHA256, 32
		case "sha1":
			at, size = &d.SHA1, 20
		default:
			continue
		}
		sum := make([]byte, base64.StdEncoding.DecodedLen(len(enc)))
		n, err := base64.StdEncoding.Strict().Decode(sum, enc)
		if err != nil || n != size {
			return gate.Digests{}, fmt.Errorf("dist.integrity %.120q is not the base64 of a %d-byte %s", field, size, alg)
		}
		if *at == nil {
			*at = sum[:n:n]
		}
	}
	if len(shasum) > 0 {
		sum := make([]byte, 20)
		if len(shasum) != 40 {
			return gate.Digests{}, fmt.Errorf("dist.shasum %.80q is not 40 hex digits", shasum)
		}
		if _, err := hex.Decode(sum, shasum); err != nil {
			return gate.Digests{}, fmt.Errorf("dist.shasum %.80q is not 40 hex digits", shasum)
		}
		if d.SHA1 != nil && !bytes.Equal(d.SHA1, sum) {
			return gate.Digests{}, fmt.Errorf("dist.shasum and the sha1 of dist.integrity differ")
		}
		d.SHA1 = sum
	}
	if d.Empty() && len(bytes.TrimSpace(integrity)) > 0 {
		return gate.Digests{}, fmt.Errorf("dist.integrity %.120q has no sha512, sha256 or sha1", integrity)
	}
	return d, nil
}
