package npm

import (
	"net/http"
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

var profilePaths = []*endpoint{
	{"/-/npm/v1/user", map[string]action{
		"GET": account((*Accounts).profile),
		"POST": account(elsewhere("a profile cannot be changed through a registry: names and e-mail addresses of members are an administrator's to change in Sluice, " +
			"passwords and two-factor authentication belong to where you log in")),
	}},
}

// profile answers npm profile get.
func (a *Accounts) profile(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	type profile struct {
		Name          string     `json:"name"`
		Email         string     `json:"email"`
		EmailVerified bool       `json:"email_verified"`
		FullName      string     `json:"fullname,omitempty"`
		TFA           bool       `json:"tfa"`
		Created       *time.Time `json:"created,omitempty"`
		Networks      []string   `json:"cidr_whitelist"`
	}
	who := access.Of(r.Context())
	out := profile{Name: t.Subject}
	for _, n := range who.Networks {
		out.Networks = append(out.Networks, n.String())
	}
	m, err := a.Access.Me(r.Context())
	switch {
	case err == nil:
		out.Name, out.Email, out.EmailVerified, out.FullName, out.Created = m.Email, m.Email, true, m.Name, &m.CreatedAt
	case !errs.Is(err, errs.NotFound): // a service token is nobody, but has a name
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, out)
}
