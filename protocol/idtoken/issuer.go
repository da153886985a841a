package idtoken

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"sluice.dev/sluice/protocol/upstream"
)

// Times of what is remembered of an issuer.
const (
	fresh    = time.Hour        // keys are not asked for again
	cooldown = time.Minute      // nor for a key that is not known, so that inventing key ids asks nobody
	patience = 10 * time.Second // nor after a failure
	stale    = 24 * time.Hour   // keys are believed while the issuer cannot be asked
)

// Bounds of an issuer's documents.
const (
	maxKeys     = 100
	maxDocument = 256 << 10 // bytes
)

// issuer is what is remembered of one.
type issuer struct {
	name string
	turn chan struct{} // held while it is read or asked

	known   []jose.JSONWebKey
	at      time.Time // of known
	tried   time.Time // last, with failure
	failure error
}

func newIssuer(name string) *issuer { return &issuer{name: name, turn: make(chan struct{}, 1)} }

// keys returns the issuer's keys, asking it when they are not known, no longer
// fresh, or, with again, when they may have changed since.
func (is *issuer) keys(ctx context.Context, v *Verifier, again bool) ([]jose.JSONWebKey, error) {
	select {
	case is.turn <- struct{}{}:
		defer func() { <-is.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	age := v.now().Sub(is.at)
	if is.known != nil && age < fresh && (!again || age < cooldown) {
		return is.known, nil
	}
	if is.failure == nil || v.now().Sub(is.tried) >= patience {
		known, err := fetch(ctx, v.client, is.name)
		if ctx.Err() != nil {
			return nil, ctx.Err() // says nothing about the issuer
		}
		if is.failure, is.tried = err, v.now(); err == nil {
			is.known, is.at = known, v.now()
			return known, nil
		}
	}
	if is.known != nil && age < stale {
		return is.known, nil
	}
	return nil, is.failure
}

// fetch asks for the issuer's configuration, then for its keys.
func fetch(ctx context.Context, c *upstream.Client, issuer string) ([]jose.JSONWebKey, error) {
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := get(ctx, c, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if about.Issuer != issuer {
		return nil, fmt.Errorf("the configuration is of the issuer %.200q", about.Issuer)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, c, about.Keys, &set); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the issuer has %d keys; at most %d are read", len(set.Keys), maxKeys)
	}
	out := make([]jose.JSONWebKey, 0, len(set.Keys))
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		// Kinds of keys that are not understood are passed over (RFC 7517, 5);
		// a symmetric key among public ones verifies nothing.
		if json.Unmarshal(raw, &k) == nil && k.IsPublic() {
			out = append(out, k)
		}
	}
	return out, nil
}

// get reads a JSON document at an https address.
func get(ctx context.Context, c *upstream.Client, address string, into any) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("its address is no https URL")
	}
	base := "https://" + u.Host
	doc, err := c.GetDocument(ctx, upstream.Request{URL: address, Accept: "application/json",
		Remote: upstream.Remote{ID: "issuer", Name: u.Hostname(), BaseURL: base}})
	switch {
	case err != nil:
		return err
	case doc.NotFound:
		return errors.New("there is none")
	case len(doc.Body) > maxDocument:
		return fmt.Errorf("it has %d bytes; at most %d are read", len(doc.Body), maxDocument)
	}
	return json.Unmarshal(doc.Body, into)
}
