-- The first schema. Three walls keep organizations apart (law T2): scoped Ent
-- queries, composite foreign keys on (org_id, id), and the row-level security
-- at the end of this file. The role that applies migrations owns the tables;
-- the server works as sluice_app, which owns nothing and cannot bypass a policy.
-- sluice_all logs in nowhere and owns the few functions that answer questions
-- across organizations (law D3).

-- +goose Up

CREATE TABLE organizations (
    id                 uuid PRIMARY KEY,
    slug               text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name               text NOT NULL,
    reserved_patterns  jsonb NOT NULL DEFAULT '[]',  -- name patterns the organization owns (O3), by ecosystem
    license_policy     jsonb NOT NULL DEFAULT '{}',  -- the default licence policy (P11)
    created_at         timestamptz NOT NULL,
    suspended_at       timestamptz
);

CREATE TABLE host_names (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    host        text NOT NULL UNIQUE CHECK (host = lower(host)),
    registry_id uuid,                                -- the registry that sits at the host's root (T1)
    created_at  timestamptz NOT NULL,
    UNIQUE (org_id, id)
);

CREATE TABLE members (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    email      text NOT NULL,
    name       text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    deactivated_at timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, email)
);

CREATE TABLE tokens (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    member_id    uuid,                               -- the owner of a personal token; null for a service token
    name         text NOT NULL,
    hash         bytea NOT NULL,                     -- SHA-256 of the secret (A2)
    hint         text NOT NULL,                      -- last characters, to recognise it by
    write        boolean NOT NULL DEFAULT false,
    registries   jsonb NOT NULL DEFAULT '[]',        -- ids; empty = every registry that the grants allow
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, hash),
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);

CREATE TABLE roles (                                 -- custom roles; the built-in ones are code (A3)
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    actions     jsonb NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, name)
);

CREATE TABLE registries (
    id             uuid PRIMARY KEY,
    org_id         uuid NOT NULL REFERENCES organizations (id),
    ecosystem      text NOT NULL CHECK (ecosystem IN ('NPM', 'PYPI', 'MAVEN', 'NUGET')),
    kind           text NOT NULL CHECK (kind IN ('PACKAGE', 'FIREWALL')),
    name           text NOT NULL CHECK (name ~ '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$'),
    description    text NOT NULL DEFAULT '',
    internal       boolean NOT NULL DEFAULT true,    -- O2
    anonymous_read boolean NOT NULL DEFAULT false,   -- A5
    created_at     timestamptz NOT NULL,
    archived_at    timestamptz,
    deleted_at     timestamptz,                      -- undoable for 7 days (D4)
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX registries_name ON registries (org_id, name) WHERE deleted_at IS NULL;

ALTER TABLE host_names ADD FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id);

CREATE TABLE role_grants (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    subject_kind text NOT NULL CHECK (subject_kind IN ('MEMBER', 'TOKEN')),
    subject_id   uuid NOT NULL,
    role         text NOT NULL,                      -- a built-in role's name or a custom role's
    registry_id  uuid,                               -- null = the whole organization
    created_at   timestamptz NOT NULL,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE UNIQUE INDEX role_grants_once ON role_grants
    (org_id, subject_kind, subject_id, role, (coalesce(registry_id, '00000000-0000-0000-0000-000000000000')));

CREATE TABLE remotes (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    ecosystem  text NOT NULL CHECK (ecosystem IN ('NPM', 'PYPI', 'MAVEN', 'NUGET')),
    name       text NOT NULL,
    base_url   text NOT NULL,
    credential bytea,                                -- sealed with the key from the configuration; null for none
    internal   boolean NOT NULL DEFAULT false,       -- what it lists counts as INTERNAL (O1)
    file_hosts jsonb NOT NULL DEFAULT '[]',          -- other hosts that its files may come from (F6)
    created_at timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, ecosystem, name)
);

