package graph

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

func (m mutations) AddRule(ctx context.Context, in api.AddRuleInput) (*api.AddRulePayload, error) {
	rule := policy.Rule{Name: in.Name, Kind: in.Kind, Mode: in.Mode, Effect: in.Effect, Applies: policy.DefaultScope(in.Kind),
		OnViolation: in.OnViolation, Unknown: policy.DefaultUnknown(in.Kind), AutoRelease: in.AutoRelease}
	if in.Kind == policy.KindLicense && in.LicensePolicy == nil {
		usual := license.DefaultPolicy()
		rule.Params.License = &usual
	}
	set(&rule.Applies, in.Applies)
	set(&rule.Unknown, in.OnUnknown)
	made, err := m.addRule(ctx, in.Registry.UUID, rule, ruleParams{in.MinSeverity, in.MinAge, in.Definitions, in.LicensePolicy, in.MaxFeedAge, in.Grace})
	wrong, err := userErrors(err)
	return &api.AddRulePayload{Rule: made, UserErrors: wrong}, err
}

// ruleParams are the settings of a rule as they were given; nil stays.
type ruleParams struct {
	minSeverity *policy.Severity
	minAge      *time.Duration
	definitions []string
	license     *api.LicensePolicyInput
	maxFeedAge  *time.Duration
	grace       *time.Duration
}

func (m mutations) addRule(ctx context.Context, registryID uuid.UUID, rule policy.Rule, params ruleParams) (*registry.Rule, error) {
	if err := m.setParams(ctx, registryID, &rule, params); err != nil {
		return nil, err
	}
	made, err := m.Registries.AddRule(ctx, registryID, rule)
	if err != nil {
		return nil, err
	}
	return m.ruleNow(ctx, made.ID)
}

// ruleNow reads a rule after a change.
func (m mutations) ruleNow(ctx context.Context, id uuid.UUID) (*registry.Rule, error) {
	rule, err := m.find(ctx, api.Of("Rule", id), "Rule")
	if err != nil {
		return nil, err
	}
	return rule.(*registry.Rule), nil
}

func (m mutations) UpdateRule(ctx context.Context, in api.UpdateRuleInput) (*api.UpdateRulePayload, error) {
	now, err := m.updateRule(ctx, in)
	wrong, err := userErrors(err)
	return &api.UpdateRulePayload{Rule: now, UserErrors: wrong}, err
}

func (m mutations) updateRule(ctx context.Context, in api.UpdateRuleInput) (*registry.Rule, error) {
	obj, err := m.find(m.fresh(ctx), in.Rule, "Rule")
	if err != nil {
		return nil, err
	}
	rule := obj.(*registry.Rule).Rule
	set(&rule.Name, in.Name)
	set(&rule.Mode, in.Mode)
	set(&rule.Effect, in.Effect)
	set(&rule.Applies, in.Applies)
	set(&rule.OnViolation, in.OnViolation)
	set(&rule.Unknown, in.OnUnknown)
	set(&rule.AutoRelease, in.AutoRelease)
	params := ruleParams{in.MinSeverity, in.MinAge, in.Definitions, in.LicensePolicy, in.MaxFeedAge, in.Grace}
	if err := m.setParams(ctx, registryOf(obj), &rule, params); err != nil {
		return nil, err
	}
	if err := m.Registries.UpdateRule(ctx, rule); err != nil {
		return nil, err
	}
	return m.ruleNow(ctx, rule.ID)
}

// set overwrites what was given.
func set[T any](into *T, given *T) {
	if given != nil {
		*into = *given
	}
}

func (m mutations) setParams(ctx context.Context, registryID uuid.UUID, rule *policy.Rule, p ruleParams) error {
	set(&rule.Params.MinSeverity, p.minSeverity)
	set(&rule.Params.MinAge, p.minAge)
	set(&rule.Params.MaxFeedAge, p.maxFeedAge)
	if p.grace != nil {
		rule.Params.Grace = p.grace
	}
	if p.license != nil {
		rule.Params.License = licensePolicy(p.license)
	}
	if p.definitions == nil {
		return nil
	}
	reg, err := m.anyRegistry(m.fresh(ctx), registryID)
	if err != nil {
		return err
	}
	rule.Params.Definitions, err = definitions(reg.Ecosystem, p.definitions)
	return err
}

// definitions reads what was typed; an error says which one is wrong, and where
// in it (P10).
func definitions(e coord.Ecosystem, texts []string) ([]coord.Definition, error) {
	if len(texts) > policy.MaxDefinitions {
		return nil, errs.New(errs.Invalid, "graph", "%d definitions are given; at most %d are allowed", len(texts), policy.MaxDefinitions).On("definitions")
	}
	out := make([]coord.Definition, len(texts))
	for i, text := range texts {
		d, err := coord.ParseDefinition(e, text)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, "graph", "definition %d: %v", i+1, err).On("definitions")
		}
		out[i] = d
	}
	return out, nil
}

func licensePolicy(in *api.LicensePolicyInput) *license.Policy {
	out := &license.Policy{NonMatching: in.NonMatching, Unknown: in.Unknown, Missing: in.Missing, Rules: make([]license.Rule, len(in.Rules))}
	for i, r := range in.Rules {
		out.Rules[i] = license.Rule{License: valueOf(r.License), Category: license.Category(valueOf(r.Category)), Severity: r.Severity, Note: valueOf(r.Note)}
	}
	return out
}

func (m mutations) RemoveRule(ctx context.Context, in api.RemoveRuleInput) (*api.RemoveRulePayload, error) {
	rule, err := m.find(m.fresh(ctx), in.Rule, "Rule")
	if err != nil {
		return nil, err
	}
	now, wrong, err := m.after(ctx, registryOf(rule), m.Registries.RemoveRule(ctx, in.Rule.UUID))
	return &api.RemoveRulePayload{Registry: now, UserErrors: wrong}, err
}
