package access

import "strings"

// Action is something that a role may allow, named object:verb.
type Action string

// The actions. Their meaning, and where each can be granted, is in [Actions].
const (
	OrganizationRead   Action = "organization:read"
	OrganizationUpdate Action = "organization:update"

	RegistryRead           Action = "registry:read"
	RegistryCreate         Action = "registry:create"
	RegistryUpdate         Action = "registry:update"
	RegistryDelete         Action = "registry:delete"
	RegistryLink           Action = "registry:link"
	RegistryBypassFirewall Action = "registry:bypass-firewall"
	UpstreamUpdate         Action = "upstream:update"
	RemoteRead             Action = "remote:read"
	RemoteCreate           Action = "remote:create"
	RemoteUpdate           Action = "remote:update"

	VersionRead       Action = "version:read"
	VersionPublish    Action = "version:publish"
	VersionPromote    Action = "version:promote"
	VersionDelete     Action = "version:delete"
	VersionQuarantine Action = "version:quarantine"
	VersionRelease    Action = "version:release"
	TagUpdate         Action = "tag:update"
	OwnershipUpdate   Action = "ownership:update"
	TombstoneLift     Action = "tombstone:lift"

	PolicyRead     Action = "policy:read"
	PolicyUpdate   Action = "policy:update"
	FindingRead    Action = "finding:read"
	FindingUpdate  Action = "finding:update"
	WaiverRequest  Action = "waiver:request"
	WaiverApprove  Action = "waiver:approve"
	AdvisoryImport Action = "advisory:import"

	MemberRead   Action = "member:read"
	MemberManage Action = "member:manage"
	RoleManage   Action = "role:manage"
	GrantManage  Action = "grant:manage"
	TokenCreate  Action = "token:create"
	TokenManage  Action = "token:manage"

	AuditRead    Action = "audit:read"
	DecisionRead Action = "decision:read"
)

// Defined is an action with what a person who grants it should know.
type Defined struct {
	Action Action
	Doc    string // one sentence, as the console shows it
	// PerRegistry tells whether the action can be granted on one registry. The
	// others count only when granted on the whole organization (R9).
	PerRegistry bool
}

const (
	organization = false // granted on the whole organization only
	perRegistry  = true
)

var actions = []Defined{
	{OrganizationRead, "See the organization's name and settings.", organization},
	{OrganizationUpdate, "Change the organization's name, settings, reserved names and host names.", organization},

	{RegistryRead, "See a registry and install from it. Without it the registry does not exist for the subject.", perRegistry},
	{RegistryCreate, "Create and clone registries.", organization},
	{RegistryUpdate, "Rename, describe, archive and configure a registry.", perRegistry},
	{RegistryDelete, "Delete a registry, and undo that within seven days.", perRegistry},
	{RegistryLink, "Make the registry an upstream of another one, whose readers then read through it.", perRegistry},
	{RegistryBypassFirewall, "Connect a registry below a firewall to a remote directly, or take away its last path to a firewall.", organization},
	{UpstreamUpdate, "Add, order, filter and remove a registry's upstreams.", perRegistry},
	{RemoteRead, "See the organization's remotes; never their credentials.", organization},
	{RemoteCreate, "Add remotes: external sources with an address and a credential.", organization},
	{RemoteUpdate, "Change and remove remotes, and replace their credentials.", organization},

	{VersionRead, "See a registry's packages, versions and files, and why one is withheld.", perRegistry},
	{VersionPublish, "Publish and upload versions, and pull them in from an upstream.", perRegistry},
	{VersionPromote, "Push and promote versions from a registry into another one.", perRegistry},
	{VersionDelete, "Delete versions.", perRegistry},
	{VersionQuarantine, "Put versions under quarantine.", perRegistry},
	{VersionRelease, "Release versions from quarantine.", perRegistry},
	{TagUpdate, "Move and remove dist-tags.", perRegistry},
	{OwnershipUpdate, "Override or lift the ownership of a package name.", perRegistry},
	{TombstoneLift, "Let a version that was deleted for security in again.", perRegistry},

	{PolicyRead, "See a registry's rules and simulate drafts.", perRegistry},
	{PolicyUpdate, "Change a registry's rules.", perRegistry},
	{FindingRead, "See findings.", perRegistry},
	{FindingUpdate, "Acknowledge and close findings.", perRegistry},
	{WaiverRequest, "Ask for a waiver.", perRegistry},
	{WaiverApprove, "Approve, refuse and end waivers.", perRegistry},
	{AdvisoryImport, "Import an advisory snapshot.", organization},

	{MemberRead, "See members, roles and who has which.", organization},
	{MemberManage, "Add, deactivate and reactivate members.", organization},
	{RoleManage, "Create, change and delete custom roles.", organization},
	{GrantManage, "Give roles to members and service tokens, and take them away. Only roles that allow nothing more than one may do there oneself.", perRegistry},
	{TokenCreate, "Make personal tokens for oneself.", organization},
	{TokenManage, "Make service tokens, and see and revoke everybody's tokens.", organization},

	{AuditRead, "Read audit events.", perRegistry},
	{DecisionRead, "Read the decision log.", perRegistry},
}

// number gives every action its place in a set.
var number = func() map[Action]int {
	m := make(map[Action]int, len(actions))
	for i, d := range actions {
		m[d.Action] = i
	}
	if len(m) != len(actions) || len(m) > 64 {
		panic("access: actions are named twice, or do not fit a set")
	}
	return m
}()

// Actions returns every action, grouped by what it is about. The caller may
// change the slice.
func Actions() []Defined { return append([]Defined(nil), actions...) }

// Valid reports whether a is one of [Actions].
func (a Action) Valid() bool { _, ok := number[a]; return ok }

// PerRegistry reports whether a can be granted on one registry.
func (a Action) PerRegistry() bool {
	i, ok := number[a]
	return ok && actions[i].PerRegistry
}

// Reading reports whether a changes nothing, which is all that a read-only
// token may do (A2).
func (a Action) Reading() bool { return strings.HasSuffix(string(a), ":read") }

// set is a set of actions.
type set uint64

func setOf(list ...Action) (s set) {
	for _, a := range list {
		if i, ok := number[a]; ok {
			s |= 1 << i
		}
	}
	return s
}

func (s set) has(a Action) bool { i, ok := number[a]; return ok && s&(1<<i) != 0 }

func (s set) list() (out []Action) {
	for i, d := range actions {
		if s&(1<<i) != 0 {
			out = append(out, d.Action)
		}
	}
	return out
}

// reading and delegable are the actions for which [Action.Reading] and
// [Action.PerRegistry] hold.
var reading, delegable = func() (r, d set) {
	for i, a := range actions {
		if a.Action.Reading() {
			r |= 1 << i
		}
		if a.PerRegistry {
			d |= 1 << i
		}
	}
	return r, d
}()
