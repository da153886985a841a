package npm

import (
	"net/http"
	"slices"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// ownerPaths are how pnpm 12 changes owners and stars; the other clients send
// the package's document.
var ownerPaths = []*endpoint{
	{"/-/package/{pkg}/owners", map[string]action{"PUT": (*Handler).addOwner}},
	{"/-/package/{pkg}/owners/{user}", map[string]action{"DELETE": (*Handler).removeOwner}},
	{"/-/user/v1/star", map[string]action{"PUT": (*Handler).star, "DELETE": (*Handler).star}},
	{"/-/user/{user}/stars", map[string]action{"GET": (*Handler).stars}},
}

// addOwner answers PUT /-/package/{pkg}/owners with {"user": name}.
func (h *Handler) addOwner(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	var body struct{ User string }
	err := readAccount(w, r, &body)
	if err == nil {
		err = h.changeOwners(r, t, p.pkg, func(people []coord.Person) ([]coord.Person, error) {
			who, err := h.person(r.Context(), t, body.User)
			if err != nil || slices.ContainsFunc(people, func(x coord.Person) bool { return x.Name == who.Name }) {
				return people, err
			}
			return append(people, who), nil
		})
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// removeOwner answers DELETE /-/package/{pkg}/owners/{user}.
func (h *Handler) removeOwner(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	name := p.vars["user"]
	err := h.changeOwners(r, t, p.pkg, func(people []coord.Person) ([]coord.Person, error) {
		left := slices.DeleteFunc(slices.Clone(people), func(x coord.Person) bool { return x.Name == name })
		if len(left) == len(people) {
			return nil, errs.New(errs.NotFound, "npm.owner", "%.254q is no owner of %s", name, p.pkg)
		}
		return left, nil
	})
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// changeOwners replaces the maintainers by what change makes of them.
func (h *Handler) changeOwners(r *http.Request, t protocol.Target, pkg string, change func([]coord.Person) ([]coord.Person, error)) error {
	ctx := r.Context()
	if err := h.Access.Write(ctx, access.VersionPublish, t.Registry, npmPackage(pkg)); err != nil {
		return err
	}
	own, err := h.Intake.Own(ctx, t.Registry, pkg)
	if err != nil {
		return err
	}
	people, err := change(slices.Clone(own.Maintainers))
	if err != nil {
		return err
	}
	return h.Intake.SetMaintainers(ctx, t.Registry, pkg, own.Revision, people)
}

// star answers PUT and DELETE /-/user/v1/star with {"package": name}.
func (h *Handler) star(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	var body struct{ Package string }
	err := readAccount(w, r, &body)
	pkg := ""
	if err == nil {
		if pkg, err = coord.NormalizeName(coord.NPM, body.Package); err != nil {
			err = errs.Wrap(err, errs.Invalid, "npm.star", "%.214q is no package name: %v", body.Package, err).On("package")
		}
	}
	if err == nil {
		err = h.Access.Write(r.Context(), access.VersionPublish, t.Registry, npmPackage(pkg))
	}
	if err == nil {
		err = h.Intake.Star(r.Context(), t.Registry, pkg, author(r.Context()).Name, r.Method == http.MethodPut)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// stars answers GET /-/user/{user}/stars with an object whose members are the
// packages of the registry that somebody has starred.
func (h *Handler) stars(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	names, err := h.Intake.Starred(r.Context(), t.Registry, p.vars["user"])
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := map[string]bool{}
	for _, name := range names {
		out[name] = true
	}
	answerAccount(w, r, http.StatusOK, out)
}
