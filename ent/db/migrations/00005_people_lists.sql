-- Indexes of the lists of people: a member's tokens, and who has a role or a
-- role on a registry.

-- +goose Up
CREATE INDEX tokens_member ON tokens (org_id, member_id, id) WHERE member_id IS NOT NULL;
CREATE INDEX role_grants_registry ON role_grants (org_id, registry_id, id);
CREATE INDEX role_grants_role ON role_grants (org_id, role, id);
