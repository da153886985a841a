package login

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Operators run the platform. They log in with the platform's provider at its
// own host, and are nobody inside an organization. None of the methods in this
// file needs an organization in the context.

// OperatorTime is how long a session of an operator lasts.
const OperatorTime = 12 * time.Hour

// Operators says who operates the platform; the zero value is nobody.
type Operators struct {
	Issuer string   // of the platform's provider; nobody else vouches for operators
	Emails []string // addresses in lower case that the provider must have verified
	Group  string   // a value of the groups claim; "" is none
}

// any reports whether there can be operators at all.
func (o Operators) any() bool { return o.Issuer != "" && (len(o.Emails) > 0 || o.Group != "") }

// includes reports whether an account is an operator's, by its address if it is
// believed, or by its group. It returns what the session keeps of that.
func (o Operators) includes(c Claims) (email, group string, ok bool) {
	if !o.any() || c.Issuer != o.Issuer || c.Subject == "" || len(c.Subject) > 255 {
		return "", "", false
	}
	email = believed(c, nil)
	if email != "" && slices.Contains(o.Emails, email) {
		return email, "", true
	}
	return email, o.Group, o.Group != "" && slices.Contains(c.Groups, o.Group)
}

// still reports whether a session's person is an operator as the settings are
// now.
func (o Operators) still(s OperatorSession) bool {
	if !o.any() || s.issuer != o.Issuer {
		return false
	}
	if s.Group != "" {
		return s.Group == o.Group
	}
	return s.Email != "" && slices.Contains(o.Emails, s.Email)
}

// OperatorSession is a session of an operator.
type OperatorSession struct {
	ID        uuid.UUID
	Subject   string // at the platform's provider
	Email     string // verified; "" for none
	Group     string // that made them an operator; "" for the address
	Agent     string
	IP        string
	CreatedAt time.Time
	ExpiresAt time.Time

	issuer string
}

// Name is how audit events name the operator.
func (s OperatorSession) Name() string {
	if s.Email != "" {
		return s.Email
	}
	return "account " + s.Subject
}

// As returns a context in which the operator acts, from an IP address and for a
// reason. The subject stays anonymous: inside organizations they may nothing.
func (s OperatorSession) As(ctx context.Context, ip, reason string) context.Context {
	return scope.WithActor(ctx, scope.Actor{Kind: scope.ActorOperator, Name: s.Name(), IP: ip, Reason: reason})
}

// IsOperator reports whether a visitor could open an operator's session.
func (s *Service) IsOperator(who Claims) bool {
	_, _, ok := s.Operators.includes(who)
	return ok
}

// Operate opens a session for the operator whom the platform's provider vouched
// for in a visit, and returns its secret, which is stored nowhere. Anybody else
// is Forbidden.
func (s *Service) Operate(ctx context.Context, visit, agent, ip string) (secret string, out OperatorSession, err error) {
	who, err := s.Visitor(ctx, visit)
	if err != nil {
		return "", out, err
	}
	email, group, ok := s.Operators.includes(who)
	if !ok {
		return "", out, refused("the account is no operator's")
	}
	secret, hash, err := s.newSecret()
	if err != nil {
		return "", out, err
	}
	now := s.Now()
	out = OperatorSession{ID: uuid.Must(uuid.NewV7()), Subject: who.Subject, Email: email, Group: group, Agent: clip(agent, 300), IP: ip,
		CreatedAt: now, ExpiresAt: now.Add(OperatorTime), issuer: who.Issuer}
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM operator_sessions WHERE expires_at < $1`, now.Add(-remembered)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO operator_sessions (id, hash, issuer, subject, sid, email, of_group, agent, ip, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			out.ID, hash, who.Issuer, who.Subject, clip(who.SID, 500), email, group, out.Agent, ip, now, out.ExpiresAt)
		if err != nil {
			return err
		}
		return s.Audit.RecordPlatform(out.As(ctx, ip, ""), tx, "operator:login", "session "+out.ID.String(),
			map[string]string{"agent": out.Agent, "group": group, "subject": who.Subject})
	})
	return secret, out, err
}

const operatorColumns = `id, subject, email, of_group, agent, ip, created_at, expires_at, issuer`

func scanOperator(row pgx.CollectableRow) (s OperatorSession, err error) {
	err = row.Scan(&s.ID, &s.Subject, &s.Email, &s.Group, &s.Agent, &s.IP, &s.CreatedAt, &s.ExpiresAt, &s.issuer)
	return s, err
}

// Operator returns the session of a secret. One that does not exist, is over, or
// whose person is no operator any more, as the settings are now, is
// Unauthenticated. It reads the database each time, so that ending one counts at
// once on every node.
func (s *Service) Operator(ctx context.Context, secret string) (out OperatorSession, err error) {
	none := errs.New(errs.Unauthenticated, "login.Operator", "there is no such session, or it is over")
	if !s.Operators.any() || !isSecret(secret) {
		return out, none
	}
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+operatorColumns+` FROM operator_sessions WHERE hash = $1 AND ended_at IS NULL AND expires_at > $2`, hashOf(secret), s.Now())
		if err != nil {
			return err
		}
		out, err = pgx.CollectExactlyOneRow(rows, scanOperator)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !s.Operators.still(out) {
		return OperatorSession{}, none
	}
	return out, err
}

// OperatorSessions lists the sessions that are alive, the newest first.
func (s *Service) OperatorSessions(ctx context.Context) (out []OperatorSession, err error) {
	err = s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+operatorColumns+` FROM operator_sessions WHERE ended_at IS NULL AND expires_at > $1 ORDER BY id DESC LIMIT 1000`, s.Now())
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, scanOperator)
		return err
	})
	return slices.DeleteFunc(out, func(o OperatorSession) bool { return !s.Operators.still(o) }), err
}

// EndOperator ends a session of an operator, of the context's actor or another
// one. One that is over already is NotFound.
func (s *Service) EndOperator(ctx context.Context, id uuid.UUID) error {
	return s.DB.InGlobal(ctx, func(ctx context.Context, tx *db.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE operator_sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL AND expires_at > $2`, id, s.Now())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errs.New(errs.NotFound, "login.EndOperator", "there is no such session, or it is over")
		}
		return s.Audit.RecordPlatform(ctx, tx, "operator:logout", "session "+id.String(), nil)
	})
}

// endOperators ends the sessions that a logout token of the platform's provider
// means (Back-Channel Logout 1.0).
func (s *Service) endOperators(ctx context.Context, tx *db.Tx, l ProviderLogout) error {
	rows, err := tx.Query(ctx, `UPDATE operator_sessions SET ended_at = $4 WHERE issuer = $1 AND ended_at IS NULL AND expires_at > $4
		AND (($3 <> '' AND sid = $3) OR ($2 <> '' AND subject = $2 AND ($3 = '' OR sid = ''))) RETURNING id`, l.Issuer, l.Subject, clip(l.SID, 500), s.Now())
	if err != nil {
		return err
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return err
	}
	for _, id := range ended {
		if err := s.Audit.RecordPlatform(asLogin(ctx), tx, "operator:logout", "session "+id.String(), map[string]string{"by": "the provider"}); err != nil {
			return err
		}
	}
	return nil
}
