package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Hash is a SHA-256 digest of the chain.
type Hash [sha256.Size]byte

// String returns the digest in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// hashOf is a stored digest; one of another length is none that was computed.
func hashOf(stored []byte) (h Hash) {
	if len(stored) == len(h) {
		copy(h[:], stored)
	}
	return h
}

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(h) {
		return fmt.Errorf("%.80q is no SHA-256 digest of 64 hexadecimal digits", text)
	}
	copy(h[:], b)
	return nil
}

// Sealed is an event with its place in the organization's chain, as it is
// hashed and exported: every column, times in UTC to the microsecond.
type Sealed struct {
	Seq        int64           `json:"seq"` // from 1, without gaps; 0 while it waits to be sealed
	SealedAt   time.Time       `json:"sealedAt,omitzero"`
	ID         uuid.UUID       `json:"id"`
	Org        uuid.UUID       `json:"organization"`
	At         time.Time       `json:"at"`
	ActorKind  string          `json:"actorKind"`
	ActorID    *uuid.UUID      `json:"actorId"`
	TokenID    *uuid.UUID      `json:"tokenId"`
	ActorName  string          `json:"actor"`
	IP         string          `json:"ip"`
	Action     string          `json:"action"`
	ObjectType string          `json:"objectType"`
	ObjectID   string          `json:"objectId"`
	Registry   *uuid.UUID      `json:"registry"`
	Reason     string          `json:"reason"`
	Before     json.RawMessage `json:"before"`
	After      json.RawMessage `json:"after"`
}

// domain keeps these hashes apart from any other use of SHA-256, and says how
// they are computed.
const domain = "sluice audit chain 1\n"

// hashAfter is the event's hash behind another: over the domain, the hash
// before, and the event in its one canonical form. PostgreSQL keeps JSON by
// meaning, so the form is made here: sorted keys, no spaces, numbers as they
// are stored.
func (s Sealed) hashAfter(prev Hash) (Hash, error) {
	body, err := s.canonical()
	if err != nil {
		return Hash{}, err
	}
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write(prev[:])
	h.Write(body)
	return Hash(h.Sum(nil)), nil
}

func (s Sealed) canonical() ([]byte, error) {
	var err error
	if s.Before, err = canonicalJSON(s.Before); err != nil {
		return nil, fmt.Errorf("audit event %s: before: %w", s.ID, err)
	}
	if s.After, err = canonicalJSON(s.After); err != nil {
		return nil, fmt.Errorf("audit event %s: after: %w", s.ID, err)
	}
	s.At, s.SealedAt = s.At.UTC().Truncate(time.Microsecond), s.SealedAt.UTC().Truncate(time.Microsecond)
	return json.Marshal(s)
}

func canonicalJSON(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("null"), nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
