package graph

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/policy"
)

type decisionFields struct{ *resolver }

// ID resolves the field; so do the methods below, each its own.
func (f decisionFields) ID(_ context.Context, d *audit.Recorded) (*api.ID, error) {
	return &api.ID{Type: "Decision", Text: d.ID}, nil
}

func (f decisionFields) Registry(ctx context.Context, d *audit.Recorded) (*ent.Registry, error) {
	return f.anyRegistry(ctx, d.Registry)
}

func (f decisionFields) Token(ctx context.Context, d *audit.Recorded) (*api.TokenName, error) {
	return tokenNamed(ctx, d.Token)
}

func (f decisionFields) Channel(_ context.Context, d *audit.Recorded) (api.Channel, error) {
	return api.Channel(d.Channel), nil
}

func (f decisionFields) Version(_ context.Context, d *audit.Recorded) (*string, error) {
	return api.Text(d.Version), nil
}

func (f decisionFields) Effect(_ context.Context, d *audit.Recorded) (policy.Effect, error) {
	return policy.ParseEffect(d.Effect)
}

// body is what the gate records of a refusal.
type body struct {
	Instead  string           `json:"instead"`
	Decision *policy.Decision `json:"decision"`
}

func bodyOf(d *audit.Recorded) (b body, err error) {
	if err = json.Unmarshal(d.Record, &b); err != nil {
		err = fmt.Errorf("decision %s: %w", d.ID, err)
	}
	return b, err
}

func (f decisionFields) Decisive(_ context.Context, d *audit.Recorded) (*policy.Verdict, error) {
	b, err := bodyOf(d)
	if err != nil || b.Decision == nil {
		return nil, err
	}
	return b.Decision.Decisive, nil
}

func (f decisionFields) Instead(_ context.Context, d *audit.Recorded) (*string, error) {
	b, err := bodyOf(d)
	return api.Text(b.Instead), err
}

type auditEventFields struct{ *resolver }

func (f auditEventFields) ID(_ context.Context, e *ent.AuditEvent) (*api.ID, error) {
	id := api.Of("AuditEvent", e.ID)
	return &id, nil
}

func (f auditEventFields) IP(_ context.Context, e *ent.AuditEvent) (*string, error) {
	return api.Text(e.IP), nil
}

func (f auditEventFields) Registry(ctx context.Context, e *ent.AuditEvent) (*ent.Registry, error) {
	return f.visibleRegistry(ctx, orNil(e.RegistryID))
}

func (f auditEventFields) Reason(_ context.Context, e *ent.AuditEvent) (*string, error) {
	return api.Text(e.Reason), nil
}

type organizationFields struct{ *resolver }

func (f organizationFields) ID(_ context.Context, o *org.Organization) (*api.ID, error) {
	id := api.Of("Organization", o.ID)
	return &id, nil
}

type viewerFields struct{ *resolver }

func (f viewerFields) Kind(_ context.Context, who *access.Subject) (api.SubjectKind, error) {
	if who.IsAnonymous() {
		return api.SubjectKindAnonymous, nil
	}
	return api.SubjectKind(who.Kind), nil
}

func (f viewerFields) Member(ctx context.Context, who *access.Subject) (*access.Member, error) {
	return memberIf(ctx, who.MemberID)
}

// memberIf returns a member, nil for no id.
func memberIf(ctx context.Context, id uuid.UUID) (*access.Member, error) {
	if id == uuid.Nil {
		return nil, nil
	}
	m, err := from(ctx).member.Load(ctx, id)
	if err != nil || m.ID == uuid.Nil {
		return nil, err
	}
	return &m, nil
}

func (f viewerFields) Organization(ctx context.Context, _ *access.Subject) (*org.Organization, error) {
	err := f.require(ctx, access.OrganizationRead, uuid.Nil)
	if errs.Is(err, errs.Forbidden) || errs.Is(err, errs.Unauthenticated) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := f.Orgs.Get(ctx)
	return &o, err
}

func (f viewerFields) Actions(ctx context.Context, who *access.Subject) ([]string, error) {
	may, err := f.Access.Allowed(ctx, *who, uuid.Nil)
	return actionNames(may), err
}

type memberFields struct{ *resolver }

func (f memberFields) ID(_ context.Context, m *access.Member) (*api.ID, error) {
	id := api.Of("Member", m.ID)
	return &id, nil
}

type roleFields struct{ *resolver }

func (f roleFields) Actions(_ context.Context, r *access.Role) ([]string, error) {
	return actionNames(r.Actions), nil
}

type tokenFields struct{ *resolver }

func (f tokenFields) ID(_ context.Context, t *access.Token) (*api.ID, error) {
	id := api.Of("Token", t.ID)
	return &id, nil
}

// Member is shown to those who may see members, and one's own always.
func (f tokenFields) Member(ctx context.Context, t *access.Token) (*access.Member, error) {
	if who := access.Of(ctx); t.MemberID == who.MemberID {
		return memberIf(ctx, t.MemberID)
	}
	may, err := f.Access.Can(ctx, access.Of(ctx), access.MemberRead, uuid.Nil)
	if err != nil || !may {
		return nil, err
	}
	return memberIf(ctx, t.MemberID)
}

func (f tokenFields) Registries(ctx context.Context, t *access.Token) ([]*ent.Registry, error) {
	if len(t.Registries) == 0 {
		return nil, nil
	}
	return f.visibleRegistries(ctx, t.Registries)
}
