package gate

import (
	"net/url"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/policy"
	"sluice.dev/sluice/tenants/registry"
)

// View is the compiled answer for one package in one registry. It is immutable
// and shared by all requests until something it was computed from changes.
type View struct {
	Org        uuid.UUID
	Registry   uuid.UUID
	Name       string // of the registry
	Package    coord.Package
	Base       *Listing          // whose top-level fields are shown: the first source's; nil when only held versions are known
	Entries    []Entry           // every known version, allowed and withheld, ascending
	Tags       map[string]string // after P7: never on a hidden version
	Modified   time.Time         // newest publish time among shown versions; zero when none is known
	Warnings   []string          // values of Warning headers, for example a stale document (R3)
	Print      string            // changes exactly when a rendering could change; no secret
	ValidUntil time.Time         // next instant at which time alone may change it; zero = never
	DecisionID string            // of the row that records this list's withheld versions; "" when none is withheld
	Own        *Own              // what the registry itself says of the package; nil for nothing

	Snapshot time.Time // of the advisory data it was decided with; zero = no feed (P3)

	byVersion map[string]int
	sources   []viewSource // what it was computed from besides the database
	stamp     stamp
	renders   *Renders
}

// viewSource is a remote's document that a view was computed from.
type viewSource struct {
	remote  *registry.Remote
	doc     *document
	failing bool // then
}

// weight is about how many bytes the view keeps in memory.
func (v *View) weight() uint32 {
	n := 1024
	if v.Base != nil {
		n += len(v.Base.Raw) / 2 // shared with other registries' views
	}
	for i := range v.Entries {
		n += 512 + 384*len(v.Entries[i].Decision.Verdicts)
	}
	if v.Own != nil {
		n += 64 * (len(v.Own.Maintainers) + len(v.Own.Stars))
	}
	return bounded(n)
}

// Own is what a registry itself says of a package besides its versions.
type Own struct {
	Revision    string // that a change must name; opaque, of one line
	Maintainers []coord.Person
	Stars       []string // names of subjects
}

// Entry is one version in a View.
type Entry struct {
	*Listed
	Origin     coord.Origin
	Held       bool // by the view's registry
	FirstSeen  bool // Published is when we first saw it: the source has no date (R5)
	Decision   policy.Decision
	Deprecated *string // what is said against its use here instead of what its metadata says, "" for nothing; nil: as that says

	source *candidate
}

// Entry returns the entry of a normalized version, or nil.
func (v *View) Entry(version string) *Entry {
	if i, ok := v.byVersion[version]; ok {
		return &v.Entries[i]
	}
	return nil
}

// Suggest returns the version to install instead of a withheld one: the lowest
// allowed stable one above it with the same first number, else the highest
// allowed stable one, else "".
func (v *View) Suggest(version string) string {
	e := v.Package.Ecosystem
	best, same := "", ""
	for _, x := range v.Entries {
		if x.Decision.Withheld() || coord.IsPrerelease(e, x.Version) {
			continue
		}
		best = x.Version
		if same == "" && coord.Compare(e, x.Version, version) > 0 && coord.SameMajor(e, x.Version, version) {
			same = x.Version
		}
	}
	if same != "" {
		return same
	}
	return best
}

// Withheld returns the withheld entries, ascending.
func (v *View) Withheld() []*Entry {
	var out []*Entry
	for i := range v.Entries {
		if v.Entries[i].Decision.Withheld() {
			out = append(out, &v.Entries[i])
		}
	}
	return out
}

// Rendered is a finished body in one representation.
type Rendered struct {
	Body []byte
	ETag string // strong, quoted
}

// Render returns the view's rendering under a key (representation, base URL,
// content encoding), making it at most once at a time however many ask (the
// byte budget may drop it again). The function must be pure.
func (v *View) Render(key string, make func() ([]byte, error)) (Rendered, error) {
	return v.renders.get(v, key, make)
}

// OpenRequest asks for the bytes of a file.
type OpenRequest struct {
	Registry uuid.UUID
	Package  coord.Package
	Version  string // normalized
	File     string // its name
	Whole    bool   // HEAD and ranges: wait until all bytes are here and verified
	Cut      func() // called at most once if the version is withheld while the response runs (Q2)
}

// Opened is the answer to an OpenRequest: content or a refusal, never both.
type Opened struct {
	Content *Content
	Refusal *Refusal
}

// Refusal is a withheld version as a client is told about it.
type Refusal struct {
	Version    coord.Version
	Registry   string // name of the registry that was asked
	Decision   policy.Decision
	Instead    string // version to install instead, "" when none is allowed
	DecisionID string // 128 random bits, for the link (F2)
}

// Path returns the path of the refusal's page below the organization's root.
func (r *Refusal) Path() string { return "/-/decisions/" + url.PathEscape(r.DecisionID) }
