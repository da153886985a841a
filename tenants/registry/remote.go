package registry

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// Credential is what a remote wants to see. Bearer is used when it is set,
// else Username with Password. It never appears in logs or answers.
type Credential struct {
	Bearer   string `json:"bearer,omitempty"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// Empty reports whether there is no credential.
func (c Credential) Empty() bool { return c == Credential{} }

// String hides the credential from formatted output.
func (c Credential) String() string { return "***" }

// RemoteInput describes a new remote.
type RemoteInput struct {
	Ecosystem  coord.Ecosystem
	Name       string
	BaseURL    string
	Credential Credential
	Internal   bool     // what it lists counts as INTERNAL (O1)
	FileHosts  []string // other hosts that its files may come from (F6)
}

// CreateRemote makes a remote. Whether its address may be dialled is checked
// at every connection, not here (F6).
func (s *Service) CreateRemote(ctx context.Context, in RemoteInput) (*ent.Remote, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if err := s.checkEcosystem(opCreateRemote, in.Ecosystem, "a remote"); err != nil {
		return nil, err
	}
	var made *ent.Remote
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if made, err = s.addRemote(ctx, tx, in); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	return made, err
}

const opCreateRemote = "create remote"

// check looks at what needs no database, and makes the address canonical.
func (in *RemoteInput) check() (err error) {
	const op = opCreateRemote
	if in.BaseURL, err = checkBaseURL(op, in.BaseURL); err != nil {
		return err
	}
	if !nameRule.MatchString(in.Name) {
		return errs.New(errs.Invalid, op, "%q is no remote name; use 1 to 64 lower-case letters, digits, dots, dashes or underscores", in.Name).On("name")
	}
	for _, h := range in.FileHosts {
		if h == "" || strings.ContainsAny(h, "/@ ") {
			return errs.New(errs.Invalid, op, "%q is no host name; want just host or host:port", h).On("fileHosts")
		}
	}
	return nil
}

// addRemote makes a remote that was checked.
func (s *Service) addRemote(ctx context.Context, tx *db.Tx, in RemoteInput) (*ent.Remote, error) {
	c := tx.Ent.Remote.Create().SetEcosystem(in.Ecosystem).SetName(in.Name).SetBaseURL(in.BaseURL).SetInternal(in.Internal).SetCreatedAt(s.Now())
	if len(in.FileHosts) > 0 {
		c.SetFileHosts(in.FileHosts)
	}
	if !in.Credential.Empty() {
		plain, err := json.Marshal(in.Credential)
		if err != nil {
			return nil, err
		}
		sealed, err := s.Seal.Seal(plain)
		if err != nil {
			return nil, err
		}
		c.SetCredential(sealed)
	}
	r, err := c.Save(ctx)
	if _, dup := db.IsUnique(err); dup {
		return nil, errs.Wrap(err, errs.Conflict, opCreateRemote, "a remote named %q exists already; choose another name", in.Name).On("name")
	}
	if err != nil {
		return nil, err
	}
	return r, s.Audit.Record(ctx, tx, audit.Event{Action: "remote:create", ObjectType: "remote", ObjectID: r.ID.String(),
		After: map[string]any{"name": r.Name, "baseUrl": r.BaseURL, "internal": r.Internal, "credential": !in.Credential.Empty()}})
}

func checkBaseURL(op, raw string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return "", errs.New(errs.Invalid, op, "%q is no remote address; want an absolute http or https URL", withoutUser(raw)).On("baseUrl")
	case u.User != nil:
		return "", errs.New(errs.Invalid, op, "the remote address holds a user name; give it as the credential instead").On("baseUrl")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "", errs.New(errs.Invalid, op, "the remote address %q has a query or fragment; want only scheme, host and path", raw).On("baseUrl")
	}
	if h := u.Hostname(); h == "" || net.ParseIP(h) == nil && strings.ContainsAny(h, "_ ") {
		return "", errs.New(errs.Invalid, op, "%q is no host name", h).On("baseUrl")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", errs.New(errs.Invalid, op, "the port %s of the remote address is none; want 1 to 65535", p).On("baseUrl")
		}
	}
	// The escaped form keeps what is escaped, such as a slash inside a name.
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.EscapedPath(), "/")
	return u.String(), nil
}

// withoutUser is an address as typed without the user name and password that it
// may hold by mistake.
func withoutUser(raw string) string {
	if i := strings.LastIndexByte(raw, '@'); i >= 0 {
		return "…" + raw[i:]
	}
	return raw
}

// origin is to whom a credential is given: scheme, host and port.
func origin(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

func (s *Service) remote(ctx context.Context, tx *db.Tx, op string, id uuid.UUID) (*ent.Remote, error) {
	r, err := tx.Ent.Remote.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, op, "there is no remote %s", id)
	}
	return r, err
}

// MoveRemote changes a remote's address. What was remembered from the old one
// stays until the new one answers. A credential goes only to the origin that it
// was given for (F6): a move to another scheme, host or port forgets it.
func (s *Service) MoveRemote(ctx context.Context, id uuid.UUID, baseURL string) error {
	const op = "update remote"
	base, err := checkBaseURL(op, baseURL)
	if err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		old, err := s.remote(ctx, tx, op, id)
		if err != nil || old.BaseURL == base {
			return err
		}
		had := old.Credential != nil && len(*old.Credential) > 0
		keep := had && origin(base) == origin(old.BaseURL)
		up := tx.Ent.Remote.UpdateOneID(id).SetBaseURL(base)
		if !keep {
			up.ClearCredential()
		}
		if err := up.Exec(ctx); err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "remote:update", ObjectType: "remote", ObjectID: id.String(),
			Before: map[string]any{"baseUrl": old.BaseURL, "credential": had}, After: map[string]any{"baseUrl": base, "credential": keep}}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}
