package access

import (
	"crypto/sha256"
	"hash/crc32"
	"io"
	"strings"
)

// A token's secret is "sluice_", 30 random base62 characters (178 bits) and six
// that are the CRC-32 of those, so that scanners find leaked secrets with
// hardly a false alarm and a mistyped one needs no database.
const (
	secretPrefix = "sluice_"
	randomChars  = 30
	checkChars   = 6
	secretLength = len(secretPrefix) + randomChars + checkChars
	hintChars    = 4
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// invitationPrefix makes an invitation's secret one that is no token, however
// it is read.
const invitationPrefix = "sluice_invitation_"

// newSecret draws a token's secret.
func newSecret(random io.Reader) (string, error) { return draw(random, secretPrefix) }

func draw(random io.Reader, prefix string) (string, error) {
	var b strings.Builder
	var buf [64]byte
	for b.Len() < randomChars {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return "", err
		}
		for _, c := range buf {
			// 248 is the largest multiple of 62 in a byte: beyond it, some
			// characters would be likelier than others.
			if c < 248 && b.Len() < randomChars {
				b.WriteByte(base62[c%62])
			}
		}
	}
	return prefix + b.String() + checksum(b.String()), nil
}

func checksum(s string) string {
	n := crc32.ChecksumIEEE([]byte(s))
	var out [checkChars]byte
	for i := checkChars - 1; i >= 0; i-- {
		out[i] = base62[n%62]
		n /= 62
	}
	return string(out[:])
}

// LooksLikeToken reports whether the text has the form of a token's secret,
// checksum included.
func LooksLikeToken(secret string) bool {
	body, ok := strings.CutPrefix(secret, secretPrefix)
	return ok && len(secret) == secretLength && checksum(body[:randomChars]) == body[randomChars:]
}

// hashOf is what is stored of a secret. It needs no salt and no slow function,
// since a secret has 178 random bits.
func hashOf(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

// Redact returns the text without the secrets of tokens that stand in it, for
// logs: npm sends one in a path.
func Redact(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, secretPrefix)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(secretPrefix + "***")
		text = strings.TrimLeft(after, base62)
	}
}