CREATE TABLE upstreams (
    id                 uuid PRIMARY KEY,
    org_id             uuid NOT NULL REFERENCES organizations (id),
    registry_id        uuid NOT NULL,
    position           int NOT NULL,
    source_registry_id uuid,
    remote_id          uuid,
    include            jsonb NOT NULL DEFAULT '[]',  -- name patterns (R10)
    exclude            jsonb NOT NULL DEFAULT '[]',
    created_at         timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, source_registry_id),
    UNIQUE (org_id, registry_id, remote_id),
    CHECK (num_nonnulls(source_registry_id, remote_id) = 1),
    CHECK (source_registry_id <> registry_id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, source_registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, remote_id) REFERENCES remotes (org_id, id)
);
CREATE INDEX upstreams_source ON upstreams (org_id, source_registry_id);

-- Bytes by digest, shared by all organizations. A row says that the bytes are
-- durable (F4); who may read them is decided by version_files alone (T4).
CREATE TABLE blobs (
    sha256     text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    sha512     text NOT NULL,                        -- hex, like all digests
    sha1       text NOT NULL,
    md5        text NOT NULL,
    size       bigint NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE package_names (
    id              uuid PRIMARY KEY,
    org_id          uuid NOT NULL REFERENCES organizations (id),
    ecosystem       text NOT NULL CHECK (ecosystem IN ('NPM', 'PYPI', 'MAVEN', 'NUGET')),
    name            text NOT NULL,                   -- normalized (O7)
    created_at      timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, ecosystem, name)
);

CREATE TABLE package_versions (
    id             uuid PRIMARY KEY,
    org_id         uuid NOT NULL REFERENCES organizations (id),
    package_id     uuid NOT NULL,
    version        text NOT NULL,                    -- normalized
    digest         text NOT NULL,                    -- SHA-256 of the primary file: other bytes are another row (O6)
    origin         text NOT NULL CHECK (origin IN ('INTERNAL', 'EXTERNAL')),
    remote_id      uuid,                             -- the remote it came from; null when published
    published_at   timestamptz NOT NULL,
    published_from text NOT NULL CHECK (published_from IN ('SOURCE', 'FIRST_SEEN', 'PUBLISH')),  -- R5
    license        text NOT NULL DEFAULT '',         -- normalized expression, or the text as found
    license_state  text NOT NULL,
    metadata       bytea NOT NULL,                   -- the version's own metadata as the source gave it (R6)
    created_at     timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, package_id, version, digest),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id),
    FOREIGN KEY (org_id, remote_id) REFERENCES remotes (org_id, id)
);

CREATE TABLE version_files (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    version_id uuid NOT NULL,
    name       text NOT NULL,
    position   int NOT NULL DEFAULT 0,               -- 0 = the primary file
    sha256     text NOT NULL REFERENCES blobs (sha256),
    size       bigint NOT NULL,
    source_url text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    UNIQUE (org_id, version_id, name),
    FOREIGN KEY (org_id, version_id) REFERENCES package_versions (org_id, id) ON DELETE CASCADE
);
CREATE INDEX version_files_blob ON version_files (sha256);

-- What a registry holds: at most one copy of the same coordinates.
CREATE TABLE holdings (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    package_id  uuid NOT NULL,
    version     text NOT NULL,
    version_id  uuid NOT NULL,
    path        jsonb NOT NULL DEFAULT '[]',         -- the registries it passed on its way here, outermost first (P1)
    arrived     text NOT NULL CHECK (arrived IN ('FETCH', 'PUBLISH', 'PUSH', 'PULL', 'PROMOTE', 'REVIEW')),
    held_at     timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, package_id, version),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id),
    FOREIGN KEY (org_id, version_id) REFERENCES package_versions (org_id, id)
);
CREATE INDEX holdings_version ON holdings (org_id, version_id);
CREATE INDEX holdings_package ON holdings (org_id, package_id, version, registry_id);

