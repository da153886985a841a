package access

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/joinrequest"
	"sluice.dev/sluice/ent/member"
	entorg "sluice.dev/sluice/ent/organization"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

// Bounds of requests to join.
const (
	MaxJoinRequests = 500 // that are open, of one organization
	MaxJoinMessage  = 500 // characters; the rest is cut
	AskAgainAfter   = 24 * time.Hour
)

// JoinRequest is a person who asks to become a member.
type JoinRequest struct {
	ID        uuid.UUID
	Who       Person
	Message   string // as the person wrote it, on one line
	CreatedAt time.Time
	DecidedAt *time.Time // nil while it is open
	DecidedBy string
	Approved  bool
	MemberID  uuid.UUID // who it became; uuid.Nil unless approved
}

// RequestToJoin asks for membership, which grants nothing. Asking again while
// the request is open changes nothing. An organization that takes no requests
// is Forbidden; who is a member, has too lately been refused, or asks where too
// many do, is a Conflict.
func (s *Service) RequestToJoin(ctx context.Context, who Person, message string) (out JoinRequest, err error) {
	const op = "access.RequestToJoin"
	if err := who.normalize(op); err != nil {
		return JoinRequest{}, err
	}
	err = s.change(asNewcomer(ctx, who), func(ctx context.Context, t *turn) error {
		if err := t.mayAsk(ctx, op, who); err != nil {
			return err
		}
		open, err := t.Ent.JoinRequest.Query().Where(joinrequest.Issuer(who.Issuer), joinrequest.Subject(who.Subject), joinrequest.DecidedAtIsNil()).Only(ctx)
		if err == nil {
			out = readJoinRequest(open)
			return nil
		}
		if !ent.IsNotFound(err) {
			return err
		}
		if n, err := t.Ent.JoinRequest.Query().Where(joinrequest.DecidedAtIsNil()).Count(ctx); err != nil || n >= MaxJoinRequests {
			return tooMany(err, op, "too many people are waiting to be let in here; ask a member to invite you")
		}
		row, err := t.Ent.JoinRequest.Create().SetIssuer(who.Issuer).SetSubject(who.Subject).SetEmail(who.Email).SetName(who.Name).
			SetMessage(oneLine(message, MaxJoinMessage)).SetCreatedAt(s.now()).Save(ctx)
		if err != nil {
			return err
		}
		out = readJoinRequest(row)
		return s.audit.Record(ctx, t.Tx, joinEvent("join:request", row, map[string]string{"issuer": who.Issuer}))
	})
	return out, err
}

func (t *turn) mayAsk(ctx context.Context, op string, who Person) error {
	takes, err := t.Ent.Organization.Query().Where(entorg.ID(t.org), entorg.JoinRequests(true)).Exist(ctx)
	if err != nil {
		return err
	}
	if !takes || t.st.closed {
		return errs.New(errs.Forbidden, op, "this organization takes no requests to join; ask a member to invite you")
	}
	known, err := t.Ent.Member.Query().Where(member.Email(who.Email)).Exist(ctx)
	if err != nil {
		return err
	}
	if known {
		return errs.New(errs.Conflict, op, "%s is or was a member here; log in, or ask an administrator", who.Email)
	}
	refused, err := t.Ent.JoinRequest.Query().Where(joinrequest.Issuer(who.Issuer), joinrequest.Subject(who.Subject),
		joinrequest.DecidedAtGT(t.s.now().Add(-AskAgainAfter))).Exist(ctx)
	if err == nil && refused {
		err = errs.New(errs.Conflict, op, "your request was refused less than a day ago; ask an administrator")
	}
	return err
}

// ApproveJoinRequest lets the person in. It needs member:manage, and for each
// role and team what granting needs (A4). A request that was decided is a
// Conflict. bind may be nil.
func (s *Service) ApproveJoinRequest(ctx context.Context, id uuid.UUID, with Admission, bind Bind) (out Member, err error) {
	if err := with.normalize("access.ApproveJoinRequest"); err != nil {
		return Member{}, err
	}
	err = s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.openJoinRequest(ctx, id)
		if err != nil {
			return err
		}
		if err := t.mayAdmit(ctx, with); err != nil {
			return err
		}
		if out, err = t.admit(ctx, readJoinRequest(row).Who, with, bind); err != nil {
			return err
		}
		err = t.Ent.JoinRequest.UpdateOne(row).SetDecidedAt(s.now()).SetDecidedBy(scope.ActorOf(ctx).Name).SetOutcome("APPROVED").SetMemberID(out.ID).Exec(ctx)
		if err != nil {
			return err
		}
		return t.done(ctx, joinEvent("join:approve", row, map[string]any{"member": out.ID, "roles": with.Roles, "teams": with.Teams}))
	})
	return out, err
}

// RefuseJoinRequest closes a request. It needs member:manage. One that was
// decided is a Conflict.
func (s *Service) RefuseJoinRequest(ctx context.Context, id uuid.UUID) error {
	return s.change(ctx, func(ctx context.Context, t *turn) error {
		row, err := t.openJoinRequest(ctx, id)
		if err != nil {
			return err
		}
		err = t.Ent.JoinRequest.UpdateOne(row).SetDecidedAt(s.now()).SetDecidedBy(scope.ActorOf(ctx).Name).SetOutcome("REFUSED").Exec(ctx)
		if err != nil {
			return err
		}
		return s.audit.Record(ctx, t.Tx, joinEvent("join:refuse", row, nil))
	})
}

// JoinRequests lists requests in the order in which they were made, decided
// ones included. It needs member:manage.
func (s *Service) JoinRequests(ctx context.Context, p Page) (out []JoinRequest, err error) {
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.RequireIn(ctx, tx, MemberManage, uuid.Nil); err != nil {
			return err
		}
		q := tx.Ent.JoinRequest.Query().Order(ent.Asc(joinrequest.FieldID)).Limit(p.limit())
		if p.After != uuid.Nil {
			q.Where(joinrequest.IDGT(p.After))
		}
		rows, err := q.All(ctx)
		for _, r := range rows {
			out = append(out, readJoinRequest(r))
		}
		return err
	})
	return out, err
}

func (t *turn) openJoinRequest(ctx context.Context, id uuid.UUID) (*ent.JoinRequest, error) {
	if err := t.require(MemberManage, uuid.Nil); err != nil {
		return nil, err
	}
	row, err := t.Ent.JoinRequest.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, errs.New(errs.NotFound, "access.JoinRequest", "the request does not exist")
	}
	if err == nil && row.DecidedAt != nil {
		err = errs.New(errs.Conflict, "access.JoinRequest", "the request was decided by %s already", row.DecidedBy)
	}
	return row, err
}

func readJoinRequest(r *ent.JoinRequest) JoinRequest {
	out := JoinRequest{ID: r.ID, Who: Person{r.Issuer, r.Subject, r.Email, r.Name}, Message: r.Message, CreatedAt: r.CreatedAt,
		DecidedAt: r.DecidedAt, DecidedBy: r.DecidedBy, Approved: r.Outcome == "APPROVED"}
	if r.MemberID != nil {
		out.MemberID = *r.MemberID
	}
	return out
}

func joinEvent(action string, r *ent.JoinRequest, after any) audit.Event {
	return audit.Event{Action: action, ObjectType: "join-request", ObjectID: r.ID.String(), Before: map[string]string{"email": r.Email}, After: after}
}
