package registry

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealer encrypts secrets at rest with AES-256-GCM. The first key seals; all
// keys open, so a key is rotated by putting a new one in front.
type Sealer struct{ keys []sealKey }

type sealKey struct {
	id   byte
	aead cipher.AEAD
}

// NewSealer takes 32-byte keys, newest first.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("no encryption key is configured; set one of 32 random bytes")
	}
	s := &Sealer{}
	for i, k := range keys {
		if len(k) != 32 {
			return nil, fmt.Errorf("encryption key %d has %d bytes, want 32", i+1, len(k))
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, sealKey{fingerprint(k), aead})
	}
	return s, nil
}

// fingerprint tells keys apart without giving anything of them away.
func fingerprint(k []byte) byte {
	sum := sha256.Sum256(append([]byte("sluice key id "), k...))
	return sum[0]
}

// Seal encrypts.
func (s *Sealer) Seal(plain []byte) ([]byte, error) {
	if s == nil || len(s.keys) == 0 {
		return nil, errors.New("no encryption key is configured, so no secret can be stored")
	}
	k := s.keys[0]
	return k.aead.Seal([]byte{k.id}, nil, plain, []byte("sluice")), nil
}

// Open decrypts what Seal made with any of the keys.
func (s *Sealer) Open(sealed []byte) ([]byte, error) {
	if s == nil || len(sealed) < 2 {
		return nil, errors.New("a stored secret cannot be read: no key is configured")
	}
	for _, k := range s.keys {
		if k.id != sealed[0] {
			continue
		}
		if plain, err := k.aead.Open(nil, nil, sealed[1:], []byte("sluice")); err == nil {
			return plain, nil
		}
	}
	return nil, errors.New("a stored secret cannot be read with the configured keys; put the old key behind the new one")
}