CREATE TABLE dist_tags (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    package_id  uuid NOT NULL,
    tag         text NOT NULL,
    version     text NOT NULL,
    updated_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, registry_id, package_id, tag),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, package_id) REFERENCES package_names (org_id, id)
);

-- The last document that a remote gave for a name (R3). The bytes are a blob.
CREATE TABLE remote_documents (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organizations (id),
    remote_id     uuid NOT NULL,
    name          text NOT NULL,
    sha256        text NOT NULL REFERENCES blobs (sha256),
    etag          text NOT NULL DEFAULT '',
    last_modified text NOT NULL DEFAULT '',
    fetched_at    timestamptz NOT NULL,              -- when these bytes came
    checked_at    timestamptz NOT NULL,              -- when the remote last said that they are current
    first_seen    jsonb NOT NULL DEFAULT '{}',       -- version -> time, for versions without a date of the source (R5)
    UNIQUE (org_id, id),
    UNIQUE (org_id, remote_id, name),
    FOREIGN KEY (org_id, remote_id) REFERENCES remotes (org_id, id) ON DELETE CASCADE
);
CREATE INDEX remote_documents_blob ON remote_documents (sha256);

-- Holds (Q1). One names coordinates, held or not: a version, a range, or with
-- neither the whole package. An inherited hold is open exactly while its root
-- is (C4): readers join the root and do not trust released_at alone.
CREATE TABLE holds (
    id             uuid PRIMARY KEY,
    org_id         uuid NOT NULL REFERENCES organizations (id),
    registry_id    uuid NOT NULL,
    ecosystem      text NOT NULL,
    name           text NOT NULL,
    version        text,
    version_range  text,
    cause          text NOT NULL CHECK (cause IN ('MANUAL', 'POLICY', 'INHERITED')),
    root_id        uuid,
    reason         text NOT NULL,
    evidence       jsonb NOT NULL DEFAULT '[]',      -- finding ids of a POLICY hold
    rule_id        uuid,
    opened_by      text NOT NULL,
    opened_at      timestamptz NOT NULL,
    released_at    timestamptz,
    released_by    text NOT NULL DEFAULT '',
    release_reason text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    CHECK (num_nonnulls(version, version_range) < 2),
    CHECK ((cause = 'INHERITED') = (root_id IS NOT NULL)),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, root_id) REFERENCES holds (org_id, id)
);
CREATE UNIQUE INDEX holds_open ON holds
    (org_id, ecosystem, name, registry_id, (coalesce(version, '')), (coalesce(version_range, '')), cause,
     (coalesce(root_id, '00000000-0000-0000-0000-000000000000'))) WHERE released_at IS NULL;
CREATE INDEX holds_root ON holds (org_id, root_id) WHERE root_id IS NOT NULL;
CREATE INDEX holds_registry ON holds (org_id, registry_id, opened_at, id);
CREATE INDEX holds_opened ON holds (org_id, opened_at, id);

-- "Deleted for security: do not let it in again" (D1).
CREATE TABLE tombstones (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid NOT NULL,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL,
    digest      text,                                -- SHA-256 of the deleted primary file; null when only coordinates are known
    reason      text NOT NULL,
    created_by  text NOT NULL,
    created_at  timestamptz NOT NULL,
    lifted_at   timestamptz,
    lifted_by   text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE UNIQUE INDEX tombstones_open ON tombstones (org_id, ecosystem, name, version, registry_id) WHERE lifted_at IS NULL;

-- Progress of carrying a hold, a release or a deletion to the registries below.
CREATE TABLE cascades (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    action      text NOT NULL CHECK (action IN ('HOLD', 'RELEASE', 'DELETE')),
    registry_id uuid NOT NULL,
    hold_id     uuid,
    tombstone_id uuid,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    version     text,
    total       int NOT NULL DEFAULT 0,              -- registries below that hold a matching copy, counted when it started
    done        int NOT NULL DEFAULT 0,
    cursor      uuid,                                -- last registry that a finished page handled
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id),
    FOREIGN KEY (org_id, hold_id) REFERENCES holds (org_id, id),
    FOREIGN KEY (org_id, tombstone_id) REFERENCES tombstones (org_id, id)
);
CREATE INDEX cascades_hold ON cascades (org_id, hold_id);

