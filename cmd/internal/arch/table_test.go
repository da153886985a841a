package arch

// module is the path in front of every package of ours.
const module = "sluice.dev/sluice/"

// A row says what a group of packages may import of ours, what it must not
// import from anywhere, and why. Patterns end in /... for a package and all
// below it; the first row that matches a package counts. Packages that do not
// exist (yet) are fine.
type row struct {
	packages []string
	may      []string // of ours; a package's own group members need naming too
	never    []string // of the standard library and of other modules
	pure     bool     // no clock, no network, no context: a function of its arguments
	why      string
}

// leaves may be imported by everything but the packages that are even purer.
var leaves = []string{"tenants/scope", "tenants/errs", "tenants/coord"}

// forTests are the packages that only tests import. They may use whatever they
// are a test of.
var forTests = []string{"ent/db/dbtest", "tenants/blob/blobtest", "protocol/protocoltest"}

// pureRules are the two packages that evaluate without state.
var pureRules = []string{"tenants/policy/...", "tenants/license/..."}

// outside is what no part of the domain may know of: how it is asked.
var outside = []string{"net/http", "github.com/99designs/gqlgen/...", "github.com/vektah/gqlparser/..."}

// services in the order in which they stand on one another: each may import
// those before it.
var services = []string{
	"tenants/audit/...", "tenants/org/...", "tenants/platform/...", "tenants/access/...", "tenants/registry/...", "tenants/login/...", "tenants/catalog/...",
	"tenants/advisory/...", "tenants/quarantine/...", "tenants/finding/...", "tenants/gate/...", "tenants/intake/...",
}

