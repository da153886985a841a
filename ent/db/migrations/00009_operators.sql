-- Operators of the platform: their sessions, what they did where it concerns no
-- organization, the nodes that run, and what operators see of organizations.

-- +goose Up

-- A session of an operator, on the platform's own host. It is no organization's
-- and opens none.
CREATE TABLE operator_sessions (
    id         uuid PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,                -- SHA-256 of the secret
    issuer     text NOT NULL,
    subject    text NOT NULL,
    sid        text NOT NULL DEFAULT '',             -- the provider's name of its session
    email      text NOT NULL DEFAULT '',             -- verified; '' for none that is believed
    of_group   text NOT NULL DEFAULT '',             -- the group that let them in; '' for the address
    agent      text NOT NULL DEFAULT '',
    ip         text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX operator_sessions_expiry ON operator_sessions (expires_at);

-- What was done to the platform: the audit trail of what is no organization's.
CREATE TABLE platform_events (
    id         uuid PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor_kind text NOT NULL,
    actor_name text NOT NULL,
    ip         text NOT NULL DEFAULT '',
    action     text NOT NULL,
    object     text NOT NULL DEFAULT '',
    reason     text NOT NULL DEFAULT '',
    detail     jsonb
);

-- The nodes that run; each says every five seconds that it does.
CREATE TABLE nodes (
    id         uuid PRIMARY KEY,
    name       text NOT NULL,
    version    text NOT NULL,
    started_at timestamptz NOT NULL,
    beat_at    timestamptz NOT NULL,
    trusted    boolean NOT NULL,                     -- it hears the change feed (Q2)
    works      boolean NOT NULL,                     -- it runs jobs
    memories   jsonb NOT NULL DEFAULT '{}'           -- how many entries it keeps, by what they are
);
CREATE INDEX nodes_beat ON nodes (beat_at);

-- None of these is an organization's: a transaction that is bound to one sees
-- nothing in them and changes nothing.
-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['operator_sessions', 'platform_events', 'nodes']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY platform ON %I USING (coalesce(current_setting(''app.org'', true), '''') = '''')
                        WITH CHECK (coalesce(current_setting(''app.org'', true), '''') = '''')', t);
    END LOOP;
END $$;
-- +goose StatementEnd
GRANT SELECT, INSERT, DELETE ON operator_sessions TO sluice_app;
GRANT UPDATE (ended_at) ON operator_sessions TO sluice_app;
GRANT SELECT, INSERT ON platform_events TO sluice_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO sluice_app;

GRANT USAGE, CREATE ON SCHEMA public TO sluice_all;
-- +goose StatementBegin
-- A page of the organizations with what they use, deleted ones too: those whose
-- slug or name contains the text, or the one of that slug. The total counts all
-- that match. Orders: slug, newest, storage, registries, members, share (the
-- larger part of a quota that is used).
CREATE FUNCTION operator_organizations(sought text, only_slug text, sorted text, skipped int, at_most int)
RETURNS TABLE (id uuid, slug text, name text, created_at timestamptz, suspended_at timestamptz, deleted_at timestamptz,
    quota_registries int, quota_storage bigint, quota_requests int, registries int, members int, storage bigint, measured_at timestamptz, total bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH found AS (
        SELECT o.id, o.slug, o.name, o.created_at, o.suspended_at, o.deleted_at, o.quota_registries, o.quota_storage, o.quota_requests,
            (SELECT count(*)::int FROM registries r WHERE r.org_id = o.id AND r.deleted_at IS NULL) AS registries,
            (SELECT count(*)::int FROM members m WHERE m.org_id = o.id AND m.deactivated_at IS NULL) AS members,
            coalesce(u.storage, 0) AS storage, u.measured_at
        FROM organizations o LEFT JOIN organization_usage u ON u.org_id = o.id
        WHERE (only_slug = '' OR o.slug = only_slug)
          AND (sought = '' OR strpos(o.slug, lower(sought)) > 0 OR strpos(lower(o.name), lower(sought)) > 0)
    )
    SELECT f.id, f.slug, f.name, f.created_at, f.suspended_at, f.deleted_at, f.quota_registries, f.quota_storage, f.quota_requests,
        f.registries, f.members, f.storage, f.measured_at, count(*) OVER ()
    FROM found f
    ORDER BY CASE sorted
            WHEN 'storage' THEN f.storage::float8
            WHEN 'registries' THEN f.registries
            WHEN 'members' THEN f.members
            WHEN 'share' THEN greatest(coalesce(f.storage::float8 / f.quota_storage, 0), coalesce(f.registries::float8 / f.quota_registries, 0))
            WHEN 'newest' THEN extract(epoch FROM f.created_at)::float8
        END DESC NULLS LAST, f.slug
    OFFSET skipped LIMIT at_most
$$;
-- Everything in numbers.
CREATE FUNCTION operator_totals() RETURNS TABLE (organizations int, suspended int, deleted int, members int, registries int, storage bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT (SELECT count(*)::int FROM organizations o WHERE o.deleted_at IS NULL),
        (SELECT count(*)::int FROM organizations o WHERE o.deleted_at IS NULL AND o.suspended_at IS NOT NULL),
        (SELECT count(*)::int FROM organizations o WHERE o.deleted_at IS NOT NULL),
        (SELECT count(*)::int FROM members m WHERE m.deactivated_at IS NULL),
        (SELECT count(*)::int FROM registries r WHERE r.deleted_at IS NULL),
        (SELECT coalesce(sum(b.size), 0)::bigint FROM blobs b)
$$;
DO $$
DECLARE f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['operator_organizations(text, text, text, int, int)', 'operator_totals()']
    LOOP
        EXECUTE 'REVOKE ALL ON FUNCTION ' || f || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO sluice_app';
        EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO sluice_all';
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE CREATE ON SCHEMA public FROM sluice_all;
