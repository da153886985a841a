-- People and what they share: teams, service accounts, invitations, requests to
-- join; quotas and the end of organizations; the chain that makes changes of
-- the audit trail show.

-- +goose Up

-- New foreign keys are checked through the policies, which need an organization.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

-- A deleted organization is found by nobody, and erased 30 days later. Quotas
-- that are null have no limit (T5).
ALTER TABLE organizations
    ADD COLUMN deleted_at     timestamptz,
    ADD COLUMN founded_by     text NOT NULL DEFAULT '',  -- e-mail of who signed up; '' when the operator made it
    ADD COLUMN join_requests  boolean NOT NULL DEFAULT true,
    ADD COLUMN quota_registries int CHECK (quota_registries > 0),
    ADD COLUMN quota_storage  bigint CHECK (quota_storage > 0),  -- bytes
    ADD COLUMN quota_requests int CHECK (quota_requests > 0);    -- per second
CREATE INDEX organizations_founded_by ON organizations (founded_by) WHERE founded_by <> '';

-- What an organization stores, as last measured.
CREATE TABLE organization_usage (
    org_id      uuid PRIMARY KEY REFERENCES organizations (id),
    storage     bigint NOT NULL,                     -- bytes
    measured_at timestamptz NOT NULL,
    warned_at   timestamptz                          -- when 80 % of a quota was passed; null below it
);

-- Slugs of organizations that were erased: whoever had one as a subdomain would
-- install from the next owner of the name.
CREATE TABLE retired_slugs (
    slug       text PRIMARY KEY,
    retired_at timestamptz NOT NULL
);

CREATE TABLE teams (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    name        text NOT NULL,
    description text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, name)
);

CREATE TABLE team_members (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    team_id    uuid NOT NULL,
    member_id  uuid NOT NULL,
    from_group boolean NOT NULL DEFAULT false,       -- put in by a group of the identity provider, which takes out again
    created_at timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, team_id, member_id),
    FOREIGN KEY (org_id, team_id) REFERENCES teams (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);
CREATE INDEX team_members_member ON team_members (org_id, member_id);

CREATE TABLE service_accounts (
    id             uuid PRIMARY KEY,
    org_id         uuid NOT NULL REFERENCES organizations (id),
    name           text NOT NULL,
    description    text NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL,
    deactivated_at timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, name)
);

ALTER TABLE tokens
    ADD COLUMN service_id uuid,                      -- the service account that it is of
    ADD COLUMN expiry_warned_at timestamptz,
    ADD FOREIGN KEY (org_id, service_id) REFERENCES service_accounts (org_id, id),
    ADD CONSTRAINT tokens_one_owner CHECK (num_nonnulls(member_id, service_id) < 2);
CREATE INDEX tokens_service ON tokens (org_id, service_id) WHERE service_id IS NOT NULL;
CREATE INDEX tokens_expiring ON tokens (org_id, expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL;

ALTER TABLE role_grants DROP CONSTRAINT role_grants_subject_kind_check;
ALTER TABLE role_grants ADD CONSTRAINT role_grants_subject_kind_check
    CHECK (subject_kind IN ('MEMBER', 'TOKEN', 'TEAM', 'SERVICE'));

CREATE TABLE invitations (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    email        text NOT NULL,
    name         text NOT NULL DEFAULT '',
    roles        jsonb NOT NULL,
    teams        jsonb NOT NULL DEFAULT '[]',
    secret_hash  bytea NOT NULL,                     -- SHA-256; another one after resending
    inviter_kind text NOT NULL,                      -- whose rights must still suffice when it is accepted
    inviter_id   uuid,
    invited_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    sent_at      timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    revoked_at   timestamptz,
    member_id    uuid,                               -- who accepted
    UNIQUE (org_id, id),
    UNIQUE (org_id, secret_hash),
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);
CREATE UNIQUE INDEX invitations_open ON invitations (org_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE join_requests (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    issuer     text NOT NULL,                        -- of the identity that asks
    subject    text NOT NULL,
    email      text NOT NULL,                        -- verified
    name       text NOT NULL DEFAULT '',
    message    text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    outcome    text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'APPROVED', 'REFUSED')),
    member_id  uuid,
    UNIQUE (org_id, id),
    CHECK ((decided_at IS NULL) = (outcome = '')),
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);
CREATE UNIQUE INDEX join_requests_open ON join_requests (org_id, issuer, subject) WHERE decided_at IS NULL;

-- The chain over the audit trail. An event waits in audit_pending from the
-- transaction that wrote it until a sealing step gives it its place.
CREATE TABLE audit_seals (
    id        uuid PRIMARY KEY,
    org_id    uuid NOT NULL REFERENCES organizations (id),
    seq       bigint NOT NULL CHECK (seq > 0),
    event_id  uuid NOT NULL,
    prev      bytea NOT NULL,                        -- hash of the seal before; zeros in the first
    hash      bytea NOT NULL,
    sealed_at timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, seq),
    UNIQUE (org_id, event_id),
    FOREIGN KEY (org_id, event_id) REFERENCES audit_events (org_id, id)
);
CREATE TABLE audit_pending (
    org_id   uuid NOT NULL REFERENCES organizations (id),
    event_id uuid NOT NULL,
    PRIMARY KEY (org_id, event_id),
    FOREIGN KEY (org_id, event_id) REFERENCES audit_events (org_id, id)
);
-- +goose StatementBegin
CREATE FUNCTION audit_wait() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO audit_pending (org_id, event_id) VALUES (NEW.org_id, NEW.id);
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_wait AFTER INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_wait();

