package login

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Secret is a client secret, which never prints.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalJSON hides the secret, in audit events too.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// ClaimNames says which claims of an id token hold what. The zero value of a
// field means the standard claim: email, name, groups.
type ClaimNames struct {
	Email  string
	Name   string
	Groups string
}

// Provider is an OpenID Connect provider: the organization's own, or the
// platform's, whose ID is uuid.Nil.
type Provider struct {
	ID        uuid.UUID
	Name      string // in its redirect URI; never changes
	Title     string // as the login page shows it
	Issuer    string
	ClientID  string
	HasSecret bool
	Scopes    []string // besides openid
	Domains   []string // e-mail domains that it speaks for, in lower case
	Claims    ClaimNames
	Joins     bool   // people who are no members become some
	JoinRole  string // the role that they get
	Exclusive bool   // while it is enabled, the platform's provider opens nothing here
	Enabled   bool
	CreatedAt time.Time
	UpdatedAt time.Time

	// ClientSecret is there only when the provider is about to be asked.
	ClientSecret Secret
}

// CreateProvider adds a provider. It needs every action on the organization:
// who chooses the provider chooses who everybody is (A4). A name or issuer that
// is there already is a Conflict.
func (s *Service) CreateProvider(ctx context.Context, in ProviderInput) (out Provider, err error) {
	if err := in.normalize(s.PlainHTTP); err != nil {
		return Provider{}, err
	}
	if err := s.requireAll(ctx); err != nil {
		return Provider{}, err
	}
	if err := s.checkRole(ctx, in.JoinRole); err != nil {
		return Provider{}, err
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if n, err := tx.Ent.IdentityProvider.Query().Count(ctx); err != nil || n >= MaxProviders {
			return orConflict(err, "the organization has %d identity providers, which is the most allowed", n)
		}
		id := uuid.Must(uuid.NewV7())
		now := s.Now()
		c := tx.Ent.IdentityProvider.Create().SetID(id).SetName(in.Name).SetTitle(in.Title).SetIssuer(in.Issuer).SetClientID(in.ClientID).
			SetScopes(in.Scopes).SetDomains(in.Domains).SetClaims(in.Claims.asMap()).SetJoins(in.Joins).SetJoinRole(in.JoinRole).
			SetExclusive(in.Exclusive).SetEnabled(in.Enabled).SetCreatedAt(now).SetUpdatedAt(now)
		if in.ClientSecret != nil && *in.ClientSecret != "" {
			content, err := s.sealJSON("client secret", id[:], string(*in.ClientSecret))
			if err != nil {
				return err
			}
			c.SetClientSecret(content)
		}
		row, err := c.Save(ctx)
		if err != nil {
			return err
		}
		out = readProvider(row)
		return s.Audit.Record(ctx, tx, audit.Event{Action: "provider:create", ObjectType: "identity-provider", ObjectID: id.String(), After: in})
	})
	return out, taken(err)
}

// UpdateProvider replaces what the input says; the name stays, and a nil client
// secret stays. It needs what CreateProvider needs. Sessions that it opened end
// when it is disabled or gets another issuer.
func (s *Service) UpdateProvider(ctx context.Context, id uuid.UUID, in ProviderInput) (Provider, error) {
	return s.ChangeProvider(ctx, id, func(now *ProviderInput) { *now = in })
}

// DeleteProvider removes a provider with its mappings and ends its sessions. It
// needs what CreateProvider needs. Roles that people have by their groups stay,
// from now on as if given by hand; teams until their next login by another
// provider of the organization's own.
func (s *Service) DeleteProvider(ctx context.Context, id uuid.UUID) error {
	if err := s.requireAll(ctx); err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.ID(id)).ForUpdate().Only(ctx)
		if err != nil {
			return noProvider(err)
		}
		if _, err := s.endWhere(ctx, tx, "PROVIDER", session.ProviderID(id)); err != nil {
			return err
		}
		if err := tx.Ent.Session.Update().Where(session.ProviderID(id)).ClearProviderID().Exec(ctx); err != nil {
			return err
		}
		if err := tx.Ent.IdentityProvider.DeleteOne(row).Exec(ctx); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "provider:delete", ObjectType: "identity-provider", ObjectID: id.String(), Before: readProvider(row)})
	})
}

// Providers lists the providers by title, without their secrets. It needs
// organization:read.
func (s *Service) Providers(ctx context.Context) (out []Provider, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.Access.RequireIn(ctx, tx, access.OrganizationRead, uuid.Nil); err != nil {
			return err
		}
		out, err = providers(ctx, tx)
		return err
	})
	return out, err
}

// Choices lists what the login page offers: enabled providers by title. It
// checks no right, and leaves out everything but name and title.
func (s *Service) Choices(ctx context.Context) (out []Provider, exclusive bool, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		all, err := providers(ctx, tx)
		for _, p := range all {
			if p.Enabled {
				out, exclusive = append(out, Provider{ID: p.ID, Name: p.Name, Title: p.Title}), exclusive || p.Exclusive
			}
		}
		return err
	})
	return out, exclusive, err
}

