-- What logging in needs besides: groups that are teams, and people who were
-- vouched for and have no session yet.

-- +goose Up

-- New foreign keys are checked through the policies, which need an organization.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

-- A group gives a role, or puts into a team.
ALTER TABLE group_mappings
    ADD COLUMN team_id uuid,
    ADD FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT group_mappings_one_thing CHECK ((role = '') = (team_id IS NOT NULL) AND (team_id IS NULL OR registry_id IS NULL));
DROP INDEX group_mappings_once;
CREATE UNIQUE INDEX group_mappings_once ON group_mappings
    (org_id, provider_id, group_name, role, coalesce(registry_id, '00000000-0000-0000-0000-000000000000'),
     coalesce(team_id, '00000000-0000-0000-0000-000000000000'));

-- A guest is somebody at an organization's host who was vouched for and has no
-- session there. Visits and guests end when their provider says so.
ALTER TABLE platform_logins
    DROP CONSTRAINT platform_logins_kind_check,
    ADD CONSTRAINT platform_logins_kind_check CHECK (kind IN ('FLOW', 'VISIT', 'LOGOUT', 'GUEST')),
    ADD COLUMN provider_id uuid,                     -- of visits and guests: NULL for the platform's
    ADD COLUMN issuer  text NOT NULL DEFAULT '',
    ADD COLUMN subject text NOT NULL DEFAULT '',
    ADD COLUMN sid     text NOT NULL DEFAULT '';
CREATE INDEX platform_logins_account ON platform_logins (issuer, subject) WHERE issuer <> '';

GRANT USAGE, CREATE ON SCHEMA public TO sluice_all;
-- +goose StatementBegin
CREATE FUNCTION keep_visit(what text, h bytea, content bytea, at timestamptz, until timestamptz, provider uuid, iss text, sub text, session text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT keep_platform_login(what, h, content, at, until) THEN RETURN false; END IF;
    UPDATE platform_logins p SET provider_id = provider, issuer = iss, subject = sub, sid = session WHERE p.kind = what AND p.hash = h;
    RETURN true;
END $$;
-- Ends the visits of an account, or of the session that the provider names, and
-- returns how many there were.
CREATE FUNCTION end_visits(provider uuid, iss text, sub text, session text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (DELETE FROM platform_logins p
        WHERE p.kind IN ('VISIT', 'GUEST') AND p.provider_id IS NOT DISTINCT FROM provider AND p.issuer = iss AND iss <> ''
          AND (session <> '' AND p.sid = session OR sub <> '' AND p.subject = sub AND (session = '' OR p.sid = '')) RETURNING 1)
    SELECT count(*) FROM gone
$$;

-- As before, without organizations that were deleted.
DROP FUNCTION organizations_of_login(text, text, text);
CREATE FUNCTION organizations_of_login(iss text, sub text, address text)
RETURNS TABLE (id uuid, slug text, name text, host text, exclusive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name,
        coalesce((SELECT min(h.host) FROM host_names h WHERE h.org_id = o.id AND h.registry_id IS NULL), ''),
        EXISTS (SELECT 1 FROM identity_providers p WHERE p.org_id = o.id AND p.enabled AND p.exclusive)
    FROM organizations o
    WHERE o.suspended_at IS NULL AND o.deleted_at IS NULL AND o.id IN (
        SELECT i.org_id FROM identities i JOIN members m ON m.org_id = i.org_id AND m.id = i.member_id AND m.deactivated_at IS NULL
        WHERE i.issuer = iss AND i.subject = sub
        UNION
        SELECT m.org_id FROM members m WHERE address <> '' AND m.email = address AND m.deactivated_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.org_id = m.org_id AND i.member_id = m.id AND i.issuer = iss)
          AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.org_id = m.org_id AND i.issuer = iss AND i.subject = sub))
    ORDER BY o.slug LIMIT 500
$$;
DO $$
DECLARE f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['keep_visit(text, bytea, bytea, timestamptz, timestamptz, uuid, text, text, text)', 'end_visits(uuid, text, text, text)',
        'organizations_of_login(text, text, text)']
    LOOP
        EXECUTE 'REVOKE ALL ON FUNCTION ' || f || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO sluice_app';
        EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO sluice_all';
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE CREATE ON SCHEMA public FROM sluice_all;
