-- Publishing: who owns a name, what became of versions of one's own, who may
-- publish by which identity, and what is under way.

-- +goose Up

-- Adding a foreign key reads the table, through its policy.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

-- A name is owned as seen from a registry since an internal version of it came
-- in there, until that is lifted; deleting the versions does not end it (O3).
CREATE TABLE owned_names (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    owned_since timestamptz NOT NULL,
    lifted_at   timestamptz,
    lift_reason text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE UNIQUE INDEX owned_names_open ON owned_names (org_id, ecosystem, name, registry_id) WHERE lifted_at IS NULL;

-- The override per name (O5): NULL leaves a switch to what ownership says.
CREATE TABLE name_switches (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    publish     text CHECK (publish IN ('ALLOW', 'BLOCK')),
    upstream    text CHECK (upstream IN ('ALLOW', 'BLOCK')),
    reason      text NOT NULL,
    updated_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, ecosystem, name, registry_id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);

-- What a registry says about a package besides its versions. The revision goes
-- up with every write to the package there, and is what clients send back to
-- show which state they change.
CREATE TABLE own_packages (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    package_id  uuid NOT NULL,
    revision    bigint NOT NULL DEFAULT 1,
    maintainers jsonb NOT NULL DEFAULT '[]',         -- [{"name","email"}] in order
    stars       jsonb NOT NULL DEFAULT '[]',         -- names of subjects
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, package_id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id)
);

-- A version that was published in a registry and deleted there: its number is
-- spent, so that nobody gets other bytes under a name that they know.
CREATE TABLE spent_versions (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    package_id  uuid NOT NULL,
    version     text NOT NULL,
    deleted_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, package_id, version),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id)
);

-- What a registry says against the use of a version; '' takes back what an
-- upstream says.
CREATE TABLE deprecations (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    package_id  uuid NOT NULL,
    version     text NOT NULL,
    message     text NOT NULL,
    updated_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, package_id, version),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id)
);

-- What a reader searches besides the name: description and keywords of the
-- newest version that came in.
ALTER TABLE package_names ADD COLUMN about text NOT NULL DEFAULT '';

-- A registry forwards every new version of its own to this upstream (R11).
ALTER TABLE registries ADD COLUMN forward_to uuid;
ALTER TABLE registries ADD COLUMN forward_releases_only boolean NOT NULL DEFAULT false;
ALTER TABLE registries ADD FOREIGN KEY (org_id, forward_to) REFERENCES registries (org_id, id);

-- Which identities of an outside issuer, such as a CI service, may publish what.
CREATE TABLE trust_rules (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    registry_id  uuid NOT NULL,
    name         text NOT NULL,
    issuer       text NOT NULL,                      -- https URL, as in the token
    claims       jsonb NOT NULL,                     -- claim -> wanted value; every one must match
    packages     jsonb NOT NULL DEFAULT '[]',        -- name patterns; empty = every package of the registry
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, name),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);

ALTER TABLE tokens ADD COLUMN cidrs jsonb NOT NULL DEFAULT '[]';     -- networks it may come from; empty = all
ALTER TABLE tokens ADD COLUMN packages jsonb NOT NULL DEFAULT '[]';  -- name patterns it may write; empty = all
ALTER TABLE tokens ADD COLUMN trust_rule_id uuid;                    -- the rule it was exchanged by
ALTER TABLE tokens ADD FOREIGN KEY (org_id, trust_rule_id) REFERENCES trust_rules (org_id, id) ON DELETE CASCADE;
ALTER TABLE tokens ADD COLUMN parent_id uuid;                        -- the token that it was made from, with which it ends
ALTER TABLE tokens ADD FOREIGN KEY (org_id, parent_id) REFERENCES tokens (org_id, id);
CREATE INDEX tokens_parent ON tokens (org_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tokens_trust_rule ON tokens (org_id, trust_rule_id) WHERE trust_rule_id IS NOT NULL;

-- A client waits for a person to say yes in a browser.
CREATE TABLE login_requests (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    registry_id  uuid NOT NULL,
    secret_hash  bytea NOT NULL,                     -- SHA-256 of what the waiting client knows
    page_hash    bytea NOT NULL,                     -- SHA-256 of what the page's address has
    client       text NOT NULL DEFAULT '',           -- what the client says it is
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    token_id     uuid,                               -- made by the yes
    token_sealed bytea,                              -- its secret, until the client has it
    ended_at     timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, secret_hash),
    UNIQUE (org_id, page_hash),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, token_id) REFERENCES tokens (org_id, id)
);

