-- What can be followed while it runs: imports of advisories, and scans of what
-- organizations hold.

-- +goose Up

-- New foreign keys are checked through the policies, which need an organization.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

-- Advisories are the same for every organization, and so are their imports.
CREATE TABLE advisory_imports (
    id          uuid PRIMARY KEY,
    feed        text NOT NULL,
    state       text NOT NULL CHECK (state IN ('RUNNING', 'DONE', 'FAILED')),
    read        int NOT NULL DEFAULT 0,
    stored      int NOT NULL DEFAULT 0,
    unchanged   int NOT NULL DEFAULT 0,
    skipped     int NOT NULL DEFAULT 0,
    changed     jsonb NOT NULL DEFAULT '{}',         -- packages whose advisories changed, by ecosystem
    problem     text NOT NULL DEFAULT '',            -- why it failed
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    CHECK ((state = 'RUNNING') = (ended_at IS NULL))
);
CREATE INDEX advisory_imports_started ON advisory_imports (started_at, id);
GRANT SELECT, INSERT, UPDATE, DELETE ON advisory_imports TO sluice_app;

-- A run of a scanner over packages that the organization holds.
CREATE TABLE scans (
    id          uuid PRIMARY KEY,                    -- told by the job, so that a job that is tried again is the same scan
    org_id      uuid NOT NULL REFERENCES organizations (id),
    scanner     text NOT NULL,
    registry_id uuid,                                -- null: whatever registry holds the packages
    ecosystem   text NOT NULL,
    packages    jsonb NOT NULL,                      -- names, normalized
    total       int NOT NULL,
    done        int NOT NULL DEFAULT 0,
    failed      int NOT NULL DEFAULT 0,              -- of those that are done
    changed     int NOT NULL DEFAULT 0,              -- of those that are done: with other findings than before
    attempt     int NOT NULL DEFAULT 1,
    state       text NOT NULL CHECK (state IN ('RUNNING', 'DONE', 'FAILED')),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    CHECK ((state = 'RUNNING') = (ended_at IS NULL))
);
CREATE INDEX scans_started ON scans (org_id, started_at, id);

-- Lists by what they are asked for.
CREATE INDEX cascades_started ON cascades (org_id, started_at, id);
CREATE INDEX findings_opened ON findings (org_id, opened_at, id);
CREATE INDEX tombstones_created ON tombstones (org_id, created_at, id);
CREATE INDEX pulls_registry ON pulls (org_id, registry_id, id);
CREATE INDEX advisories_modified ON advisories (modified, id);

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['scans']
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
