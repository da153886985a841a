package protocoltest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// rsaKeys are made once for all tests of a process: the providers' own, and a
// stranger's.
var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// OIDC is an OpenID Connect provider that is strict with its client (client
// secret, exact redirect URI, PKCE, codes that work once) and as dishonest about
// people as a test wants.
type OIDC struct {
	*httptest.Server
	ClientID, Secret string
	Now              func() time.Time

	mu sync.Mutex
	// Person are the claims about whoever logs in.
	Person map[string]any
	// Tamper changes the claims of the next id tokens; nil leaves them.
	Tamper func(claims map[string]any)
	// Forge makes the id token instead of [OIDC.Sign]; nil for that.
	Forge func(claims map[string]any) string
	// Answer changes the redirect back; nil leaves it.
	Answer func(url.Values)
	// Ask changes what the provider remembers of an authorization request, as
	// somebody on the way to it would; nil leaves it.
	Ask func(url.Values)
	// Metadata changes the discovery document; nil leaves it.
	Metadata func(map[string]any)
	// Token answers the token endpoint instead of the provider; nil for none.
	Token http.HandlerFunc

	codes map[string]url.Values // what the authorization request said
	Asked url.Values            // the last authorization request
	KeysAsked,
	TokensAsked int
}

// NewOIDC starts a provider.
func NewOIDC(t testing.TB, now func() time.Time) *OIDC {
	t.Helper()
	p := &OIDC{ClientID: "sluice", Secret: "s3cret", Now: now, codes: map[string]url.Values{}, Person: map[string]any{"sub": "1"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /keys", p.keys)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// Do changes the provider's fields between requests.
func (p *OIDC) Do(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *OIDC) discovery(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"end_session_endpoint": p.URL + "/leave", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		"authorization_response_iss_parameter_supported": true}
	if p.Metadata != nil {
		p.Metadata(m)
	}
	sendJSON(w, m)
}

func (p *OIDC) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.Asked = q
	if q.Get("client_id") != p.ClientID || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || len(q.Get("state")) < 40 || len(q.Get("nonce")) < 40 {
		http.Error(w, "the request lacks something: "+q.Encode(), http.StatusBadRequest)
		return
	}
	if p.Ask != nil {
		q = r.URL.Query()
		p.Ask(q)
	}
	code := rand.Text()
	p.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}
	if p.Answer != nil {
		p.Answer(back)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *OIDC) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.TokensAsked++
	if p.Token != nil {
		p.Token(w, r)
		return
	}
	id, secret, _ := r.BasicAuth()
	asked := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if id != p.ClientID || secret != p.Secret || asked == nil || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		sendJSON(w, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := p.Claims(asked.Get("nonce"))
	if p.Tamper != nil {
		p.Tamper(claims)
	}
	forge := p.Forge
	if forge == nil {
		forge = p.Sign
	}
	answer := map[string]any{"access_token": "opaque", "token_type": "Bearer", "expires_in": 300}
	if token := forge(claims); token != "" {
		answer["id_token"] = token
	}
	sendJSON(w, answer)
}

func (p *OIDC) keys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.KeysAsked++
	sendJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &rsaKeys()[0].PublicKey, KeyID: "own", Algorithm: "RS256", Use: "sig"}}})
}

// Claims are those of a good id token for the person.
func (p *OIDC) Claims(nonce string) map[string]any {
	now := p.Now()
	c := map[string]any{"iss": p.URL, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": nonce}
	maps.Copy(c, p.Person)
	return c
}

// LogoutClaims are those of a good logout token for the person.
func (p *OIDC) LogoutClaims() map[string]any {
	now := p.Now()
	c := map[string]any{"iss": p.URL, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	for _, name := range []string{"sub", "sid"} {
		if v, ok := p.Person[name]; ok {
			c[name] = v
		}
	}
	return c
}

// Sign signs with the provider's key.
func (p *OIDC) Sign(claims map[string]any) string {
	return sign(jose.RS256, rsaKeys()[0], "own", claims)
}

// SignAsStranger signs with a key that the provider does not have, under its id.
func (p *OIDC) SignAsStranger(claims map[string]any) string {
	return sign(jose.RS256, rsaKeys()[1], "own", claims)
}

// SignUnknown signs with a key of another id.
func (p *OIDC) SignUnknown(claims map[string]any) string {
	return sign(jose.RS256, rsaKeys()[1], "unknown", claims)
}

// SignWithSecret signs with the client secret (HS256).
func (p *OIDC) SignWithSecret(claims map[string]any) string {
	key := sha256.Sum256([]byte(p.Secret))
	return sign(jose.HS256, key[:], "own", claims)
}

// SignWithPublicKey signs with the provider's public key as if it were a shared
// secret (HS256), in the form of PEM.
func (p *OIDC) SignWithPublicKey(claims map[string]any) string {
	der, err := x509.MarshalPKIXPublicKey(&rsaKeys()[0].PublicKey)
	if err != nil {
		panic(err)
	}
	return sign(jose.HS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "own", claims)
}

// SignWithOwnKey signs with a stranger's key that the token itself brings along
// in its header.
func (p *OIDC) SignWithOwnKey(claims map[string]any) string {
	key := rsaKeys()[1]
	options := (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "own")
	return signWith(jose.SigningKey{Algorithm: jose.RS256, Key: key}, options, claims)
}

// Unsigned writes a token with the algorithm none.
func (p *OIDC) Unsigned(claims map[string]any) string {
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(map[string]any{"alg": "none", "kid": "own"}) + "." + part(claims) + "."
}

func sign(alg jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	return signWith(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id), claims)
}

func signWith(key jose.SigningKey, options *jose.SignerOptions, claims map[string]any) string {
	s, err := jose.NewSigner(key, options)
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		panic(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

func sendJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(fmt.Sprint("protocoltest: ", err))
	}
}
