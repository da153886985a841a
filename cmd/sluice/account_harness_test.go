package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/access"
)

// person is a member of the tenant, who makes a personal token of the input.
func (x *tenant) person(name string, in access.TokenInput, roles ...access.Place) (secret string, who access.Subject) {
	x.h.Helper()
	m, err := x.at.access.CreateMember(x.ctx, access.MemberInput{Email: name + "@" + x.slug + ".example", Roles: append(roles, access.Place{Role: access.Ordinary})})
	if err == nil {
		who, err = x.at.access.MemberSubject(x.ctx, m.ID)
	}
	in.MemberID = m.ID
	if in.Name == "" {
		in.Name = "of " + name
	}
	if err == nil {
		secret, _, err = x.at.access.CreateToken(access.As(x.ctx, who, ""), in)
	}
	if err != nil {
		x.h.Fatal(err)
	}
	return secret, who
}

// bearing is the tenant as who asks with another token; "" asks with none.
func (x *tenant) bearing(secret string) *tenant {
	other := *x
	other.secret = secret
	return &other
}

// send sends a body: a string as it is, url.Values as a form, else as JSON.
func (x *tenant) send(method, address string, body any, header ...string) (a answer) {
	x.h.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	case url.Values:
		in, header = strings.NewReader(b.Encode()), append(header, "Content-Type", "application/x-www-form-urlencoded")
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			x.h.Fatal(err)
		}
		in, header = bytes.NewReader(raw), append(header, "Content-Type", "application/json")
	}
	req, err := http.NewRequestWithContext(context.Background(), method, address, in)
	if err != nil {
		x.h.Fatal(err)
	}
	if x.secret != "" {
		req.Header.Set("Authorization", "Bearer "+x.secret)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{status: resp.StatusCode, phrase: resp.Status, header: resp.Header}
	a.body, a.err = io.ReadAll(resp.Body)
	return a
}

// json is the body of an answer.
func (a answer) json(h *harness) (out map[string]any) {
	h.Helper()
	if err := json.Unmarshal(a.body, &out); err != nil {
		h.Fatalf("%d %s is no object: %v", a.status, a.body, err)
	}
	return out
}

// text is a member of the body, "" when it is no text.
func (a answer) text(h *harness, name string) string {
	h.Helper()
	s, _ := a.json(h)[name].(string)
	return s
}

// on returns an absolute URL as a node of the test serves it.
func (s *served) rebase(address string) string {
	u, _ := url.Parse(address)
	return s.server.URL + u.RequestURI()
}

// bind gives the tenant a host name, with a registry at its root unless it is
// uuid.Nil. Proof in DNS is another test's affair.
func (x *tenant) bind(host string, reg uuid.UUID) {
	x.h.Helper()
	var id *uuid.UUID
	if reg != uuid.Nil {
		id = &reg
	}
	var one int
	x.scan(&one, `INSERT INTO host_names (id, org_id, host, registry_id, created_at)
		VALUES (gen_random_uuid(), current_setting('app.org')::uuid, $1, $2, now()) RETURNING 1`, host, id)
}

// issuer is a CI service on loopback.
type issuer struct {
	h   *harness
	url string
	key *ecdsa.PrivateKey
}

// newIssuer starts one, and returns what makes a node's client believe its
// certificate.
func newIssuer(h interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}) (*issuer, func(*upstream.Config)) {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.Fatal(err)
	}
	is, mux := &issuer{key: key}, http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": is.url, "jwks_uri": is.url + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig", Algorithm: "ES256"}}})
	})
	server := httptest.NewTLSServer(mux)
	h.Cleanup(server.Close)
	is.url = server.URL
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return is, func(c *upstream.Config) { c.RootCAs = roots }
}

// token is an identity token of acme/widgets for an audience, with changes.
func (is *issuer) token(audience string, change map[string]any) string {
	is.h.Helper()
	now := is.h.clock.Now()
	claims := map[string]any{"iss": is.url, "aud": audience, "sub": "repo:acme/widgets:ref:refs/heads/main", "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
		"repository": "acme/widgets", "workflow_ref": "acme/widgets/.github/workflows/release.yml@refs/heads/main"}
	maps.Copy(claims, change)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: is.key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		is.h.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		is.h.Fatal(err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		is.h.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		is.h.Fatal(err)
	}
	return raw
}

// basic is the header of HTTP Basic.
func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
