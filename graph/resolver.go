// Package graph answers GraphQL: a resolver of a few lines for each field that
// is more than a column, and around them what every field needs — rights, errors,
// bounds and batched loading. All state changes are made by the services.
//
// Each field, or batch of fields, reads in a short transaction of its own. One
// transaction for a whole operation would hold a connection while the services
// that it calls take another, so that enough operations at once would wait for
// each other.
package graph

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/graph/exec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/advisory"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/login"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/quarantine"
	"sluice.dev/sluice/tenants/registry"
)

// Deps is what the API is made of. All fields are needed but uploads and
// lock files, and the last three.
type Deps struct {
	DB         *db.DB
	Access     *access.Service
	Orgs       *org.Service
	Registries *registry.Service
	Quarantine *quarantine.Service
	Intake     *intake.Service // every write passes it (F7)
	Gate       *gate.Gate
	Advisories *advisory.Service
	// Uploads and Lockfiles are what knows an ecosystem's files; those of others
	// are refused with a sentence that says so.
	Uploads   map[coord.Ecosystem]Uploads
	Lockfiles map[coord.Ecosystem]Lockfiles
	// RegistryURL returns the public URL of a registry as the request should see
	// it, without a final slash (R4).
	RegistryURL func(ctx context.Context, e coord.Ecosystem, name string) string
	// Workloads verifies identity tokens that trust rules are tested with.
	Workloads Workloads

	// Bind keeps, in the transaction in which a request to join is approved, which
	// account became which member; nil keeps nothing.
	Bind access.Bind

	// Logins lets people in. TestProvider asks an identity provider about itself,
	// and LoginAddresses says where one of that name sends people, as the request
	// should see it.
	Logins         *login.Service
	TestProvider   func(context.Context, login.Provider) login.Report
	LoginAddresses func(ctx context.Context, provider string) LoginAddresses

	Log *slog.Logger // default: slog.Default()
	// Hosts binds host names; nil: nobody can.
	Hosts *org.Hosts
	// Streams bounds subscriptions; the zero value is the default of each.
	Streams Streams
	// PersistedOnly lets those who are logged in with a session run nothing but
	// the built-in documents.
	PersistedOnly bool
	// Now is the clock; default: time.Now.
	Now func() time.Time
	// BatchWait is how long a load waits for others of its kind; default 1 ms.
	BatchWait time.Duration
}

// resolver is the root of all resolvers.
type resolver struct {
	Deps
	seen map[string]seen // by type, what it takes to see one by its id
	live *live
	// verifying has one who reads a whole chain of audit events, by organization.
	verifying sync.Map
}

var _ exec.ResolverRoot = (*resolver)(nil)

// Query implements exec.ResolverRoot, as do the methods below.
func (r *resolver) Query() exec.QueryResolver { return queries{r} }

func (r *resolver) Mutation() exec.MutationResolver             { return mutations{r} }
func (r *resolver) Subscription() exec.SubscriptionResolver     { return subscriptions{r} }
func (r *resolver) Advisory() exec.AdvisoryResolver             { return advisoryFields{r} }
func (r *resolver) AuditEvent() exec.AuditEventResolver         { return auditEventFields{r} }
func (r *resolver) BlastRadius() exec.BlastRadiusResolver       { return blastRadiusFields{r} }
func (r *resolver) Cascade() exec.CascadeResolver               { return cascadeFields{r} }
func (r *resolver) Decision() exec.DecisionResolver             { return decisionFields{r} }
func (r *resolver) Delivery() exec.DeliveryResolver             { return deliveryFields{r} }
func (r *resolver) File() exec.FileResolver                     { return fileFields{r} }
func (r *resolver) Finding() exec.FindingResolver               { return findingFields{r} }
func (r *resolver) Hold() exec.HoldResolver                     { return holdFields{r} }
func (r *resolver) LicenseRule() exec.LicenseRuleResolver       { return licenseRuleFields{r} }
func (r *resolver) Member() exec.MemberResolver                 { return memberFields{r} }
func (r *resolver) Organization() exec.OrganizationResolver     { return organizationFields{r} }
func (r *resolver) Forwarding() exec.ForwardingResolver         { return forwardingFields{r} }
func (r *resolver) HiddenVersions() exec.HiddenVersionsResolver { return hiddenFields{r} }
func (r *resolver) Maintainer() exec.MaintainerResolver         { return maintainerFields{r} }
func (r *resolver) NameSwitch() exec.NameSwitchResolver         { return nameSwitchFields{r} }
func (r *resolver) OwnedName() exec.OwnedNameResolver           { return ownedNameFields{r} }
func (r *resolver) Ownership() exec.OwnershipResolver           { return ownershipFields{r} }
func (r *resolver) Pull() exec.PullResolver                     { return pullFields{r} }
func (r *resolver) PullItem() exec.PullItemResolver             { return pullItemFields{r} }
func (r *resolver) StagedVersion() exec.StagedVersionResolver   { return stagedFields{r} }
func (r *resolver) Package() exec.PackageResolver               { return packageFields{r} }
func (r *resolver) Registry() exec.RegistryResolver             { return registryFields{r} }
func (r *resolver) Remote() exec.RemoteResolver                 { return remoteFields{r} }
func (r *resolver) Role() exec.RoleResolver                     { return roleFields{r} }
func (r *resolver) Rule() exec.RuleResolver                     { return ruleFields{r} }
func (r *resolver) Token() exec.TokenResolver                   { return tokenFields{r} }
func (r *resolver) Tombstone() exec.TombstoneResolver           { return tombstoneFields{r} }
func (r *resolver) Upstream() exec.UpstreamResolver             { return upstreamFields{r} }
func (r *resolver) Verdict() exec.VerdictResolver               { return verdictFields{r} }
func (r *resolver) Version() exec.VersionResolver               { return versionFields{r} }
func (r *resolver) Action() exec.ActionResolver                 { return actionFields{r} }
func (r *resolver) Grant() exec.GrantResolver                   { return grantFields{r} }
func (r *resolver) Invitation() exec.InvitationResolver         { return invitationFields{r} }
func (r *resolver) JoinRequest() exec.JoinRequestResolver       { return joinRequestFields{r} }
func (r *resolver) Place() exec.PlaceResolver                   { return placeFields{r} }
func (r *resolver) ServiceAccount() exec.ServiceAccountResolver { return serviceAccountFields{r} }
func (r *resolver) Team() exec.TeamResolver                     { return teamFields{r} }
func (r *resolver) TeamMembership() exec.TeamMembershipResolver { return teamMembershipFields{r} }
func (r *resolver) Viewer() exec.ViewerResolver                 { return viewerFields{r} }
func (r *resolver) AdvisoryImport() exec.AdvisoryImportResolver { return importFields{r} }
func (r *resolver) HostName() exec.HostNameResolver             { return hostNameFields{r} }
func (r *resolver) Scan() exec.ScanResolver                     { return scanFields{r} }
func (r *resolver) Seal() exec.SealResolver                     { return sealFields{r} }

func (r *resolver) TrustRule() exec.TrustRuleResolver           { return trustRuleFields{r} }
func (r *resolver) TrustTestClaim() exec.TrustTestClaimResolver { return trustTestClaimFields{r} }

// read runs fn in a short transaction for reading.
func read[T any](ctx context.Context, r *resolver, fn func(context.Context, *db.Tx) (T, error)) (out T, err error) {
	err = r.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		out, err = fn(ctx, tx)
		return err
	})
	return out, err
}
