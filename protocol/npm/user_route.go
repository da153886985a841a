package npm

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

var userPaths = []*endpoint{
	{"/-/user/{user}", map[string]action{"GET": (*Handler).user}},
	{"/-/_view/starredByUser", map[string]action{"GET": (*Handler).starred}},
}

// couchUser is in front of a name in the paths of users, as in CouchDB.
const couchUser = "org.couchdb.user:"

// user answers GET /-/user/org.couchdb.user:{name}, with which npm owner makes a
// maintainer out of a name.
func (h *Handler) user(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	name, ok := strings.CutPrefix(p.vars["user"], couchUser)
	var who coord.Person
	var err error = nothingHere()
	if ok {
		who, err = h.person(r.Context(), t, name)
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	small(w, r, [][2]string{{"_id", couchUser + who.Name}, {"name", who.Name}, {"email", who.Email}, {"type", "user"}})
}

// person finds the subject itself, and members for who may see them, or may
// publish in the registry and so name its maintainers.
func (h *Handler) person(ctx context.Context, t protocol.Target, name string) (coord.Person, error) {
	me := author(ctx)
	if me.Name == "" {
		return coord.Person{}, errs.New(errs.Unauthenticated, "npm.user", "no token came with the request; looking people up needs one")
	}
	if name == me.Name {
		return me, nil
	}
	nobody := errs.New(errs.NotFound, "npm.user", "there is no member %.254q here; people are named by their e-mail addresses", name)
	any := coord.Package{Ecosystem: coord.NPM}
	err := h.Access.Write(ctx, access.MemberRead, uuid.Nil, any)
	if errs.Is(err, errs.Forbidden) {
		err = h.Access.Write(ctx, access.VersionPublish, t.Registry, any)
	}
	if err != nil {
		if errs.Is(err, errs.Forbidden) {
			return coord.Person{}, nobody
		}
		return coord.Person{}, err
	}
	m, err := h.Members.MemberByEmail(ctx, name)
	if errs.Is(err, errs.NotFound) || err == nil && m.DeactivatedAt != nil {
		return coord.Person{}, nobody
	}
	return coord.Person{Name: m.Email, Email: m.Email}, err
}

// starred answers GET /-/_view/starredByUser?key="name" with the packages of the
// registry that somebody has starred.
func (h *Handler) starred(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	key := r.URL.Query().Get("key")
	who, err := readTag([]byte(key))
	if err != nil {
		protocol.Problem(w, r, errs.New(errs.Invalid, "npm.stars", "the parameter key must be a name as a JSON string, such as \"ann\"").On("key"))
		return
	}
	names, err := h.Intake.Starred(r.Context(), t.Registry, who)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	wr := &writer{}
	wr.open('{')
	wr.key("rows")
	wr.open('[')
	for _, name := range names {
		wr.comma()
		wr.open('{')
		wr.text("value", name)
		wr.shut('}')
	}
	wr.shut(']')
	wr.shut('}')
	answer(w, r, http.StatusOK, wr.b)
}
