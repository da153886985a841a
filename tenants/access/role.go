package access

// BuiltIn is a role that every organization has and nobody can change (A3).
type BuiltIn struct {
	Name string
	Doc  string
	// OnRegistry tells whether the role can be granted on one registry. Such a
	// role can also be granted on the organization: then it holds on every
	// registry, those to come included.
	OnRegistry bool
	Actions    []Action
}

// The built-in roles.
const (
	Owner   = "owner"
	Admin   = "admin"
	Auditor = "auditor"
	// Ordinary is what a new member is given. Its name is "member".
	Ordinary = "member"

	RegistryAdmin = "registry-admin"
	Security      = "security"
	Publisher     = "publisher"
	Reader        = "reader"
)

var (
	readerActions    = []Action{RegistryRead, VersionRead, PolicyRead, FindingRead, WaiverRequest}
	publisherActions = append(readerActions[:len(readerActions):len(readerActions)], VersionPublish, VersionPromote, TagUpdate)
	securityActions  = append(readerActions[:len(readerActions):len(readerActions)],
		VersionQuarantine, VersionRelease, VersionDelete, TombstoneLift, OwnershipUpdate,
		PolicyUpdate, FindingUpdate, WaiverApprove, AuditRead, DecisionRead)
)

// builtIn in the order in which they are always shown, the widest first.
var builtIn = []BuiltIn{
	{Owner, "Everything, past the firewall included. An organization always has one.", false, all(nil)},
	{Admin, "Everything but leading a registry past its firewall.", false, all(func(a Defined) bool { return a.Action != RegistryBypassFirewall })},
	{Auditor, "See everything and change nothing.", false, all(func(a Defined) bool { return a.Action.Reading() })},
	{Ordinary, "See the organization and its members, and make personal tokens. Registries come with roles on them.", false,
		[]Action{OrganizationRead, MemberRead, TokenCreate}},

	{RegistryAdmin, "Everything on a registry, delegation included.", true, all(func(a Defined) bool { return a.PerRegistry })},
	{Security, "Judge what a registry lets in: rules, quarantine, waivers, deletion.", true, securityActions},
	{Publisher, "Install, publish, promote and tag.", true, publisherActions},
	{Reader, "Install, and see why something is withheld.", true, readerActions},
}

func all(keep func(Defined) bool) (out []Action) {
	for _, a := range actions {
		if keep == nil || keep(a) {
			out = append(out, a.Action)
		}
	}
	return out
}

// BuiltInRoles returns the built-in roles, the widest first. The caller may
// change the slice, but not the actions.
func BuiltInRoles() []BuiltIn { return append([]BuiltIn(nil), builtIn...) }

func builtInRole(name string) (BuiltIn, bool) {
	for _, r := range builtIn {
		if r.Name == name {
			return r, true
		}
	}
	return BuiltIn{}, false
}