CREATE TABLE policy_rules (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    registry_id  uuid NOT NULL,
    position     int NOT NULL,
    name         text NOT NULL,
    kind         text NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('ENFORCE', 'DRY_RUN')),
    effect       text NOT NULL CHECK (effect IN ('WARN', 'DENY', 'QUARANTINE')),
    applies      text NOT NULL CHECK (applies IN ('NEW', 'NEW_AND_HELD')),
    on_violation text NOT NULL CHECK (on_violation IN ('HIDE', 'FAIL')),
    unknown      text NOT NULL,
    params       jsonb NOT NULL DEFAULT '{}',
    auto_release boolean NOT NULL DEFAULT true,      -- Q5
    created_at   timestamptz NOT NULL,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE INDEX policy_rules_registry ON policy_rules (org_id, registry_id, position);

-- Advisories are the same for everybody: no organization, no policy.
CREATE TABLE advisories (
    id         text PRIMARY KEY,                     -- OSV id
    feed       text NOT NULL,                        -- 'demo' never counts as a feed (P3)
    modified   timestamptz NOT NULL,
    published  timestamptz,
    withdrawn  timestamptz,
    summary    text NOT NULL DEFAULT '',
    aliases    jsonb NOT NULL DEFAULT '[]',
    severity   text NOT NULL,
    cvss       double precision NOT NULL DEFAULT 0,
    malware    boolean NOT NULL DEFAULT false,
    record     bytea NOT NULL                        -- the OSV record as it came, gzip
);
CREATE TABLE advisory_affected (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    advisory_id text NOT NULL REFERENCES advisories (id) ON DELETE CASCADE,
    ecosystem   text NOT NULL,
    name        text NOT NULL,                       -- normalized
    ranges      jsonb NOT NULL DEFAULT '[]',
    versions    jsonb NOT NULL DEFAULT '[]'
);
CREATE INDEX advisory_affected_name ON advisory_affected (ecosystem, name);
CREATE INDEX advisory_affected_advisory ON advisory_affected (advisory_id);
CREATE TABLE advisory_snapshots (
    feed        text NOT NULL,
    ecosystem   text NOT NULL,
    imported_at timestamptz NOT NULL,
    records     int NOT NULL,
    newest      timestamptz,
    PRIMARY KEY (feed, ecosystem)
);

CREATE TABLE findings (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    registry_id uuid,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('VULNERABILITY', 'MALWARE', 'LICENSE', 'CONTENT_MISMATCH', 'DIGEST_MISMATCH')),
    reference   text NOT NULL,                       -- advisory id, licence expression, or what identifies the mismatch
    severity    text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    opened_at   timestamptz NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL DEFAULT '',
    closed_at   timestamptz,
    UNIQUE (org_id, id)
);
CREATE UNIQUE INDEX findings_open ON findings
    (org_id, ecosystem, name, version, kind, reference, (coalesce(registry_id, '00000000-0000-0000-0000-000000000000')))
    WHERE closed_at IS NULL;

