package db_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rows are the ids of one row, or more, of every table of an organization.
type rows struct {
	org uuid.UUID
	ids map[string]any // table -> id of its first row
}

// fill makes at least one row of every entity in the context's organization.
// Every one is made with SetOrgID(claim), which a context of another
// organization must make ineffective. The suffix keeps names apart.
func fill(t testing.TB, d *db.DB, ctx context.Context, claim uuid.UUID, suffix string) *rows {
	t.Helper()
	r := &rows{org: orgOf(t, ctx), ids: map[string]any{"organizations": orgOf(t, ctx)}}
	in(t, d, ctx, func(ctx context.Context, tx *db.Tx) error {
		f := &filler{r: r, ctx: ctx, tx: tx, claim: claim, suffix: suffix}
		for _, step := range []func() error{f.people, f.shape, f.catalog, f.own, f.security, f.login, f.log, f.community} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
	return r
}

type filler struct {
	r      *rows
	ctx    context.Context
	tx     *db.Tx
	claim  uuid.UUID
	suffix string
}

func (f *filler) id(table string) uuid.UUID {
	id, _ := f.r.ids[table].(uuid.UUID)
	return id
}

// note returns a new id and remembers it as the table's first.
func (f *filler) note(table string) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	if f.r.ids[table] == nil {
		f.r.ids[table] = id
	}
	return id
}

func (f *filler) people() error {
	c := f.tx.Ent
	err := c.Member.Create().SetOrgID(f.claim).SetID(f.note("members")).SetEmail("ann@" + f.suffix).SetCreatedAt(noon).Exec(f.ctx)
	if err != nil {
		return err
	}
	if err := c.Token.Create().SetOrgID(f.claim).SetID(f.note("tokens")).SetMemberID(f.id("members")).SetName("laptop").
		SetHash([]byte("hash " + f.suffix)).SetHint("abcd").SetCreatedAt(noon).Exec(f.ctx); err != nil {
		return err
	}
	return c.Role.Create().SetOrgID(f.claim).SetID(f.note("roles")).SetName("ops-" + f.suffix).SetActions([]string{"registry:read"}).SetCreatedAt(noon).Exec(f.ctx)
}

func (f *filler) shape() error {
	c := f.tx.Ent
	registry := func(name string) *ent.RegistryCreate {
		return c.Registry.Create().SetOrgID(f.claim).SetID(f.note("registries")).SetEcosystem(coord.NPM).SetName(name + "-" + f.suffix).SetCreatedAt(noon)
	}
	firewall, err := registry("firewall").SetKind("FIREWALL").Save(f.ctx)
	if err != nil {
		return err
	}
	team, err := registry("team").SetKind("PACKAGE").SetForwardTo(firewall.ID).Save(f.ctx)
	if err != nil {
		return err
	}
	steps := []interface{ Exec(context.Context) error }{
		c.HostName.Create().SetOrgID(f.claim).SetID(f.note("host_names")).SetHost("npm." + f.suffix).SetRegistryID(firewall.ID).SetCreatedAt(noon),
		c.RoleGrant.Create().SetOrgID(f.claim).SetID(f.note("role_grants")).SetSubjectKind("MEMBER").SetSubjectID(f.id("members")).SetRole("reader").
			SetRegistryID(firewall.ID).SetCreatedAt(noon),
		c.Remote.Create().SetOrgID(f.claim).SetID(f.note("remotes")).SetEcosystem(coord.NPM).SetName("public-" + f.suffix).SetBaseURL("https://npm.example").SetCreatedAt(noon),
		c.Upstream.Create().SetOrgID(f.claim).SetID(f.note("upstreams")).SetRegistryID(team.ID).SetSourceRegistryID(firewall.ID).SetPosition(0).SetCreatedAt(noon),
		c.Upstream.Create().SetOrgID(f.claim).SetID(f.note("upstreams")).SetRegistryID(firewall.ID).SetRemoteID(f.id("remotes")).SetPosition(0).SetCreatedAt(noon),
		c.PolicyRule.Create().SetOrgID(f.claim).SetID(f.note("policy_rules")).SetRegistryID(firewall.ID).SetPosition(0).SetName("malware").SetKind("MALWARE").
			SetMode("ENFORCE").SetEffect("QUARANTINE").SetApplies("NEW_AND_HELD").SetOnViolation("HIDE").SetUnknown("WARN").SetCreatedAt(noon),
	}
	return each(f.ctx, steps)
}

func (f *filler) catalog() error {
	digest := keepBlob(f.ctx, f.tx, "tarball of "+f.suffix, noon)
	if digest == "" {
		return fmt.Errorf("no blob")
	}
	c := f.tx.Ent
	return each(f.ctx, []interface{ Exec(context.Context) error }{
		c.PackageName.Create().SetOrgID(f.claim).SetID(f.note("package_names")).SetEcosystem(coord.NPM).SetName("left-pad-" + f.suffix).SetCreatedAt(noon),
		c.PackageVersion.Create().SetOrgID(f.claim).SetID(f.note("package_versions")).SetPackageID(f.id("package_names")).SetVersion("1.3.0").SetDigest(digest).
			SetOrigin(coord.External).SetRemoteID(f.id("remotes")).SetPublishedAt(noon).SetPublishedFrom("SOURCE").SetLicenseState("DECLARED").
			SetMetadata([]byte("{}")).SetCreatedAt(noon),
		c.VersionFile.Create().SetOrgID(f.claim).SetID(f.note("version_files")).SetVersionID(f.id("package_versions")).SetName("left-pad-1.3.0.tgz").SetSha256(digest).SetSize(3),
		c.Holding.Create().SetOrgID(f.claim).SetID(f.note("holdings")).SetRegistryID(f.id("registries")).SetPackageID(f.id("package_names")).SetVersion("1.3.0").
			SetVersionID(f.id("package_versions")).SetArrived("FETCH").SetHeldAt(noon),
		c.DistTag.Create().SetOrgID(f.claim).SetID(f.note("dist_tags")).SetRegistryID(f.id("registries")).SetPackageID(f.id("package_names")).SetTag("latest").
			SetVersion("1.3.0").SetUpdatedAt(noon),
		c.RemoteDocument.Create().SetOrgID(f.claim).SetID(f.note("remote_documents")).SetRemoteID(f.id("remotes")).SetName("left-pad").SetSha256(digest).
			SetFetchedAt(noon).SetCheckedAt(noon),
	})
}

func (f *filler) own() error {
	c, reg, pkg := f.tx.Ent, f.id("registries"), f.id("package_names")
	digest := keepBlob(f.ctx, f.tx, "staged tarball of "+f.suffix, noon)
	laptop := f.id("tokens")
	return each(f.ctx, []interface{ Exec(context.Context) error }{
		c.OwnedName.Create().SetOrgID(f.claim).SetID(f.note("owned_names")).SetRegistryID(reg).SetEcosystem(coord.NPM).SetName("mine").SetOwnedSince(noon),
		c.NameSwitch.Create().SetOrgID(f.claim).SetID(f.note("name_switches")).SetRegistryID(reg).SetEcosystem(coord.NPM).SetName("mine").
			SetPublish("ALLOW").SetReason("a fork").SetUpdatedAt(noon),
		c.OwnPackage.Create().SetOrgID(f.claim).SetID(f.note("own_packages")).SetRegistryID(reg).SetPackageID(pkg).SetCreatedAt(noon).SetUpdatedAt(noon),
		c.SpentVersion.Create().SetOrgID(f.claim).SetID(f.note("spent_versions")).SetRegistryID(reg).SetPackageID(pkg).SetVersion("1.0.0").SetDeletedAt(noon),
		c.Deprecation.Create().SetOrgID(f.claim).SetID(f.note("deprecations")).SetRegistryID(reg).SetPackageID(pkg).SetVersion("1.3.0").
			SetMessage("use another").SetUpdatedAt(noon),
		c.TrustRule.Create().SetOrgID(f.claim).SetID(f.note("trust_rules")).SetRegistries([]uuid.UUID{reg}).SetName("ci-" + f.suffix).SetIssuer("https://ci.example").
			SetClaims(map[string]string{"repository": "a/b"}).SetCreatedAt(noon),
		c.Token.Create().SetOrgID(f.claim).SetID(f.note("tokens")).SetName("by trust").SetHash([]byte("trust " + f.suffix)).SetHint("abcd").
			SetTrustRuleID(f.id("trust_rules")).SetParentID(laptop).SetCreatedAt(noon),
		c.UsedIdentity.Create().SetOrgID(f.claim).SetID(f.note("used_identities")).SetTrustRuleID(f.id("trust_rules")).SetHash([]byte("used " + f.suffix)).
			SetFirstUsedAt(noon).SetExpiresAt(noon),
		c.LoginRequest.Create().SetOrgID(f.claim).SetID(f.note("login_requests")).SetRegistryID(reg).SetSecretHash([]byte("s" + f.suffix)).
			SetPageHash([]byte("p" + f.suffix)).SetCreatedAt(noon).SetExpiresAt(noon).SetTokenID(f.id("tokens")),
		c.StagedVersion.Create().SetOrgID(f.claim).SetID(f.note("staged_versions")).SetRegistryID(reg).SetName("mine").SetVersion("2.0.0").SetFile("mine-2.0.0.tgz").SetSha256(digest).
			SetLicenseState("MISSING").SetMetadata([]byte("{}")).SetStagedBy("ann").SetStagedAt(noon),
		c.Pull.Create().SetOrgID(f.claim).SetID(f.note("pulls")).SetRegistryID(reg).SetSource("package-lock.json").SetPulledBy("ann").SetStartedAt(noon),
		c.PullItem.Create().SetOrgID(f.claim).SetID(f.note("pull_items")).SetPullID(f.id("pulls")).SetName("left-pad").SetVersion("1.3.0"),
	})
}

func (f *filler) security() error {
	c := f.tx.Ent
	firewall := f.id("registries")
	return each(f.ctx, []interface{ Exec(context.Context) error }{
		c.Hold.Create().SetOrgID(f.claim).SetID(f.note("holds")).SetRegistryID(firewall).SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").
			SetCause("MANUAL").SetReason("looks odd").SetOpenedBy("ann").SetOpenedAt(noon),
		c.Hold.Create().SetOrgID(f.claim).SetID(f.note("holds")).SetRegistryID(firewall).SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").
			SetCause("INHERITED").SetRootID(f.id("holds")).SetReason("looks odd").SetOpenedBy("cascade").SetOpenedAt(noon),
		c.Tombstone.Create().SetOrgID(f.claim).SetID(f.note("tombstones")).SetRegistryID(firewall).SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.2.0").
			SetReason("malware").SetCreatedBy("ann").SetCreatedAt(noon),
		c.Cascade.Create().SetOrgID(f.claim).SetID(f.note("cascades")).SetAction("HOLD").SetRegistryID(firewall).SetHoldID(f.id("holds")).SetEcosystem(coord.NPM).
			SetName("left-pad").SetStartedAt(noon),
		c.Cascade.Create().SetOrgID(f.claim).SetID(f.note("cascades")).SetAction("DELETE").SetRegistryID(firewall).SetTombstoneID(f.id("tombstones")).
			SetEcosystem(coord.NPM).SetName("left-pad").SetStartedAt(noon),
		c.Finding.Create().SetOrgID(f.claim).SetID(f.note("findings")).SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").SetKind("MALWARE").
			SetReference("MAL-" + f.suffix).SetSeverity("CRITICAL").SetOpenedAt(noon),
	})
}

func (f *filler) login() error {
	c := f.tx.Ent
	member, later := f.id("members"), noon.Add(time.Hour)
	hash := func(of string) []byte { return []byte(of + " of " + f.suffix) }
	return each(f.ctx, []interface{ Exec(context.Context) error }{
		c.IdentityProvider.Create().SetOrgID(f.claim).SetID(f.note("identity_providers")).SetName("staff-" + f.suffix).SetTitle("Staff").SetIssuer("https://id." + f.suffix).
			SetClientID("sluice").SetCreatedAt(noon).SetUpdatedAt(noon),
		c.GroupMapping.Create().SetOrgID(f.claim).SetID(f.note("group_mappings")).SetProviderID(f.id("identity_providers")).SetGroupName("ops").SetRole("reader").
			SetRegistryID(f.id("registries")).SetCreatedAt(noon),
		c.MappedGrant.Create().SetOrgID(f.claim).SetID(f.note("mapped_grants")).SetProviderID(f.id("identity_providers")).SetMemberID(member).SetRole("reader").
			SetRegistryID(f.id("registries")).SetCreatedAt(noon),
		c.Identity.Create().SetOrgID(f.claim).SetID(f.note("identities")).SetMemberID(member).SetIssuer("https://id." + f.suffix).SetSubject("1").
			SetCreatedAt(noon).SetLastLoginAt(noon),
		c.LoginFlow.Create().SetOrgID(f.claim).SetID(f.note("login_flows")).SetStateHash(hash("state")).SetBrowserHash(hash("browser")).
			SetProviderID(f.id("identity_providers")).SetSealed([]byte("x")).SetExpiresAt(later),
		c.Session.Create().SetOrgID(f.claim).SetID(f.note("sessions")).SetMemberID(member).SetHash(hash("session")).SetKind("OIDC").
			SetProviderID(f.id("identity_providers")).SetCreatedAt(noon).SetLastUsedAt(noon).SetExpiresAt(later),
		c.BreakGlassLink.Create().SetOrgID(f.claim).SetID(f.note("break_glass_links")).SetMemberID(member).SetHash(hash("link")).
			SetCreatedAt(noon).SetExpiresAt(later),
		c.LogoutToken.Create().SetOrgID(f.claim).SetID(f.note("logout_tokens")).SetHash(hash("logout")).SetExpiresAt(later),
	})
}

func (f *filler) log() error {
	f.r.ids["decisions"] = "decision of " + f.suffix
	if err := f.tx.Ent.Decision.Create().SetOrgID(f.claim).SetID("decision of " + f.suffix).SetAt(noon).SetRegistryID(f.id("registries")).SetTokenID(uuid.Nil).
		SetEcosystem(coord.NPM).SetName("left-pad").SetVersion("1.3.0").SetChannel("FILE").SetEffect("DENY").SetDecision(json.RawMessage("{}")).Exec(f.ctx); err != nil {
		return err
	}
	if err := f.tx.Ent.AuditEvent.Create().SetOrgID(f.claim).SetID(f.note("audit_events")).SetAt(noon).SetActorKind("SYSTEM").SetActorName("test").
		SetAction("version:quarantine").SetObjectType("hold").SetObjectID("1").Exec(f.ctx); err != nil {
		return err
	}
	// Deliveries have no entity: they are counted in SQL only.
	_, err := f.tx.Exec(f.ctx, `INSERT INTO deliveries (org_id, hour, registry_id, token_id, ecosystem, name, version, count, first_at, last_at)
		VALUES (current_setting('app.org')::uuid, $1, $2, $3, 'NPM', 'left-pad', $4, 1, $1, $1)`, noon, f.id("registries"), uuid.Nil, "1.3.0-"+f.suffix)
	return err
}

// community is what people share, and the first seal of the audit trail.
func (f *filler) community() error {
	c, member := f.tx.Ent, f.id("members")
	err := each(f.ctx, []interface{ Exec(context.Context) error }{
		c.Team.Create().SetOrgID(f.claim).SetID(f.note("teams")).SetName("platform-" + f.suffix).SetCreatedAt(noon),
		c.TeamMember.Create().SetOrgID(f.claim).SetID(f.note("team_members")).SetTeamID(f.id("teams")).SetMemberID(member).SetCreatedAt(noon),
		c.GroupMapping.Create().SetOrgID(f.claim).SetID(f.note("group_mappings")).SetProviderID(f.id("identity_providers")).SetGroupName("ops").SetRole("").
			SetTeamID(f.id("teams")).SetCreatedAt(noon),
		c.ServiceAccount.Create().SetOrgID(f.claim).SetID(f.note("service_accounts")).SetName("ci-" + f.suffix).SetCreatedAt(noon),
		c.Token.Create().SetOrgID(f.claim).SetID(f.note("tokens")).SetServiceID(f.id("service_accounts")).SetName("of an account").
			SetHash([]byte("account " + f.suffix)).SetHint("abcd").SetCreatedAt(noon),
		c.TrustRule.Create().SetOrgID(f.claim).SetID(f.note("trust_rules")).SetServiceID(f.id("service_accounts")).SetName("account-" + f.suffix).
			SetIssuer("https://ci.example").SetClaims(map[string]string{"sub": "a"}).SetCreatedAt(noon),
		c.Invitation.Create().SetOrgID(f.claim).SetID(f.note("invitations")).SetEmail("bob@" + f.suffix).SetRoles(json.RawMessage("[]")).
			SetSecretHash([]byte("i" + f.suffix)).SetInviterKind("SYSTEM").SetInvitedBy("test").SetCreatedAt(noon).SetSentAt(noon).SetExpiresAt(noon).SetMemberID(member),
		c.JoinRequest.Create().SetOrgID(f.claim).SetID(f.note("join_requests")).SetIssuer("https://id." + f.suffix).SetSubject("1").SetEmail("eve@" + f.suffix).
			SetCreatedAt(noon).SetMemberID(member),
		c.AuditSeal.Create().SetOrgID(f.claim).SetID(f.note("audit_seals")).SetSeq(f.seq()).SetEventID(f.id("audit_events")).SetPrev([]byte{0}).SetHash([]byte{1}).SetSealedAt(noon),
	})
	if err != nil {
		return err
	}
	_, err = f.tx.Exec(f.ctx, `INSERT INTO scans (id, org_id, scanner, registry_id, ecosystem, packages, total, state, started_at)
		VALUES ($1, current_setting('app.org')::uuid, 'advisories', $3, 'NPM', '["left-pad"]', 1, 'RUNNING', $2)`, f.note("scans"), noon, f.id("registries"))
	if err != nil {
		return err
	}
	_, err = f.tx.Exec(f.ctx, `INSERT INTO organization_usage (org_id, storage, measured_at) VALUES (current_setting('app.org')::uuid, 3, $1) ON CONFLICT (org_id) DO UPDATE SET storage = 4`, noon)
	return err
}

func each(ctx context.Context, steps []interface{ Exec(context.Context) error }) error {
	for _, s := range steps {
		if err := s.Exec(ctx); err != nil {
			return fmt.Errorf("%T: %w", s, err)
		}
	}
	return nil
}

// keepBlob makes the row of some bytes and returns their digest.
func keepBlob(ctx context.Context, tx *db.Tx, text string, at time.Time) string {
	sum := sha256.Sum256([]byte(text))
	digest := hex.EncodeToString(sum[:])
	if _, err := tx.Exec(ctx, `SELECT keep_blob($1, '', '', '', $2, $3)`, digest, len(text), at); err != nil {
		return ""
	}
	return digest
}

// seq is a place in the audit chain that no other filling takes.
func (f *filler) seq() int64 { return int64(crc32.ChecksumIEEE([]byte(f.suffix))) }