-- A version that waits for a person's approval before it is published.
CREATE TABLE staged_versions (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL,
    sha256      text NOT NULL REFERENCES blobs (sha256), -- of the primary file
    bundle      text REFERENCES blobs (sha256),      -- of the provenance bundle
    metadata    bytea NOT NULL,
    tags        jsonb NOT NULL DEFAULT '[]',
    staged_by   text NOT NULL,
    staged_at   timestamptz NOT NULL,
    ended_at    timestamptz,
    outcome     text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'APPROVED', 'DROPPED')),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE INDEX staged_versions_open ON staged_versions (org_id, registry_id, id) WHERE ended_at IS NULL;
CREATE INDEX staged_versions_sha256 ON staged_versions (sha256);
CREATE INDEX staged_versions_bundle ON staged_versions (bundle) WHERE bundle IS NOT NULL;

-- Bringing many versions in: what a lock file names.
CREATE TABLE pulls (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    source      text NOT NULL,                       -- what it was read from, such as "package-lock.json"
    pulled_by   text NOT NULL,
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);

CREATE TABLE pull_items (
    id        uuid PRIMARY KEY,
    org_id    uuid NOT NULL REFERENCES organizations (id),
    pull_id   uuid NOT NULL,
    name      text NOT NULL,
    version   text NOT NULL,
    state     text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'HELD', 'REFUSED', 'FAILED')),
    reason    text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    UNIQUE (org_id, pull_id, name, version),
    FOREIGN KEY (org_id, pull_id) REFERENCES pulls (org_id, id)
);
CREATE INDEX pull_items_waiting ON pull_items (org_id, pull_id, id) WHERE state = 'WAITING';

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['owned_names', 'name_switches', 'own_packages', 'spent_versions', 'deprecations', 'trust_rules',
        'login_requests', 'staged_versions', 'pulls', 'pull_items']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organization ON %I USING (org_id = current_setting(''app.org'')::uuid)
                        WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sluice_app', t);
        EXECUTE format('GRANT SELECT ON %I TO sluice_all', t);
    END LOOP;
END $$;

-- Staged versions name blobs too.
CREATE OR REPLACE FUNCTION unreferenced_blobs(before timestamptz, behind text, at_most int) RETURNS TABLE (sha256 text, size bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.sha256, b.size FROM blobs b
    WHERE b.created_at < before AND b.sha256 > behind
      AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = b.sha256)
      AND NOT EXISTS (SELECT 1 FROM remote_documents d WHERE d.sha256 = b.sha256)
      AND NOT EXISTS (SELECT 1 FROM staged_versions s WHERE s.sha256 = b.sha256)
      AND NOT EXISTS (SELECT 1 FROM staged_versions s WHERE s.bundle = b.sha256)
    ORDER BY b.sha256 LIMIT at_most
$$;
CREATE OR REPLACE FUNCTION forget_blob(wanted text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM blobs b WHERE b.sha256 = wanted
      AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = wanted)
      AND NOT EXISTS (SELECT 1 FROM remote_documents d WHERE d.sha256 = wanted)
      AND NOT EXISTS (SELECT 1 FROM staged_versions s WHERE s.sha256 = wanted)
      AND NOT EXISTS (SELECT 1 FROM staged_versions s WHERE s.bundle = wanted);
    RETURN FOUND;
EXCEPTION WHEN foreign_key_violation THEN
    RETURN false;
END $$;
-- +goose StatementEnd

-- Names that internal registries hold internal versions of are owned already.
-- The policies of row-level security bind the owner too, so it looks past them
-- for these statements alone.
ALTER TABLE owned_names NO FORCE ROW LEVEL SECURITY;
ALTER TABLE holdings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE registries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE package_names NO FORCE ROW LEVEL SECURITY;
ALTER TABLE package_versions NO FORCE ROW LEVEL SECURITY;
INSERT INTO owned_names (id, org_id, registry_id, ecosystem, name, owned_since)
    SELECT gen_random_uuid(), h.org_id, h.registry_id, p.ecosystem, p.name, min(h.held_at)
    FROM holdings h JOIN registries r ON r.org_id = h.org_id AND r.id = h.registry_id AND r.internal AND r.deleted_at IS NULL
    JOIN package_names p ON p.org_id = h.org_id AND p.id = h.package_id
    JOIN package_versions v ON v.org_id = h.org_id AND v.id = h.version_id AND v.origin = 'INTERNAL'
    GROUP BY h.org_id, h.registry_id, p.ecosystem, p.name;
ALTER TABLE owned_names FORCE ROW LEVEL SECURITY;
ALTER TABLE holdings FORCE ROW LEVEL SECURITY;
ALTER TABLE registries FORCE ROW LEVEL SECURITY;
ALTER TABLE package_names FORCE ROW LEVEL SECURITY;
ALTER TABLE package_versions FORCE ROW LEVEL SECURITY;
