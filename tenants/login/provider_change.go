package login

import (
	"context"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/identityprovider"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// ChangeProvider is [Service.UpdateProvider] with what change makes of what the
// provider is now, its client secret left nil. Two changes at once follow each
// other, so that neither undoes the other. change may be called again.
func (s *Service) ChangeProvider(ctx context.Context, id uuid.UUID, change func(*ProviderInput)) (out Provider, err error) {
	if err := s.requireAll(ctx); err != nil {
		return Provider{}, err
	}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.ID(id)).ForUpdate().Only(ctx)
		if err != nil {
			return noProvider(err)
		}
		in := readProvider(row).input()
		change(&in)
		in.Name = row.Name
		out, err = s.replace(ctx, tx, row, in)
		return err
	})
	return out, taken(err)
}

// replace writes what a provider is from now on.
func (s *Service) replace(ctx context.Context, tx *db.Tx, before *ent.IdentityProvider, in ProviderInput) (Provider, error) {
	if err := in.normalize(s.PlainHTTP); err != nil {
		return Provider{}, err
	}
	if err := s.checkRole(ctx, in.JoinRole); err != nil {
		return Provider{}, err
	}
	u := tx.Ent.IdentityProvider.UpdateOne(before).SetTitle(in.Title).SetIssuer(in.Issuer).SetClientID(in.ClientID).SetScopes(in.Scopes).
		SetDomains(in.Domains).SetClaims(in.Claims.asMap()).SetJoins(in.Joins).SetJoinRole(in.JoinRole).SetExclusive(in.Exclusive).
		SetEnabled(in.Enabled).SetUpdatedAt(s.Now())
	if err := s.replaceSecret(u, before, in); err != nil {
		return Provider{}, err
	}
	row, err := u.Save(ctx)
	if err != nil {
		return Provider{}, err
	}
	if !in.Enabled || before.Issuer != in.Issuer {
		if _, err := s.endWhere(ctx, tx, "PROVIDER", session.ProviderID(before.ID)); err != nil {
			return Provider{}, err
		}
	}
	return readProvider(row), s.Audit.Record(ctx, tx, audit.Event{Action: "provider:update", ObjectType: "identity-provider", ObjectID: before.ID.String(),
		Before: readProvider(before), After: in})
}

func (s *Service) replaceSecret(u *ent.IdentityProviderUpdateOne, before *ent.IdentityProvider, in ProviderInput) error {
	switch {
	case in.ClientSecret == nil && hasBytes(before.ClientSecret) && before.Issuer != in.Issuer:
		// The old issuer's secret is nothing to show to another one.
		return errs.New(errs.Invalid, "login.UpdateProvider", "the issuer changes, so that the client secret must be given anew").On("clientSecret")
	case in.ClientSecret == nil:
	case *in.ClientSecret == "":
		u.ClearClientSecret()
	default:
		content, err := s.sealJSON("client secret", before.ID[:], string(*in.ClientSecret))
		if err != nil {
			return err
		}
		u.SetClientSecret(content)
	}
	return nil
}

// input is what would make the provider as it is, but for its secret.
func (p Provider) input() ProviderInput {
	return ProviderInput{Name: p.Name, Title: p.Title, Issuer: p.Issuer, ClientID: p.ClientID, Scopes: p.Scopes, Domains: p.Domains, Claims: p.Claims,
		Joins: p.Joins, JoinRole: p.JoinRole, Exclusive: p.Exclusive, Enabled: p.Enabled}
}

// ProvidersByIDs returns those of the providers that exist, without their
// secrets. It checks no right.
func ProvidersByIDs(ctx context.Context, tx *db.Tx, ids []uuid.UUID) (map[uuid.UUID]Provider, error) {
	rows, err := tx.Ent.IdentityProvider.Query().Where(identityprovider.IDIn(ids...)).All(ctx)
	out := make(map[uuid.UUID]Provider, len(rows))
	for _, r := range rows {
		out[r.ID] = readProvider(r)
	}
	return out, err
}