-- The decision log: append-only answers of the gate, a partition per day.
CREATE TABLE decisions (
    id          text NOT NULL,                       -- 128 random bits, base64url: the link's id (F2)
    org_id      uuid NOT NULL,
    at          timestamptz NOT NULL,
    registry_id uuid NOT NULL,
    token_id    uuid NOT NULL,                       -- nil uuid: anonymous, or a list compiled for everybody
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL,                       -- '' for a list
    channel     text NOT NULL,                       -- LIST, FILE
    effect      text NOT NULL,
    rule_id     uuid,
    decision    jsonb NOT NULL,                      -- the whole Decision
    snapshot_at timestamptz,                         -- age of the advisory data that it was made with (P3)
    count       int NOT NULL DEFAULT 1,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (org_id, id, at)
) PARTITION BY RANGE (at);
CREATE TABLE decisions_default PARTITION OF decisions DEFAULT;
CREATE INDEX decisions_package ON decisions (org_id, ecosystem, name, at);
CREATE INDEX decisions_at ON decisions (org_id, at, id);

-- Allowed deliveries, counted per token, version and hour.
CREATE TABLE deliveries (
    org_id      uuid NOT NULL REFERENCES organizations (id),
    hour        timestamptz NOT NULL,
    registry_id uuid NOT NULL,
    token_id    uuid NOT NULL,
    ecosystem   text NOT NULL,
    name        text NOT NULL,
    version     text NOT NULL,
    count       int NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (org_id, ecosystem, name, version, registry_id, token_id, hour),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);

CREATE TABLE audit_events (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    at          timestamptz NOT NULL,
    actor_kind  text NOT NULL,
    actor_id    uuid,
    token_id    uuid,
    actor_name  text NOT NULL,
    ip          text NOT NULL DEFAULT '',
    action      text NOT NULL,                       -- like version:quarantine
    object_type text NOT NULL,
    object_id   text NOT NULL,
    registry_id uuid,
    reason      text NOT NULL DEFAULT '',
    before      jsonb,
    after       jsonb,
    UNIQUE (org_id, id)
);
CREATE INDEX audit_events_registry ON audit_events (org_id, registry_id, at, id);
CREATE INDEX audit_events_at ON audit_events (org_id, at, id);

-- The wall. current_setting without its second argument raises an error when no
-- organization is bound, so that nothing can mistake "none" for "nothing there".
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['host_names', 'members', 'tokens', 'roles', 'registries', 'role_grants', 'remotes',
        'upstreams', 'package_names', 'package_versions', 'version_files', 'holdings', 'dist_tags', 'remote_documents',
        'holds', 'tombstones', 'cascades', 'policy_rules', 'findings', 'decisions', 'deliveries', 'audit_events']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organization ON %I USING (org_id = current_setting(''app.org'')::uuid)
                        WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sluice_app', t);
        EXECUTE format('GRANT SELECT ON %I TO sluice_all', t);
    END LOOP;
    ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
    ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
    CREATE POLICY organization ON organizations USING (id = current_setting('app.org')::uuid)
        WITH CHECK (id = current_setting('app.org')::uuid);
END $$;
-- +goose StatementEnd
GRANT SELECT, INSERT, UPDATE ON organizations TO sluice_app;
GRANT SELECT ON organizations, blobs TO sluice_all;
GRANT SELECT, INSERT, UPDATE, DELETE ON advisories, advisory_affected, advisory_snapshots TO sluice_app;
GRANT SELECT ON blobs TO sluice_app;
GRANT INSERT, UPDATE, DELETE ON blobs TO sluice_all;
REVOKE UPDATE, DELETE ON audit_events FROM sluice_app;
REVOKE DELETE ON decisions FROM sluice_app;

-- Questions across organizations, each a function of its own.
GRANT USAGE, CREATE ON SCHEMA public TO sluice_all;