func table() []row {
	rows := []row{
		{
			packages: leaves,
			never:    append([]string{"database/sql", "github.com/jackc/...", "entgo.io/..."}, outside...),
			why:      "leaves: everything imports them, so they import nothing of ours",
		},
		{
			packages: []string{"tenants/policy/..."}, may: []string{"tenants/coord", "tenants/license/..."},
			never: []string{"database/sql", "entgo.io/..."}, pure: true,
			why: "evaluation is a pure function of rules, waivers, facts and the time that it is given (P2)",
		},
		{
			packages: []string{"tenants/license/..."}, may: []string{"tenants/coord", "tenants/license/..."},
			never: []string{"database/sql", "entgo.io/..."}, pure: true,
			why: "licence rules are part of evaluation, which is pure (P2)",
		},
		{
			packages: []string{"tenants/blob/..."}, may: []string{"tenants/errs", "tenants/blob/..."},
			never: append([]string{"database/sql", "github.com/jackc/...", "entgo.io/..."}, outside...),
			why:   "bytes know no organization and no rows: what refers to them is the catalog's (T4, D3)",
		},
		{
			packages: []string{"ent/schema"}, may: append([]string{"ent/intercept", "ent/hook"}, leaves...),
			why: "entities and the tenant wall, from which ent is generated: services would close a circle",
		},
		{
			packages: []string{"ent/db/..."}, may: append([]string{"ent", "ent/...", "jobs/spec"}, leaves...), never: outside,
			why: "opens and migrates; who uses the database is above it",
		},
		{
			packages: []string{"ent/..."}, may: append([]string{"ent", "ent/..."}, leaves...),
			why: "generated code, which knows its schema only",
		},
		{
			packages: []string{"jobs/spec/..."},
			why:      "arguments and options of jobs: services enqueue them without knowing the workers",
		},
		{
			packages: []string{"jobs/scan/..."}, may: append([]string{"jobs/scan/...", "tenants/license/...", "tenants/advisory"}, leaves...),
			never: []string{"entgo.io/...", "database/sql", "github.com/jackc/..."},
			why:   "a scanner turns bytes into findings: it has no state and reaches none",
		},
		{
			packages: []string{"jobs/..."},
			may:      join([]string{"jobs", "jobs/spec/...", "jobs/scan/...", "ent/db", "tenants/blob/..."}, leaves, pureRules, services),
			never:    outside,
			why:      "a worker calls a domain function, page by page, each in its transaction; remotes arrive by interface",
		},
		{
			packages: []string{"protocol/upstream/..."}, may: []string{"tenants/errs", "protocol/upstream/..."},
			why: "the guarded client for remotes knows addresses, not packages (F6)",
		},
		{
			packages: []string{"protocol/idtoken/..."}, may: []string{"tenants/errs", "protocol/upstream/..."},
			never: []string{"entgo.io/...", "github.com/jackc/...", "database/sql"},
			why:   "checks what an outside issuer says, whose keys come through the guarded client; who is trusted is behind the services (F6)",
		},
		{
			packages: []string{"protocol/oidc/..."}, may: []string{"protocol/upstream/...", "tenants/login", "tenants/errs"},
			never: []string{"entgo.io/...", "github.com/jackc/..."},
			why:   "asks identity providers through the guarded client (F6); who somebody is here, login decides",
		},
		{
			packages: []string{"protocol/workload/..."}, may: []string{"protocol", "protocol/idtoken", "tenants/access", "tenants/errs"},
			never: []string{"entgo.io/...", "github.com/jackc/...", "database/sql"},
			why:   "takes identity tokens of jobs; which of them are trusted, and for what, is behind the services",
		},
		{
			packages: []string{"protocol/pages/..."},
			may:      join([]string{"protocol", "protocol/oidc/...", "tenants/login", "tenants/access", "tenants/org"}, leaves),
			never:    []string{"entgo.io/...", "github.com/jackc/..."},
			why:      "pages for people who log in, join, or make an organization: cookies and forms; what they may do is the services' answer",
		},
		{
			packages: []string{"protocol/operator/..."},
			may:      join([]string{"protocol", "tenants/audit", "tenants/org", "tenants/platform", "tenants/access", "tenants/login", "tenants/advisory"}, leaves),
			never:    []string{"entgo.io/...", "github.com/jackc/..."},
			why:      "pages for those who operate the platform: forms and tables; who they are, package login says, and what lies across organizations, package platform",
		},
		{
			packages: []string{"protocol"},
			may:      join([]string{"tenants/org/...", "tenants/registry/...", "tenants/access/...", "tenants/gate/...", "tenants/policy", "tenants/audit"}, leaves),
			never:    []string{"entgo.io/...", "github.com/jackc/..."},
			why:      "host, token, route, refusal and the page behind a refusal's link (F2), the same for all ecosystems; state is behind the services",
		},
		{
			packages: []string{"graph/..."},
			may:      join([]string{"graph", "graph/...", "ent", "ent/..."}, leaves, pureRules, services),
			why:      "resolvers of a few lines call services; the wire formats and the workers are not theirs",
		},
		{
			packages: []string{"frontend/..."},
			why:      "built files and the handler that serves them",
		},
		{
			packages: []string{"cmd/internal/apiclient/..."},
			why:      "knows of the server what any integrator does: the schema",
		},
		{
			packages: []string{"cmd/..."}, may: []string{"..."},
			why: "the wiring: it may import everything, and nothing imports it",
		},
	}
	for i, s := range services {
		rows = append(rows, row{
			packages: []string{s},
			may:      join([]string{"ent", "ent/...", "tenants/blob/...", "jobs/spec/..."}, leaves, pureRules, services[:i+1]),
			never:    outside,
			why:      "services stand on the ones below them, audit < org < platform < access < registry < login < catalog < advisory < quarantine < finding < gate < intake, and know neither HTTP nor GraphQL nor workers",
		})
	}
	for _, eco := range []string{"npm", "pypi", "maven", "nuget"} {
		own := "protocol/" + eco + "/..."
		rows = append(rows, row{
			packages: []string{own},
			may: join([]string{
				own, "protocol", "protocol/upstream/...", "protocol/idtoken", "tenants/gate/...", "tenants/intake/...",
				"tenants/catalog", "tenants/advisory", "tenants/access/...",
				// Published bytes are stored and inspected as they arrive, before
				// the write gate hears of them (F3, F4).
				"tenants/blob",
			}, leaves, pureRules),
			never: []string{"entgo.io/...", "github.com/jackc/...", "database/sql"},
			why:   "a wire format asks the one read gate and the one write gate (F7), and knows no other ecosystem",
		})
	}
	return rows
}

// join makes one list of several.
func join(lists ...[]string) []string {
	var out []string
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
