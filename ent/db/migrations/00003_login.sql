-- Login: who vouches for people, who they are here, and their sessions (A1).

-- +goose Up

-- Adding a foreign key reads the table, through its policy.
SELECT set_config('app.org', '00000000-0000-0000-0000-000000000000', true);

-- OpenID Connect providers of an organization's own. The platform's provider is
-- configuration and has no row.
CREATE TABLE identity_providers (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organizations (id),
    name          text NOT NULL,                     -- is part of the redirect URI; never changes
    title         text NOT NULL,                     -- as the login page shows it
    issuer        text NOT NULL,
    client_id     text NOT NULL,
    client_secret bytea,                             -- sealed; NULL for a public client
    scopes        jsonb NOT NULL DEFAULT '[]',       -- besides openid
    domains       jsonb NOT NULL DEFAULT '[]',       -- e-mail domains that it speaks for
    claims        jsonb NOT NULL DEFAULT '{}',       -- which claims hold e-mail, name and groups
    joins         boolean NOT NULL DEFAULT false,    -- people who are no members become some
    join_role     text NOT NULL DEFAULT '',          -- the role that they get
    exclusive     boolean NOT NULL DEFAULT false,    -- while it is enabled, the platform's provider opens nothing here
    enabled       boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, name),
    UNIQUE (org_id, issuer)
);

-- Whoever the provider says is in a group has the role.
CREATE TABLE group_mappings (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    provider_id uuid NOT NULL,
    group_name  text NOT NULL,
    role        text NOT NULL,
    registry_id uuid,                                -- NULL = on the organization
    created_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, provider_id) REFERENCES identity_providers (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE UNIQUE INDEX group_mappings_once ON group_mappings
    (org_id, provider_id, group_name, role, coalesce(registry_id, '00000000-0000-0000-0000-000000000000'));

-- Roles that members have by their groups, so that they go when the group does;
-- those that somebody gave by hand are not here.
CREATE TABLE mapped_grants (
    id          uuid PRIMARY KEY,
    org_id      uuid NOT NULL REFERENCES organizations (id),
    provider_id uuid NOT NULL,
    member_id   uuid NOT NULL,
    role        text NOT NULL,
    registry_id uuid,
    created_at  timestamptz NOT NULL,
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, provider_id) REFERENCES identity_providers (org_id, id) ON DELETE CASCADE,
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id),
    FOREIGN KEY (org_id, registry_id) REFERENCES registries (org_id, id)
);
CREATE UNIQUE INDEX mapped_grants_once ON mapped_grants
    (org_id, member_id, provider_id, role, coalesce(registry_id, '00000000-0000-0000-0000-000000000000'));

-- An account at a provider that is a member here.
CREATE TABLE identities (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organizations (id),
    member_id     uuid NOT NULL,
    issuer        text NOT NULL,
    subject       text NOT NULL,
    email         text NOT NULL DEFAULT '',          -- as the provider last said it
    created_at    timestamptz NOT NULL,
    last_login_at timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, issuer, subject),
    UNIQUE (org_id, member_id, issuer),              -- an address that is given to somebody new must not inherit
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);
CREATE INDEX identities_account ON identities (issuer, subject);
CREATE INDEX members_email ON members (email);

-- Logins under way: used once, within ten minutes, by the browser that began.
CREATE TABLE login_flows (
    id            uuid PRIMARY KEY,
    org_id        uuid NOT NULL REFERENCES organizations (id),
    state_hash    bytea NOT NULL,                    -- SHA-256 of what the provider gives back
    browser_hash  bytea NOT NULL,                    -- SHA-256 of what the browser keeps
    provider_id   uuid,                              -- NULL for the platform's provider
    sealed        bytea NOT NULL,                    -- verifier, nonce, where to and back
    ticket_hash   bytea,                             -- the platform's answer: SHA-256 of what it sent along
    ticket_sealed bytea,                             -- and who it says that is
    expires_at    timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, state_hash),
    FOREIGN KEY (org_id, provider_id) REFERENCES identity_providers (org_id, id) ON DELETE CASCADE
);
CREATE INDEX login_flows_expiry ON login_flows (org_id, expires_at);

CREATE TABLE sessions (
    id           uuid PRIMARY KEY,
    org_id       uuid NOT NULL REFERENCES organizations (id),
    member_id    uuid NOT NULL,
    hash         bytea NOT NULL,                     -- SHA-256 of the cookie's secret
    kind         text NOT NULL CHECK (kind IN ('OIDC', 'BREAK_GLASS')),
    provider_id  uuid,                               -- NULL for the platform's provider and for none
    issuer       text NOT NULL DEFAULT '',
    subject      text NOT NULL DEFAULT '',
    sid          text NOT NULL DEFAULT '',           -- the provider's name of its session
    id_token     bytea,                              -- sealed; the hint for logging out at the provider
    ip           text NOT NULL DEFAULT '',
    user_agent   text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,               -- whatever is done with it
    ended_at     timestamptz,
    end_reason   text NOT NULL DEFAULT '',
    UNIQUE (org_id, id),
    UNIQUE (org_id, hash),
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id),
    FOREIGN KEY (org_id, provider_id) REFERENCES identity_providers (org_id, id)
);
CREATE INDEX sessions_member ON sessions (org_id, member_id, id);
CREATE INDEX sessions_account ON sessions (issuer, subject) WHERE ended_at IS NULL;
CREATE INDEX sessions_sid ON sessions (issuer, sid) WHERE ended_at IS NULL AND sid <> '';

