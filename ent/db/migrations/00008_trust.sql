-- Trust rules reach further than the packages of one registry: a service
-- account, or any registries, to read or to write.

-- +goose Up

-- New foreign keys are checked through the policies, which need an organization.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

ALTER TABLE trust_rules
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN provider text NOT NULL DEFAULT 'OTHER' CHECK (provider IN ('GITHUB', 'GITLAB', 'OTHER')),
    ADD COLUMN service_id uuid,                      -- whose rights its tokens have; null = those of the registries
    ADD COLUMN registries jsonb NOT NULL DEFAULT '[]',  -- what it reaches; of a service account: what it is limited to, empty = no limit
    ADD COLUMN write boolean NOT NULL DEFAULT false,
    ADD COLUMN reuse_seconds int NOT NULL DEFAULT 0 CHECK (reuse_seconds >= 0),  -- how long one identity token may be exchanged again
    ADD FOREIGN KEY (org_id, service_id) REFERENCES service_accounts (org_id, id);

-- The rules that exist are of one registry each, and publish. Their names were
-- unique there only. The policies of row-level security bind the owner too, so
-- it looks past them here.
ALTER TABLE trust_rules NO FORCE ROW LEVEL SECURITY;
UPDATE trust_rules SET registries = jsonb_build_array(registry_id), write = true, reuse_seconds = 3600;
UPDATE trust_rules t SET name = left(t.name, 60) || ' (' || t.registry_id || ')'
    WHERE EXISTS (SELECT 1 FROM trust_rules o WHERE o.org_id = t.org_id AND o.name = t.name AND o.id < t.id);
ALTER TABLE trust_rules FORCE ROW LEVEL SECURITY;
ALTER TABLE trust_rules DROP COLUMN registry_id;
ALTER TABLE trust_rules
    ADD UNIQUE (org_id, name),
    ADD CONSTRAINT trust_rules_target CHECK (service_id IS NOT NULL OR jsonb_array_length(registries) > 0);
CREATE INDEX trust_rules_issuer ON trust_rules (org_id, issuer);
CREATE INDEX trust_rules_service ON trust_rules (org_id, service_id) WHERE service_id IS NOT NULL;

-- Identity tokens that were exchanged, until they expire by themselves.
CREATE TABLE used_identities (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organizations (id),
    trust_rule_id uuid NOT NULL,
    hash          bytea NOT NULL,                    -- SHA-256 of the token's issuer and jti
    first_used_at timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, trust_rule_id, hash),
    FOREIGN KEY (org_id, trust_rule_id) REFERENCES trust_rules (org_id, id) ON DELETE CASCADE
);
CREATE INDEX used_identities_expiring ON used_identities (org_id, expires_at);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['used_identities']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organization ON %I USING (org_id = current_setting(''app.org'')::uuid)
                        WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sluice_app', t);
        EXECUTE format('GRANT SELECT ON %I TO sluice_all', t);
    END LOOP;
END $$;
-- +goose StatementEnd