func providers(ctx context.Context, tx *db.Tx) (out []Provider, err error) {
	rows, err := tx.Ent.IdentityProvider.Query().Order(ent.Asc(identityprovider.FieldTitle, identityprovider.FieldID)).All(ctx)
	for _, r := range rows {
		out = append(out, readProvider(r))
	}
	return out, err
}

// ProviderToAsk returns a provider by name with its secret, for whoever is about
// to send somebody there. It checks no right; one that does not exist or is
// disabled is NotFound.
func (s *Service) ProviderToAsk(ctx context.Context, name string) (Provider, error) {
	return s.toAsk(ctx, func(q *ent.IdentityProviderQuery) {
		q.Where(identityprovider.Name(name), identityprovider.Enabled(true))
	})
}

// ProviderToTest returns a provider with its secret, enabled or not, and records
// that its connection is tested. It needs what CreateProvider needs.
func (s *Service) ProviderToTest(ctx context.Context, id uuid.UUID) (Provider, error) {
	if err := s.requireAll(ctx); err != nil {
		return Provider{}, err
	}
	p, err := s.toAsk(ctx, func(q *ent.IdentityProviderQuery) { q.Where(identityprovider.ID(id)) })
	if err != nil {
		return Provider{}, err
	}
	return p, s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Audit.Record(ctx, tx, audit.Event{Action: "provider:test", ObjectType: "identity-provider", ObjectID: id.String()})
	})
}

func (s *Service) toAsk(ctx context.Context, which func(*ent.IdentityProviderQuery)) (out Provider, err error) {
	err = s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		q := tx.Ent.IdentityProvider.Query()
		which(q)
		row, err := q.Only(ctx)
		if err != nil {
			return noProvider(err)
		}
		out = readProvider(row)
		if !hasBytes(row.ClientSecret) {
			return nil
		}
		var secret string
		if err := s.openJSON("client secret", row.ID[:], *row.ClientSecret, &secret); err != nil {
			return errs.Wrap(err, errs.Unavailable, "login.Provider", "the provider's client secret cannot be read; the operator's log has the details")
		}
		out.ClientSecret = Secret(secret)
		return nil
	})
	return out, err
}

// requireAll refuses whoever may not do everything.
func (s *Service) requireAll(ctx context.Context) error {
	who := access.Of(ctx)
	if err := s.Access.Require(ctx, who, access.OrganizationUpdate, uuid.Nil); err != nil {
		return err
	}
	may, err := s.Access.Allowed(ctx, who, uuid.Nil)
	if err != nil {
		return err
	}
	if len(may) < len(access.Actions()) {
		return errs.New(errs.Forbidden, "login.Provider", "identity providers decide who everybody is, so that changing them needs every action on the organization; an owner has them")
	}
	return nil
}

// checkRole refuses a first role that nobody could be given.
func (s *Service) checkRole(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	if name == access.Owner {
		return errs.New(errs.Invalid, "login.Provider", "everybody who comes would be an owner; choose another first role, for example %s", access.Ordinary).On("joinRole")
	}
	roles, err := s.Access.Roles(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(roles, func(r access.Role) bool { return r.Name == name }) {
		return errs.New(errs.Invalid, "login.Provider", "there is no role %q", name).On("joinRole")
	}
	return nil
}

func noProvider(err error) error {
	if ent.IsNotFound(err) {
		return errs.New(errs.NotFound, "login.Provider", "the identity provider does not exist")
	}
	return err
}

func taken(err error) error {
	if _, ok := db.IsUnique(err); ok {
		return errs.New(errs.Conflict, "login.Provider", "there is an identity provider with this name or this issuer already")
	}
	return err
}

func orConflict(err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	return errs.New(errs.Conflict, "login", format, args...)
}

func readProvider(r *ent.IdentityProvider) Provider {
	return Provider{ID: r.ID, Name: r.Name, Title: r.Title, Issuer: r.Issuer, ClientID: r.ClientID, HasSecret: hasBytes(r.ClientSecret),
		Scopes: r.Scopes, Domains: r.Domains, Claims: ClaimNames{r.Claims["email"], r.Claims["name"], r.Claims["groups"]}, Joins: r.Joins,
		JoinRole: r.JoinRole, Exclusive: r.Exclusive, Enabled: r.Enabled, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
}

// hasBytes reports whether a column that can be null has a value; a null one is
// read as no bytes.
func hasBytes(b *[]byte) bool { return b != nil && len(*b) > 0 }

func (c ClaimNames) asMap() map[string]string {
	out := map[string]string{}
	for k, v := range map[string]string{"email": c.Email, "name": c.Name, "groups": c.Groups} {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

// changed tells every node of a session, or of all for "".
func changed(ctx context.Context, tx *db.Tx, name string) error {
	org, err := scope.Org(ctx)
	if err == nil {
		tx.Changed(db.Change{Kind: db.Login, Org: org, Name: name})
	}
	return err
}
