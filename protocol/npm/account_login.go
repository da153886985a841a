package npm

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// The paths of [protocol.OpenHandler].
const (
	loginPath    = "/-/v1/login"
	donePath     = "/-/v1/done/"
	userPath     = "/-/user/org.couchdb.user:"
	exchangePath = "/-/npm/v1/oidc/token/exchange/package/"
)

// pollAfter is how many seconds npm waits between two questions whether
// somebody said yes.
const pollAfter = "2"

var _ protocol.OpenHandler = (*Handler)(nil)

// Opens implements protocol.OpenHandler.
func (h *Handler) Opens(method, path string) bool {
	if h.Accounts == nil || !strings.HasPrefix(path, "/-/") {
		return false
	}
	switch method {
	case http.MethodPost:
		return path == loginPath || strings.HasPrefix(path, exchangePath)
	case http.MethodGet:
		return strings.HasPrefix(path, donePath)
	case http.MethodPut:
		return couchUser(path) != ""
	}
	return false
}

// ServeOpen implements protocol.OpenHandler.
func (h *Handler) ServeOpen(w http.ResponseWriter, r *http.Request, v protocol.Visit) {
	switch a := h.Accounts; {
	case r.Method == http.MethodGet:
		a.collect(w, r, strings.TrimPrefix(v.Path, donePath))
	case r.Method == http.MethodPut:
		a.couchLogin(w, r, v)
	case v.Path == loginPath:
		a.startLogin(w, r, v)
	default:
		a.exchange(w, r, v, strings.TrimPrefix(v.Path, exchangePath))
	}
}

// couchUser returns the user's name in the path of a login with a password, ""
// when it is another path.
func couchUser(path string) string {
	segs, err := segments(path)
	if err != nil || (len(segs) != 3 && (len(segs) != 5 || segs[3] != "-rev")) || segs[0] != "-" || segs[1] != "user" {
		return ""
	}
	name, ok := strings.CutPrefix(segs[2], strings.TrimPrefix(userPath, "/-/user/"))
	if !ok || len(name) > 254 {
		return ""
	}
	return name
}

// startLogin answers npm login with the two addresses of its web flow. The
// registry is not looked for: the page finds out whether the person may read it.
func (a *Accounts) startLogin(w http.ResponseWriter, r *http.Request, v protocol.Visit) {
	client := protocol.ASCII(r.UserAgent(), 120)
	if client == "" {
		client = "a client without a name"
	}
	waiting, page, err := a.Logins.Start(r.Context(), v.Registry, client+" from "+v.IP)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusOK, map[string]string{"loginUrl": v.OrgURL + "/-/login/" + page, "doneUrl": v.BaseURL + donePath + waiting})
}

// collect answers the client that waits.
func (a *Accounts) collect(w http.ResponseWriter, r *http.Request, waiting string) {
	secret, err := a.Logins.Collect(r.Context(), waiting)
	switch {
	case errors.Is(err, access.ErrWaiting):
		w.Header().Set("Retry-After", pollAfter)
		answerAccount(w, r, http.StatusAccepted, struct{}{})
	case err != nil:
		protocol.Problem(w, r, err)
	default:
		answerAccount(w, r, http.StatusOK, map[string]string{"token": secret})
	}
}

// couchLogin answers the login with a password, which is an access token: npm
// login --auth-type=legacy, yarn and older clients. The user's name can be any.
func (a *Accounts) couchLogin(w http.ResponseWriter, r *http.Request, v protocol.Visit) {
	if wait := a.Attempts.Wait(v.IP); wait > 0 {
		seconds := int(wait/time.Second) + 1
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		answerAccount(w, r, http.StatusTooManyRequests, map[string]string{
			"error": "too many logins from this address failed; try again in " + strconv.Itoa(seconds) + " seconds"})
		return
	}
	secret, err := a.directLogin(w, r, v)
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	answerAccount(w, r, http.StatusCreated, map[string]any{"ok": true, "id": "org.couchdb.user:" + couchUser(v.Path), "rev": "1-0", "token": secret})
}

func (a *Accounts) directLogin(w http.ResponseWriter, r *http.Request, v protocol.Visit) (string, error) {
	password, err := passwordOf(w, r)
	if err != nil {
		return "", err
	}
	who, err := a.Access.Authenticate(r.Context(), password, v.IP)
	if errs.Is(err, errs.Unauthenticated) {
		a.Attempts.Failed(v.IP)
		if !access.LooksLikeToken(password) {
			return "", errs.New(errs.Unauthenticated, "npm.login", "the password must be an access token of Sluice, which starts with sluice_; npm login without --auth-type=legacy opens a page instead")
		}
	}
	if err != nil {
		return "", err
	}
	reg, err := a.readable(r, v, who)
	if err != nil {
		return "", err
	}
	secret, _, err := a.Logins.Direct(access.As(r.Context(), who, v.IP), reg)
	return secret, err
}

// passwordOf reads the password of a login from its body, else from Basic.
func passwordOf(w http.ResponseWriter, r *http.Request) (string, error) {
	var body struct {
		Password string `json:"password"`
	}
	if err := readAccount(w, r, &body); err != nil {
		return "", err
	}
	if body.Password == "" {
		_, body.Password, _ = r.BasicAuth()
	}
	return strings.TrimSpace(body.Password), nil
}

// readable finds the registry of a visit for somebody who may read it. One that
// is not there and one that is not theirs are the same (T3).
func (a *Accounts) readable(r *http.Request, v protocol.Visit, who access.Subject) (uuid.UUID, error) {
	ref, err := v.Find(r.Context())
	may := false
	if err == nil {
		if may = ref.AnonymousRead; !may {
			may, err = a.Access.Reads(r.Context(), who, ref.ID)
		}
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return uuid.Nil, err
	}
	if err != nil || !may {
		return uuid.Nil, errs.New(errs.NotFound, "npm.login", "there is no such registry here, or the token may not read it")
	}
	return ref.ID, nil
}

// hostOf is the host name of a public URL.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
