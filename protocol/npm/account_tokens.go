package npm

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

var tokenPaths = []*endpoint{
	{"/-/npm/v1/tokens", map[string]action{"GET": account((*Accounts).tokens), "POST": account((*Accounts).createToken)}},
	{"/-/npm/v1/tokens/token/{key}", map[string]action{"DELETE": account((*Accounts).revokeToken)}},
	{"/-/user/token/{token}", map[string]action{"DELETE": account((*Accounts).logout)}},
}

// tokenAnswer is a token as npm knows it.
type tokenAnswer struct {
	// Token is the whole secret of a new token. In lists it is what all secrets
	// begin with: npm revokes by value only what begins like one that is listed.
	Token    string     `json:"token"`
	Key      uuid.UUID  `json:"key"`
	Name     string     `json:"name"`
	Hint     string     `json:"hint"` // the secret's last characters
	Created  time.Time  `json:"created"`
	Updated  time.Time  `json:"updated"`
	Expires  *time.Time `json:"expires"`
	Used     *time.Time `json:"last_used"`
	ReadOnly bool       `json:"readonly"`
	Packages []string   `json:"packages,omitempty"`
	Networks []string   `json:"cidr_whitelist"` // null: everywhere
}

func answerOf(k access.Token) tokenAnswer {
	out := tokenAnswer{Token: "sluice_", Key: k.ID, Name: k.Name, Hint: k.Hint, Created: k.CreatedAt, Updated: k.CreatedAt, Expires: k.ExpiresAt,
		Used: k.LastUsedAt, ReadOnly: !k.Write, Packages: k.Packages}
	if len(k.Networks) > 0 {
		out.Networks = k.Networks
	}
	return out
}

// tokensPerPage is how many tokens one answer lists.
const tokensPerPage = 100

// tokens answers npm token list: the subject's own ones.
func (a *Accounts) tokens(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	after := uuid.Nil
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = uuid.Parse(text); err != nil {
			protocol.Problem(w, r, errs.New(errs.Invalid, "npm.tokens", "after=%.60q is no key of a token; follow urls.next", text).On("after"))
			return
		}
	}
	own, err := a.Access.OwnTokens(r.Context(), access.Page{After: after, Limit: tokensPerPage})
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	list := make([]tokenAnswer, len(own))
	for i, k := range own {
		list[i] = answerOf(k)
	}
	urls := map[string]string{}
	if len(own) == tokensPerPage {
		urls["next"] = t.BaseURL + "/-/npm/v1/tokens?after=" + url.QueryEscape(own[len(own)-1].ID.String())
	}
	answerAccount(w, r, http.StatusOK, map[string]any{"objects": list, "total": len(list), "urls": urls})
}

// newToken is what npm token create sends. Password and description are not
// looked at: the token that came with the request is what the new one is made
// with, and bounds it.
type newToken struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	ReadOnly    bool     `json:"readonly"`
	Permission  string   `json:"packages_and_scopes_permission"`
	Packages    []string `json:"packages"`
	All         bool     `json:"packages_all"`
	Scopes      []string `json:"scopes"`
	Orgs        []string `json:"orgs"`
	OrgsMay     string   `json:"orgs_permission"`
	Days        float64  `json:"expires"`
	Networks    []string `json:"cidr_whitelist"`
}

// maxTokenDays bounds how long a new token may live.
const maxTokenDays = 3650

// input reads what the new token shall be, at a time.
func (n newToken) input(registry uuid.UUID, now time.Time) (access.TokenInput, error) {
	const op = "npm.createToken"
	in := access.TokenInput{Name: strings.TrimSpace(n.Name), Write: !n.ReadOnly, Registries: []uuid.UUID{registry}, Networks: n.Networks}
	if in.Name == "" {
		in.Name = "npm token " + now.UTC().Format("2006-01-02 15:04")
	}
	switch n.Permission {
	case "", "read-write":
	case "read-only":
		in.Write = false
	default:
		return in, errs.New(errs.Invalid, op, "packages-and-scopes-permission is %.40q; read-only and read-write exist here", n.Permission).On("packages_and_scopes_permission")
	}
	if len(n.Orgs) > 0 || !slices.Contains([]string{"", "no-access"}, n.OrgsMay) {
		return in, errs.New(errs.Invalid, op, "a token made through a registry has no permission on organizations; leave --orgs and --orgs-permission out").On("orgs")
	}
	if n.All && len(n.Packages)+len(n.Scopes) > 0 {
		return in, errs.New(errs.Invalid, op, "the token is for all packages and for some; leave out one of --packages-all and --packages or --scopes").On("packages")
	}
	in.Packages = slices.Clone(n.Packages)
	for _, s := range n.Scopes {
		in.Packages = append(in.Packages, "@"+strings.TrimPrefix(s, "@")+"/*")
	}
	switch {
	case n.Days == 0:
	case n.Days < 1 || n.Days > maxTokenDays:
		return in, errs.New(errs.Invalid, op, "the token would expire after %v days; want 1 to %d", n.Days, maxTokenDays).On("expires")
	default:
		in.ExpiresAt = now.Add(time.Duration(n.Days * 24 * float64(time.Hour)))
	}
	return in, nil
}

// createToken answers npm token create with a token for this registry. A member
// who may make personal tokens gets one that lives by itself; everybody else
// one that ends with the token that it was made with.
func (a *Accounts) createToken(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	var asked newToken
	if err := readAccount(w, r, &asked); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	in, err := asked.input(t.Registry, a.Now())
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	who, may := access.Of(r.Context()), false
	if who.MemberID != uuid.Nil {
		if may, err = a.Access.Can(r.Context(), who, access.TokenCreate, uuid.Nil); err != nil {
			protocol.Problem(w, r, err)
			return
		}
	}
	var secret string
	var made access.Token
	if may {
		in.MemberID = who.MemberID
		secret, made, err = a.Access.CreateToken(r.Context(), in)
	} else {
		secret, made, err = a.Access.DeriveToken(r.Context(), in)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := answerOf(made)
	out.Token = secret
	answerAccount(w, r, http.StatusCreated, out)
}

// revokeToken answers npm token revoke, by key or by the secret itself.
func (a *Accounts) revokeToken(w http.ResponseWriter, r *http.Request, _ protocol.Target, p params) {
	key := p.vars["key"]
	id, err := uuid.Parse(key)
	switch {
	case access.LooksLikeToken(key):
		err = a.Access.RevokeSecret(r.Context(), key)
	case err != nil:
		err = errs.New(errs.Invalid, "npm.revokeToken", "what was sent is neither the key nor the secret of a token; npm token list shows the keys").On("key")
	default:
		err = a.Access.RevokeToken(r.Context(), id)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, map[string]bool{"ok": true})
}

// logout answers npm logout, which sends the token that it forgets.
func (a *Accounts) logout(w http.ResponseWriter, r *http.Request, _ protocol.Target, p params) {
	if err := a.Access.RevokeSecret(r.Context(), p.vars["token"]); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, map[string]bool{"ok": true})
}