-- +goose StatementBegin
CREATE FUNCTION organization_by_slug(wanted text) RETURNS TABLE (id uuid, slug text, name text, suspended boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name, o.suspended_at IS NOT NULL FROM organizations o WHERE o.slug = wanted
$$;
CREATE FUNCTION organization_by_host(wanted text) RETURNS TABLE (id uuid, slug text, name text, suspended boolean, registry_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name, o.suspended_at IS NOT NULL, h.registry_id
    FROM host_names h JOIN organizations o ON o.id = h.org_id WHERE h.host = wanted
$$;
CREATE FUNCTION organization_ids() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT id FROM organizations ORDER BY id
$$;
-- Organizations that hold a version of any of the named packages.
CREATE FUNCTION organizations_holding(eco text, names text[]) RETURNS TABLE (org_id uuid, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT p.org_id, p.name FROM unnest(names) AS n (name)
    JOIN package_names p ON p.ecosystem = eco AND p.name = n.name
    JOIN holdings h ON h.org_id = p.org_id AND h.package_id = p.id
$$;
-- Blobs that no row of any organization names and that were last put before the
-- given time, in the order of their digests, from behind the given one (D3).
CREATE FUNCTION unreferenced_blobs(before timestamptz, behind text, at_most int) RETURNS TABLE (sha256 text, size bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.sha256, b.size FROM blobs b
    WHERE b.created_at < before AND b.sha256 > behind
      AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = b.sha256)
      AND NOT EXISTS (SELECT 1 FROM remote_documents d WHERE d.sha256 = b.sha256)
    ORDER BY b.sha256 LIMIT at_most
$$;
-- Gives bytes that lose a reference their grace time anew.
CREATE FUNCTION renew_blobs(digests text[], at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE blobs SET created_at = at WHERE sha256 IN (SELECT unnest(digests) ORDER BY 1) AND created_at < at
$$;
-- Says that bytes are durable, or renews the grace time of a row that is there.
CREATE FUNCTION keep_blob(h256 text, h512 text, h1 text, hmd5 text, bytes bigint, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO blobs (sha256, sha512, sha1, md5, size, created_at) VALUES (h256, h512, h1, hmd5, bytes, at)
    ON CONFLICT (sha256) DO UPDATE SET created_at = greatest(blobs.created_at, excluded.created_at)
$$;
-- Removes the row of a blob that nothing refers to; false when something does.
CREATE FUNCTION forget_blob(wanted text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM blobs b WHERE b.sha256 = wanted
      AND NOT EXISTS (SELECT 1 FROM version_files f WHERE f.sha256 = wanted)
      AND NOT EXISTS (SELECT 1 FROM remote_documents d WHERE d.sha256 = wanted);
    RETURN FOUND;
EXCEPTION WHEN foreign_key_violation THEN
    RETURN false;
END $$;
-- Makes the daily partitions of the decision log, days of UTC, from the given
-- one on: that and as many more. Returns how many it made. A day of which the
-- default partition holds rows already stays there.
CREATE FUNCTION ensure_decision_partitions(from_day date, days int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE d date; part text; made int := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('sluice decision partitions', 0));  -- nodes do this at the same time
    FOR i IN 0 .. days LOOP
        d := from_day + i;
        part := 'decisions_' || to_char(d, 'YYYYMMDD');
        IF to_regclass(part) IS NULL AND NOT EXISTS (SELECT 1 FROM decisions_default x WHERE x.at >= d AND x.at < d + 1) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF decisions FOR VALUES FROM (%L) TO (%L)', part, d, d + 1);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

DO $$
DECLARE f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['organization_by_slug(text)', 'organization_by_host(text)', 'organization_ids()',
        'organizations_holding(text, text[])', 'unreferenced_blobs(timestamptz, text, int)', 'forget_blob(text)',
        'renew_blobs(text[], timestamptz)', 'keep_blob(text, text, text, text, bigint, timestamptz)']
    LOOP
        EXECUTE 'REVOKE ALL ON FUNCTION ' || f || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO sluice_app';
        EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO sluice_all';
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION ensure_decision_partitions(date, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_decision_partitions(date, int) TO sluice_app;
-- +goose StatementEnd
REVOKE CREATE ON SCHEMA public FROM sluice_all;
GRANT USAGE ON SCHEMA public TO sluice_app;

-- A node asks which version the schema has before it serves.
GRANT SELECT ON goose_db_version TO sluice_app;