-- What was recorded before there was a chain is sealed first. The policies of
-- row-level security bind the owner too, so it looks past them here.
ALTER TABLE audit_events NO FORCE ROW LEVEL SECURITY;
INSERT INTO audit_pending (org_id, event_id) SELECT org_id, id FROM audit_events;
ALTER TABLE audit_events FORCE ROW LEVEL SECURITY;

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['organization_usage', 'teams', 'team_members', 'service_accounts', 'invitations', 'join_requests',
        'audit_seals', 'audit_pending']
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
REVOKE UPDATE, DELETE ON audit_seals FROM sluice_app;
REVOKE UPDATE ON audit_pending FROM sluice_app;
GRANT SELECT ON retired_slugs TO sluice_app;

-- A deleted organization is at no slug and no host any more.
DROP FUNCTION organization_by_slug(text);
DROP FUNCTION organization_by_host(text);
GRANT USAGE, CREATE ON SCHEMA public TO sluice_all;
-- +goose StatementBegin
CREATE FUNCTION organization_by_slug(wanted text) RETURNS TABLE (id uuid, slug text, name text, suspended boolean, requests int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name, o.suspended_at IS NOT NULL, o.quota_requests FROM organizations o
    WHERE o.slug = wanted AND o.deleted_at IS NULL
$$;
CREATE FUNCTION organization_by_host(wanted text) RETURNS TABLE (id uuid, slug text, name text, suspended boolean, requests int, registry_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name, o.suspended_at IS NOT NULL, o.quota_requests, h.registry_id
    FROM host_names h JOIN organizations o ON o.id = h.org_id WHERE h.host = wanted AND o.deleted_at IS NULL
$$;
-- For operators: every organization, or the one with that slug, deleted ones too.
CREATE FUNCTION organization_list(only_slug text) RETURNS TABLE (id uuid, slug text, name text, created_at timestamptz, suspended_at timestamptz, deleted_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name, o.created_at, o.suspended_at, o.deleted_at FROM organizations o
    WHERE only_slug = '' OR o.slug = only_slug ORDER BY o.slug
$$;
-- How many organizations somebody has signed up, erased ones not counted.
CREATE FUNCTION organizations_founded(by_email text) RETURNS int
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*)::int FROM organizations o WHERE o.founded_by = by_email AND by_email <> ''
$$;
-- Organizations with audit events that wait to be sealed.
CREATE FUNCTION organizations_to_seal() RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id FROM organizations o WHERE EXISTS (SELECT 1 FROM audit_pending p WHERE p.org_id = o.id) ORDER BY o.id
$$;
-- Organizations whose grace time ended before the given time.
CREATE FUNCTION organizations_to_erase(deleted_before timestamptz) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id FROM organizations o WHERE o.deleted_at < deleted_before ORDER BY o.id
$$;
-- Erases a page of the transaction's organization, if it was deleted before the
-- given time: at most so many rows of each table, those that others refer to
-- last, and with the last row the organization itself. Returns how many rows
-- went. It belongs to the owner of the tables, whom row-level security binds to
-- that organization. Bytes stay: collecting them looks at everybody's rows (D3).
CREATE FUNCTION erase_organization(deleted_before timestamptz, at_most int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE ours uuid := current_setting('app.org')::uuid; t record; n bigint; gone bigint := 0; stuck boolean := false;
BEGIN
    PERFORM 1 FROM organizations o WHERE o.id = ours AND o.deleted_at < deleted_before FOR UPDATE;
    IF NOT FOUND THEN RETURN 0; END IF;
    FOR t IN SELECT c.oid::regclass AS name,
                EXISTS (SELECT 1 FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.confrelid = c.oid) AS itself
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY c.oid DESC
    LOOP
        BEGIN
            IF t.itself THEN  -- rows of it refer to one another: all at once, or some could never go
                EXECUTE format('DELETE FROM %s WHERE org_id = $1', t.name) USING ours;
            ELSE
                EXECUTE format('DELETE FROM %s WHERE org_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM %s WHERE org_id = $1 LIMIT $2))', t.name, t.name)
                    USING ours, at_most;
            END IF;
            GET DIAGNOSTICS n = ROW_COUNT;
            gone := gone + n;
            stuck := stuck OR n >= at_most;
        EXCEPTION WHEN foreign_key_violation THEN
            stuck := true;  -- what refers to it goes first
        END;
    END LOOP;
    IF NOT stuck THEN
        INSERT INTO retired_slugs SELECT o.slug, o.deleted_at FROM organizations o WHERE o.id = ours ON CONFLICT DO NOTHING;
        DELETE FROM organizations o WHERE o.id = ours;
        gone := gone + 1;
    END IF;
    RETURN gone;
END $$;

DO $$
DECLARE f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['organization_by_slug(text)', 'organization_by_host(text)', 'organization_list(text)', 'organizations_founded(text)',
        'organizations_to_seal()', 'organizations_to_erase(timestamptz)']
    LOOP
        EXECUTE 'REVOKE ALL ON FUNCTION ' || f || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO sluice_app';
        EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO sluice_all';
    END LOOP;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION erase_organization(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_organization(timestamptz, int) TO sluice_app;
REVOKE CREATE ON SCHEMA public FROM sluice_all;
