package registry

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	entrule "sluice.dev/sluice/ent/policyrule"
	"sluice.dev/sluice/tenants/audit"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/license"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/scope"
)

// AddRule appends a rule to a registry's policy.
func (s *Service) AddRule(ctx context.Context, registryID uuid.UUID, rule policy.Rule) (policy.Rule, error) {
	const op = "add rule"
	if err := rule.Validate(); err != nil {
		return rule, errs.Wrap(err, errs.Invalid, op, "the rule cannot be used: %v", err)
	}
	err := s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := live(ctx, tx, op, registryID); err != nil {
			return err
		}
		if err := lockRules(ctx, tx, registryID); err != nil {
			return err
		}
		rules := []policy.Rule{rule}
		if err := s.addRules(ctx, tx, registryID, rules); err != nil {
			return err
		}
		rule = rules[0]
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "policy:add", ObjectType: "rule", ObjectID: rule.ID.String(), Registry: registryID, After: rule}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
	return rule, err
}

// UpdateRule replaces a rule's settings; its kind stays.
func (s *Service) UpdateRule(ctx context.Context, rule policy.Rule) error {
	const op = "update rule"
	if err := rule.Validate(); err != nil {
		return errs.Wrap(err, errs.Invalid, op, "the rule cannot be used: %v", err)
	}
	params, err := json.Marshal(rule.Params)
	if err != nil {
		return err
	}
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		old, err := tx.Ent.PolicyRule.Get(ctx, rule.ID)
		if ent.IsNotFound(err) || err == nil && old.Kind != string(rule.Kind) {
			return errs.New(errs.NotFound, op, "there is no %s rule %s", rule.Kind, rule.ID)
		}
		if err != nil {
			return err
		}
		before, err := ruleOf(old)
		if err != nil {
			return err
		}
		err = tx.Ent.PolicyRule.UpdateOneID(rule.ID).SetName(rule.Name).SetMode(string(rule.Mode)).SetEffect(rule.Effect.String()).
			SetApplies(string(rule.Applies)).SetOnViolation(string(rule.OnViolation)).SetUnknown(string(rule.Unknown)).SetParams(params).SetAutoRelease(rule.AutoRelease).Exec(ctx)
		if err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "policy:update", ObjectType: "rule", ObjectID: rule.ID.String(), Registry: old.RegistryID, Before: before, After: rule}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// RemoveRule deletes a rule.
func (s *Service) RemoveRule(ctx context.Context, id uuid.UUID) error {
	const op = "remove rule"
	return s.DB.InTx(ctx, func(ctx context.Context, tx *db.Tx) error {
		find := func() (*ent.PolicyRule, error) {
			r, err := tx.Ent.PolicyRule.Get(ctx, id)
			if ent.IsNotFound(err) {
				return nil, errs.New(errs.NotFound, op, "there is no rule %s", id)
			}
			return r, err
		}
		old, err := find()
		if err != nil {
			return err
		}
		if err := lockRules(ctx, tx, old.RegistryID); err != nil {
			return err
		}
		if old, err = find(); err != nil { // as it is under the lock
			return err
		}
		before, err := ruleOf(old)
		if err != nil {
			return err
		}
		if err := tx.Ent.PolicyRule.DeleteOneID(id).Exec(ctx); err != nil {
			return err
		}
		if err := tx.Ent.PolicyRule.Update().Where(entrule.RegistryID(old.RegistryID), entrule.PositionGT(old.Position)).AddPosition(-1).Exec(ctx); err != nil {
			return err
		}
		if err := s.Audit.Record(ctx, tx, audit.Event{Action: "policy:remove", ObjectType: "rule", ObjectID: id.String(), Registry: old.RegistryID, Before: before}); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// lockRules serialises changes of the order of a registry's rules.
func lockRules(ctx context.Context, tx *db.Tx, registryID uuid.UUID) error {
	return tx.Lock(ctx, false, "rules", registryID.String())
}

// firstRules are those of a new firewall: the licence rule has the
// organization's default licence policy, if it has set one (P11).
func firstRules(ctx context.Context, tx *db.Tx) ([]policy.Rule, error) {
	org, err := scope.Org(ctx)
	if err != nil {
		return nil, err
	}
	o, err := tx.Ent.Organization.Get(ctx, org)
	if err != nil {
		return nil, err
	}
	rules := policy.DefaultFirewallRules()
	var set map[string]json.RawMessage
	if err := json.Unmarshal(o.LicensePolicy, &set); err != nil || len(set) == 0 {
		return rules, err
	}
	licences := license.Policy{}
	if err := json.Unmarshal(o.LicensePolicy, &licences); err != nil {
		return nil, errs.Wrap(err, errs.Conflict, "create registry", "the organization's default licence policy cannot be read: %v", err)
	}
	if err := licences.Validate(); err != nil {
		return nil, errs.Wrap(err, errs.Conflict, "create registry", "the organization's default licence policy cannot be used: %v", err)
	}
	for i := range rules {
		if rules[i].Kind == policy.KindLicense {
			rules[i].Params.License = &licences
		}
	}
	return rules, nil
}

func (s *Service) addRules(ctx context.Context, tx *db.Tx, registryID uuid.UUID, rules []policy.Rule) error {
	n, err := tx.Ent.PolicyRule.Query().Where(entrule.RegistryID(registryID)).Count(ctx)
	if err != nil {
		return err
	}
	for i := range rules {
		r := &rules[i]
		params, err := json.Marshal(r.Params)
		if err != nil {
			return err
		}
		made, err := tx.Ent.PolicyRule.Create().SetRegistryID(registryID).SetPosition(n + i).SetName(r.Name).SetKind(string(r.Kind)).
			SetMode(string(r.Mode)).SetEffect(r.Effect.String()).SetApplies(string(r.Applies)).SetOnViolation(string(r.OnViolation)).
			SetUnknown(string(r.Unknown)).SetParams(params).SetAutoRelease(r.AutoRelease).SetCreatedAt(s.Now()).Save(ctx)
		if err != nil {
			return err
		}
		r.ID = made.ID
	}
	return nil
}

// ruleOf reads a stored rule. A rule that cannot be read is an error, never an
// absent rule (F1).
func ruleOf(r *ent.PolicyRule) (policy.Rule, error) {
	out := policy.Rule{ID: r.ID, Name: r.Name, Kind: policy.Kind(r.Kind), Mode: policy.Mode(r.Mode), Applies: policy.Scope(r.Applies),
		OnViolation: policy.OnViolation(r.OnViolation), Unknown: policy.Unknown(r.Unknown), AutoRelease: r.AutoRelease}
	if err := out.Effect.UnmarshalText([]byte(r.Effect)); err != nil {
		return out, fmt.Errorf("rule %s: %w", r.ID, err)
	}
	if err := json.Unmarshal(r.Params, &out.Params); err != nil {
		return out, fmt.Errorf("rule %s: %w", r.ID, err)
	}
	if err := out.Validate(); err != nil {
		return out, fmt.Errorf("rule %s: %w", r.ID, err)
	}
	return out, nil
}
