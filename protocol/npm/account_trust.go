package npm

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

var trustPaths = []*endpoint{
	{"/-/package/{pkg}/trust", map[string]action{"GET": account((*Accounts).trusts), "POST": account((*Accounts).trust)}},
	{"/-/package/{pkg}/trust/{id}", map[string]action{"DELETE": account((*Accounts).distrust)}},
}

// The CI services that npm trust has words for, by the issuer of their tokens.
// CircleCI's is followed by the id of the organization there.
var issuers = map[string]string{
	"github":   "https://token.actions.githubusercontent.com",
	"gitlab":   "https://gitlab.com",
	"circleci": "https://oidc.circleci.com/org/",
}

// What npm trust calls the permissions of a rule.
const createPackage = "createPackage"

// trustConfig is a trust rule as npm trust sends and shows it.
type trustConfig struct {
	ID          string         `json:"id,omitempty"`
	Type        string         `json:"type"`
	Claims      map[string]any `json:"claims"`
	Permissions []string       `json:"permissions"`
}

func (a *Accounts) issuerOf(service string) string {
	if a.Issuers != nil {
		return a.Issuers[service]
	}
	return issuers[service]
}

// trusts answers npm trust list with the rules of the registry that are about
// the package.
func (a *Accounts) trusts(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	rules, err := a.Access.TrustRules(r.Context(), t.Registry)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := []trustConfig{}
	for _, rule := range rules {
		if rule.Write && concerns(rule, p.pkg) {
			out = append(out, a.config(rule))
		}
	}
	answerAccount(w, r, http.StatusOK, out)
}

// concerns reports whether a rule lets the package be published.
func concerns(rule access.TrustRule, pkg string) bool {
	return len(rule.Packages) == 0 || slices.ContainsFunc(rule.Packages, func(text string) bool {
		pattern, err := coord.ParsePattern(coord.NPM, text)
		return err == nil && pattern.Match(npmPackage(pkg))
	})
}

// trust answers npm trust github, gitlab and circleci with the rule made, in a
// list.
func (a *Accounts) trust(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	c, err := readConfig(w, r)
	var in access.TrustRuleInput
	if err == nil {
		in, err = a.rule(c, t.Registry, p.pkg)
	}
	var made access.TrustRule
	if err == nil {
		made, err = a.Access.CreateTrustRule(r.Context(), in)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusCreated, []trustConfig{a.config(made)})
}

// readConfig reads a rule, which npm sends as a list of one.
func readConfig(w http.ResponseWriter, r *http.Request) (trustConfig, error) {
	var raw json.RawMessage
	if err := readAccount(w, r, &raw); err != nil {
		return trustConfig{}, err
	}
	var list []trustConfig
	err := json.Unmarshal(raw, &list)
	if err != nil {
		list = make([]trustConfig, 1)
		err = json.Unmarshal(raw, &list[0])
	}
	if err != nil || len(list) != 1 {
		return trustConfig{}, errs.New(errs.Invalid, "npm.trust", "the body must be one trust rule with type, claims and permissions")
	}
	return list[0], nil
}

// rule reads what npm trust sent.
func (a *Accounts) rule(c trustConfig, registry uuid.UUID, pkg string) (in access.TrustRuleInput, err error) {
	const op = "npm.trust"
	if strings.Contains(pkg, "*") {
		return in, errs.New(errs.Invalid, op, "a package whose name has a * cannot be trusted to anybody")
	}
	issuer := a.issuerOf(c.Type)
	if issuer == "" {
		return in, errs.New(errs.Invalid, op, "the type %.40q is none of github, gitlab and circleci; other issuers are trusted with a trust rule in Sluice", c.Type).On("type")
	}
	if !slices.Contains(c.Permissions, createPackage) {
		return in, errs.New(errs.Invalid, op, "a trust rule here allows publishing, so it needs --allow-publish; one for staged publishing alone does not exist").On("permissions")
	}
	claims, what, err := wanted(c, issuer)
	if err != nil {
		return in, err
	}
	if c.Type == "circleci" {
		issuer += url.PathEscape(claims["oidc.circleci.com/org-id"])
	}
	// The same rule twice is one name twice, which is a conflict.
	sum := sha256.Sum256(fmt.Append(nil, registry, "\x00", pkg, "\x00", issuer, "\x00", claims))
	name := []rune(fmt.Sprintf("%s: %s %s", pkg, c.Type, what))
	return access.TrustRuleInput{Registries: []uuid.UUID{registry}, Write: true, Issuer: issuer, Claims: claims, Packages: []string{pkg}, Reuse: access.DefaultTrustReuse,
		Name: fmt.Sprintf("%s (%x)", string(name[:min(len(name), access.MaxName-12)]), sum[:4])}, nil
}

