package login

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/session"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
)

// mostOfMember bounds the live sessions of one member; the oldest ends.
const mostOfMember = 50

// remembered is how long ended sessions are kept for lists and questions.
const remembered = 30 * 24 * time.Hour

// Arrival is somebody whom a provider vouched for.
type Arrival struct {
	Provider Provider // its ID is uuid.Nil for the platform's
	Claims   Claims
	IP       string
	Agent    string // the browser's User-Agent
	Old      string // the secret of the session that the browser had, "" for none
}

// Enter opens a session for whoever the provider vouched for, and returns its
// secret, which is stored nowhere. The browser's old session ends: a secret
// never outlives a login (fixation). Whoever is not let in is Forbidden; why is
// in the audit log.
func (s *Service) Enter(ctx context.Context, a Arrival) (secret string, out Session, err error) {
	err = db.Retry(ctx, func() error {
		return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
			if err := s.lockAccess(ctx, tx); err != nil {
				return err
			}
			if err := s.lets(ctx, tx, &a.Provider); err != nil {
				return err
			}
			m, err := s.who(ctx, tx, a.Provider, a.Claims)
			if err != nil {
				return err
			}
			if a.Provider.ID != uuid.Nil {
				if err := s.mapGroups(ctx, tx, a.Provider, m.ID, a.Claims.Groups, s.Now()); err != nil {
					return err
				}
			}
			secret, out, err = s.open(ctx, tx, m, opening{kind: session.KindOIDC, Arrival: a, lasts: SessionTime})
			return err
		})
	})
	if errs.Is(err, errs.Forbidden) {
		if lost := s.recordRefusal(ctx, a, err); lost != nil {
			return "", Session{}, lost
		}
	}
	if err != nil {
		return "", Session{}, err
	}
	return secret, out, nil
}

// recordRefusal writes outside of the transaction that was refused. Only
// accounts that a provider vouched for get this far, so that strangers cannot
// fill the log.
func (s *Service) recordRefusal(ctx context.Context, a Arrival, why error) error {
	ctx = access.As(ctx, access.Anonymous(), a.IP)
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.Audit.Record(ctx, tx, audit.Event{Action: "login:refuse", ObjectType: "identity", ObjectID: clip(a.Claims.Issuer+" "+a.Claims.Subject, 800),
			Reason: errs.Public(why), After: map[string]string{"provider": providerName(a.Provider), "email": clip(a.Claims.Email, 254)}})
	})
}

func providerName(p Provider) string {
	if p.ID == uuid.Nil {
		return PlatformName
	}
	return p.Name
}

// opening is what a new session is made of.
type opening struct {
	kind session.Kind
	Arrival
	lasts time.Duration
}

func (s *Service) open(ctx context.Context, tx *db.Tx, m access.Member, o opening) (secret string, out Session, err error) {
	secret, hash, err := s.newSecret()
	if err != nil {
		return "", Session{}, err
	}
	if isSecret(o.Old) {
		if _, err := s.endWhere(ctx, tx, "ROTATED", session.Hash(hashOf(o.Old))); err != nil {
			return "", Session{}, err
		}
	}
	now := s.Now()
	if err := s.makeRoom(ctx, tx, m.ID, now); err != nil {
		return "", Session{}, err
	}
	id := uuid.Must(uuid.NewV7())
	c := tx.Ent.Session.Create().SetID(id).SetMemberID(m.ID).SetHash(hash).SetKind(o.kind).SetIssuer(o.Claims.Issuer).SetSubject(o.Claims.Subject).
		SetSid(clip(o.Claims.SID, 500)).SetIP(o.IP).SetUserAgent(clip(o.Agent, 300)).SetCreatedAt(now).SetLastUsedAt(now).SetExpiresAt(now.Add(o.lasts))
	if o.Provider.ID != uuid.Nil {
		c.SetProviderID(o.Provider.ID)
	}
	if o.Claims.IDToken != "" {
		content, err := s.sealJSON("id token", id[:], o.Claims.IDToken)
		if err != nil {
			return "", Session{}, err
		}
		c.SetIDToken(content)
	}
	row, err := c.Save(ctx)
	if err != nil {
		return "", Session{}, err
	}
	out = readSession(row)
	return secret, out, s.Audit.Record(asMember(ctx, m, o.IP), tx, audit.Event{Action: "session:open", ObjectType: "session", ObjectID: id.String(),
		After: map[string]string{"kind": string(o.kind), "issuer": o.Claims.Issuer, "subject": o.Claims.Subject, "agent": out.Agent}})
}

// makeRoom removes what was forgotten long ago and ends the oldest sessions
// over the bound.
func (s *Service) makeRoom(ctx context.Context, tx *db.Tx, member uuid.UUID, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE org_id = `+db.Ours+` AND member_id = $1 AND (ended_at < $2 OR expires_at < $2)`, member, now.Add(-remembered))
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `UPDATE sessions SET ended_at = $2, end_reason = 'TOO_MANY' WHERE org_id = `+db.Ours+` AND id IN (
		SELECT id FROM sessions WHERE org_id = `+db.Ours+` AND member_id = $1 AND ended_at IS NULL AND expires_at > $2 ORDER BY id DESC OFFSET $3)`, member, now, mostOfMember-1)
	if err == nil && tag.RowsAffected() > 0 {
		err = changed(ctx, tx, "")
	}
	return err
}
