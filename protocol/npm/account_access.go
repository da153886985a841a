package npm

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// How access is given here, for the refusals of what npm would change.
const (
	byRole = "access is by roles on the registry and the same for all of its packages: " +
		"an administrator of the registry grants reader or publisher in Sluice to the member or service token"
	noTeams    = "there are no teams here; " + byRole
	byMembers  = "members are added and removed, and their roles changed, by an administrator of the organization in Sluice"
	noSettings = "a package has no access settings of its own: who may read and publish it, and whether a login is needed, is the registry's; " + byRole
)

var accessPaths = []*endpoint{
	{"/-/package/{pkg}/visibility", map[string]action{"GET": (*Handler).visibility}},
	{"/-/package/{pkg}/collaborators", map[string]action{"GET": account((*Accounts).collaborators)}},
	{"/-/package/{pkg}/access", map[string]action{"POST": account(elsewhere(noSettings))}},
	{"/-/org/{org}/package", map[string]action{"GET": account((*Accounts).packagesOfOrg)}},
	{"/-/user/{user}/package", map[string]action{"GET": account((*Accounts).packagesOfUser)}},
	{"/-/org/{org}/user", map[string]action{"GET": account((*Accounts).roster),
		"PUT": account(elsewhere(byMembers)), "DELETE": account(elsewhere(byMembers))}},
	{"/-/org/{org}/team", map[string]action{"GET": account((*Accounts).teams), "PUT": account(elsewhere(noTeams))}},
	{"/-/team/{org}/{team}", map[string]action{"DELETE": account(elsewhere(noTeams))}},
	{"/-/team/{org}/{team}/user", map[string]action{"GET": account((*Accounts).team),
		"PUT": account(elsewhere(noTeams)), "DELETE": account(elsewhere(noTeams))}},
	{"/-/team/{org}/{team}/package", map[string]action{"GET": account((*Accounts).team),
		"PUT": account(elsewhere(noTeams)), "DELETE": account(elsewhere(noTeams))}},
}

// visibility answers npm access get status: a package is public when its
// registry is readable without a login. NotFound for a package that the
// registry does not show.
func (h *Handler) visibility(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if _, err := h.Gate.List(r.Context(), t.Registry, npmPackage(p.pkg)); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, map[string]bool{"public": t.Anonymous})
}

// collaborators answers npm access list collaborators.
func (a *Accounts) collaborators(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	all, err := a.Access.Collaborators(r.Context(), t.Registry)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := map[string]string{}
	for _, c := range all {
		out[nameOf(c)] = permission(c.Write)
	}
	answerAccount(w, r, http.StatusOK, out)
}

func nameOf(c access.Collaborator) string {
	switch c.Kind {
	case access.KindToken:
		return "service token " + c.Name
	case access.KindService:
		return "service account " + c.Name
	}
	return c.Name
}

func permission(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// packagesOfOrg answers npm access list packages with the packages that the
// registry holds: for the organization all of them, for a scope those in it. Any
// other name is NotFound, at which npm asks whether it is a user's.
func (a *Accounts) packagesOfOrg(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	name := p.vars["org"]
	may, err := a.Access.Can(r.Context(), access.Of(r.Context()), access.VersionPublish, t.Registry)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	prefix := ""
	if name != t.OrgSlug {
		prefix = "@" + strings.TrimPrefix(name, "@") + "/"
	}
	out, err := a.held(r, t.Registry, prefix, may)
	if err == nil && len(out) == 0 && prefix != "" {
		err = errs.New(errs.NotFound, "npm.access", "%.100q is neither this organization (%s) nor a scope of which the registry holds packages", name, t.OrgSlug)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, out)
}

// packagesOfUser answers npm access list packages for somebody who may read the
// registry, with what they may do.
func (a *Accounts) packagesOfUser(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	name := p.vars["user"]
	all, err := a.Access.Collaborators(r.Context(), t.Registry)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	for _, c := range all {
		if c.Name != name {
			continue
		}
		out, err := a.held(r, t.Registry, "", c.Write)
		if err != nil {
			protocol.Problem(w, r, err)
			return
		}
		answerAccount(w, r, http.StatusOK, out)
		return
	}
	protocol.Problem(w, r, errs.New(errs.NotFound, "npm.access", "%.100q is no scope here, and nobody of that name may read this registry", name))
}

// Bounds of a list of packages.
const (
	heldPage = 1_000
	mostHeld = 20_000
)

// held maps the names of the packages that the registry holds to what may be
// done with them. A registry that holds more than the bound is refused rather
// than shown in part.
func (a *Accounts) held(r *http.Request, registry uuid.UUID, prefix string, write bool) (map[string]string, error) {
	out := map[string]string{}
	for after := ""; ; {
		names, err := a.Holdings.HeldNames(r.Context(), registry, after, heldPage)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			if strings.HasPrefix(n, prefix) {
				out[n] = permission(write)
			}
		}
		switch {
		case len(names) < heldPage:
			return out, nil
		case len(out) >= mostHeld:
			return nil, errs.New(errs.TooLarge, "npm.access", "the registry holds more than %d packages, which is the most that this list shows; name a scope", mostHeld)
		}
		after = names[len(names)-1]
	}
}

// roster answers npm org ls.
func (a *Accounts) roster(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := ownOrganization(t, p); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	all, err := a.Access.Roster(r.Context())
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := map[string]string{}
	for _, m := range all {
		out[m.Email] = m.Role
	}
	answerAccount(w, r, http.StatusOK, out)
}

// ownOrganization refuses every organization but the registry's, as one that
// does not exist (T3).
func ownOrganization(t protocol.Target, p params) error {
	if name := strings.TrimPrefix(p.vars["org"], "@"); name != t.OrgSlug {
		return errs.New(errs.NotFound, "npm.access", "there is no organization %.100q here; this registry is of %s", name, t.OrgSlug)
	}
	return nil
}

// teams answers npm team ls: there are none.
func (a *Accounts) teams(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	if err := ownOrganization(t, p); err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, []string{})
}

// team answers for one team: it does not exist.
func (a *Accounts) team(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	err := ownOrganization(t, p)
	if err == nil {
		err = errs.New(errs.NotFound, "npm.access", "there is no team %.100q; %s", p.vars["team"], noTeams)
	}
	protocol.Problem(w, r, err)
}