// wanted reads the claims of a rule; what names the identity for people.
func wanted(c trustConfig, issuer string) (out map[string]string, what string, err error) {
	out = map[string]string{}
	file := ""
	for name, v := range c.Claims {
		switch v := v.(type) {
		case string:
			out[name] = v
		case map[string]any: // {"file": "release.yml"}
			file, _ = v["file"].(string)
		case []any: // CircleCI's contexts
			one, ok := "", len(v) == 1
			if ok {
				one, ok = v[0].(string)
			}
			if !ok {
				return nil, "", errs.New(errs.Invalid, "npm.trust", "the claim %.100q is a list; one element is supported", name).On("claims")
			}
			out[name] = one
		}
	}
	need := map[string]string{"github": "repository", "gitlab": "project_path", "circleci": "oidc.circleci.com/project-id"}[c.Type]
	what = out[need]
	if what == "" || c.Type != "circleci" && (file == "" || strings.ContainsAny(file, "*@")) || c.Type == "circleci" && out["oidc.circleci.com/org-id"] == "" {
		return nil, "", errs.New(errs.Invalid, "npm.trust", "the claims must name %s, and for github and gitlab the file of the workflow", need).On("claims")
	}
	for name, v := range out {
		if strings.Contains(v, "*") {
			return nil, "", errs.New(errs.Invalid, "npm.trust", "the claim %.100q has a *, which npm trust does not mean as a wildcard", name).On("claims")
		}
	}
	switch c.Type {
	case "github":
		out["workflow_ref"] = what + "/.github/workflows/" + file + "@*"
	case "gitlab":
		out["ci_config_ref_uri"] = hostOf(issuer) + "/" + what + "//" + file + "@*"
	}
	return out, what, nil
}

// config shows a rule as npm trust would have made it; any other rule has the
// type oidc and its claims as they are compared.
func (a *Accounts) config(rule access.TrustRule) trustConfig {
	out := trustConfig{ID: rule.ID.String(), Type: "oidc", Claims: map[string]any{}, Permissions: []string{createPackage}}
	for name, v := range rule.Claims {
		out.Claims[name] = v
	}
	for _, service := range slices.Sorted(maps.Keys(issuers)) {
		known := a.issuerOf(service)
		if known != "" && (rule.Issuer == known || service == "circleci" && strings.HasPrefix(rule.Issuer, known)) {
			out.Type = service
		}
	}
	for _, name := range []string{"workflow_ref", "ci_config_ref_uri"} {
		if v, ok := rule.Claims[name]; ok && out.Type != "oidc" {
			file, _, _ := strings.Cut(v, "@")
			for _, before := range []string{"/.github/workflows/", "//"} {
				if _, f, found := strings.Cut(file, before); found {
					file = f
				}
			}
			out.Claims[name] = map[string]string{"file": file}
		}
	}
	if out.Type == "oidc" {
		out.Claims["iss"] = rule.Issuer
	}
	return out
}

// distrust answers npm trust revoke. A rule for more than the package is not
// npm's to end.
func (a *Accounts) distrust(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := a.endTrust(r, t, p); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, map[string]bool{"ok": true})
}

func (a *Accounts) endTrust(r *http.Request, t protocol.Target, p params) error {
	rules, err := a.Access.TrustRules(r.Context(), t.Registry)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(rules, func(x access.TrustRule) bool { return x.ID.String() == p.vars["id"] && concerns(x, p.pkg) })
	switch {
	case i < 0:
		return errs.New(errs.NotFound, "npm.trust", "there is no trust rule %.60q for %s; npm trust list %s shows them", p.vars["id"], p.pkg, p.pkg)
	case !slices.Equal(rules[i].Packages, []string{p.pkg}) || len(rules[i].Registries) != 1:
		return errs.New(errs.Conflict, "npm.trust", "the trust rule %q is for more than the package %s here; it is deleted in Sluice", rules[i].Name, p.pkg)
	}
	return a.Access.DeleteTrustRule(r.Context(), rules[i].ID)
}