-- A way in without any provider, made on the server by an operator.
CREATE TABLE break_glass_links (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    member_id  uuid NOT NULL,
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    UNIQUE (org_id, id),
    UNIQUE (org_id, hash),
    FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id)
);

-- Logout tokens that were taken, so that none counts twice.
CREATE TABLE logout_tokens (
    id         uuid PRIMARY KEY,
    org_id     uuid NOT NULL REFERENCES organizations (id),
    hash       bytea NOT NULL,                       -- SHA-256 of issuer and token id
    expires_at timestamptz NOT NULL,
    UNIQUE (org_id, id),
    UNIQUE (org_id, hash)
);

-- What the platform's own host remembers of a login before it belongs to an
-- organization. Nothing reaches it but the functions below, by exact hash.
CREATE TABLE platform_logins (
    kind       text NOT NULL CHECK (kind IN ('FLOW', 'VISIT', 'LOGOUT')),
    hash       bytea NOT NULL,
    sealed     bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX platform_logins_expiry ON platform_logins (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON platform_logins TO sluice_all;

-- +goose StatementBegin
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['identity_providers', 'group_mappings', 'mapped_grants', 'identities', 'login_flows', 'sessions',
        'break_glass_links', 'logout_tokens']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY organization ON %I USING (org_id = current_setting(''app.org'')::uuid)
                        WITH CHECK (org_id = current_setting(''app.org'')::uuid)', t);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO sluice_app', t);
        EXECUTE format('GRANT SELECT ON %I TO sluice_all', t);
    END LOOP;
END $$;

-- Keeps one row until a time; false when it is there already, or when there are
-- more than anybody needs. What has expired goes at the same time.
CREATE FUNCTION keep_platform_login(what text, h bytea, content bytea, at timestamptz, until timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM platform_logins p WHERE (p.kind, p.hash) IN
        (SELECT e.kind, e.hash FROM platform_logins e WHERE e.expires_at <= at ORDER BY e.expires_at LIMIT 100 FOR UPDATE SKIP LOCKED);
    IF (SELECT count(*) FROM (SELECT 1 FROM platform_logins LIMIT 100001) AS counted) > 100000 THEN
        RETURN false;
    END IF;
    INSERT INTO platform_logins (kind, hash, sealed, expires_at) VALUES (what, h, content, until) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;
CREATE FUNCTION platform_login(what text, h bytea, at timestamptz) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.sealed FROM platform_logins p WHERE p.kind = what AND p.hash = h AND p.expires_at > at
$$;
-- Removes the row and returns it; NULL when it is not there or has expired.
CREATE FUNCTION take_platform_login(what text, h bytea, at timestamptz) RETURNS bytea
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH taken AS (DELETE FROM platform_logins p WHERE p.kind = what AND p.hash = h RETURNING p.sealed, p.expires_at)
    SELECT t.sealed FROM taken t WHERE t.expires_at > at
$$;
-- Organizations in which an account at the platform's provider is an active
-- member, or would become one by its e-mail address (empty: none that is
-- believed). A host name is one of the organization's own, at its root.
CREATE FUNCTION organizations_of_login(iss text, sub text, address text)
RETURNS TABLE (id uuid, slug text, name text, host text, exclusive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT o.id, o.slug, o.name,
        coalesce((SELECT min(h.host) FROM host_names h WHERE h.org_id = o.id AND h.registry_id IS NULL), ''),
        EXISTS (SELECT 1 FROM identity_providers p WHERE p.org_id = o.id AND p.enabled AND p.exclusive)
    FROM organizations o
    WHERE o.suspended_at IS NULL AND o.id IN (
        SELECT i.org_id FROM identities i JOIN members m ON m.org_id = i.org_id AND m.id = i.member_id AND m.deactivated_at IS NULL
        WHERE i.issuer = iss AND i.subject = sub
        UNION
        SELECT m.org_id FROM members m WHERE address <> '' AND m.email = address AND m.deactivated_at IS NULL
          AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.org_id = m.org_id AND i.member_id = m.id AND i.issuer = iss)
          AND NOT EXISTS (SELECT 1 FROM identities i WHERE i.org_id = m.org_id AND i.issuer = iss AND i.subject = sub))
    ORDER BY o.slug LIMIT 500
$$;
-- Organizations with sessions that the platform's provider opened for the
-- account, or under the name that it gives its session.
CREATE FUNCTION organizations_of_session(iss text, sub text, session text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT s.org_id FROM sessions s
    WHERE s.ended_at IS NULL AND s.provider_id IS NULL AND s.issuer = iss AND iss <> ''
      AND (session <> '' AND s.sid = session OR sub <> '' AND s.subject = sub AND (session = '' OR s.sid = ''))
$$;
DO $$
DECLARE f text;
BEGIN
    GRANT CREATE ON SCHEMA public TO sluice_all;
    FOREACH f IN ARRAY ARRAY['keep_platform_login(text, bytea, bytea, timestamptz, timestamptz)', 'platform_login(text, bytea, timestamptz)',
        'take_platform_login(text, bytea, timestamptz)', 'organizations_of_login(text, text, text)', 'organizations_of_session(text, text, text)']
    LOOP
        EXECUTE 'REVOKE ALL ON FUNCTION ' || f || ' FROM PUBLIC';
        EXECUTE 'GRANT EXECUTE ON FUNCTION ' || f || ' TO sluice_app';
        EXECUTE 'ALTER FUNCTION ' || f || ' OWNER TO sluice_all';
    END LOOP;
    REVOKE CREATE ON SCHEMA public FROM sluice_all;
END $$;
-- +goose StatementEnd
