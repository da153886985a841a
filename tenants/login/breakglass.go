package login

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/member"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// BreakGlass makes a link that opens one session of an owner without any
// provider, within 15 minutes. It is for commands on the server: another subject
// is Forbidden. Somebody who is no active owner is Invalid. It returns the
// link's secret, which is stored nowhere.
func (s *Service) BreakGlass(ctx context.Context, email, reason string) (secret string, until time.Time, err error) {
	if access.Of(ctx).Kind != access.KindSystem {
		return "", until, errs.New(errs.Forbidden, "login.BreakGlass", "break-glass links are made on the server")
	}
	secret, hash, err := s.newSecret()
	if err != nil {
		return "", until, err
	}
	m, err := s.Access.MemberByEmail(ctx, email)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return "", until, err
	}
	noOwner := err != nil
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if !noOwner {
			owner, err := s.isOwner(ctx, tx, m.ID)
			if err != nil {
				return err
			}
			noOwner = !owner
		}
		if noOwner {
			return errs.New(errs.Invalid, "login.BreakGlass", "%q is no active owner of the organization", email).On("owner")
		}
		now := s.Now()
		until = now.Add(LinkTime)
		row, err := tx.Ent.BreakGlassLink.Create().SetMemberID(m.ID).SetHash(hash).SetCreatedAt(now).SetExpiresAt(until).Save(ctx)
		if err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Event{Action: "login:break-glass-link", ObjectType: "break-glass-link", ObjectID: row.ID.String(), Reason: reason,
			After: map[string]string{"owner": m.Email, "until": until.UTC().Format(time.RFC3339)}})
	})
	return secret, until, err
}

func (s *Service) isOwner(ctx context.Context, tx *db.Tx, id uuid.UUID) (bool, error) {
	active, err := tx.Ent.Member.Query().Where(member.ID(id), member.DeactivatedAtIsNil()).Exist(ctx)
	if err != nil || !active {
		return false, err
	}
	return hasGrant(ctx, tx, id, access.Place{Role: access.Owner})
}

// EnterByLink opens the session of a break-glass link, for an hour. A link that
// does not exist, was used, has expired, or whose owner is none any more is
// Forbidden.
func (s *Service) EnterByLink(ctx context.Context, link string, a Arrival) (secret string, out Session, err error) {
	none := refused("there is no such link, it was used, or it has expired")
	if !isSecret(link) {
		return "", Session{}, none
	}
	a.Provider, a.Claims = Provider{}, Claims{}
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		now := s.Now()
		var id, owner uuid.UUID
		err := tx.QueryRow(ctx, `UPDATE break_glass_links SET used_at = $2 WHERE org_id = `+db.Ours+` AND hash = $1 AND used_at IS NULL AND expires_at > $2
			RETURNING id, member_id`, hashOf(link), now).Scan(&id, &owner)
		if errors.Is(err, pgx.ErrNoRows) {
			return none
		}
		if err != nil {
			return err
		}
		if still, err := s.isOwner(ctx, tx, owner); err != nil || !still {
			return errors.Join(err, none)
		}
		row, err := tx.Ent.Member.Get(ctx, owner)
		if ent.IsNotFound(err) {
			return none
		}
		if err != nil {
			return err
		}
		m := access.Member{ID: row.ID, Email: row.Email, Name: row.Name}
		if secret, out, err = s.open(ctx, tx, m, opening{kind: session.KindBREAK_GLASS, Arrival: a, lasts: BreakGlassTime}); err != nil {
			return err
		}
		return s.Audit.Record(asMember(ctx, m, a.IP), tx, audit.Event{Action: "login:break-glass", ObjectType: "session", ObjectID: out.ID.String(),
			After: map[string]string{"owner": m.Email, "link": id.String(), "agent": out.Agent}})
	})
	return secret, out, err
}
