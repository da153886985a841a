package coord

import (
	"strings"
)

// maxNewNPMName is the length that the npm client allows in names to publish.
const maxNewNPMName = 214

// npmMarks are the characters that URLs keep as they are and that old names
// have; new names may have only the first three.
const (
	npmNewMarks = "-_."
	npmOldMarks = npmNewMarks + "!~*'()"
)

// reservedNPM can never be names: they collide with the folder that packages
// are installed to, with a path of the old registry website, and with
// properties that every JavaScript object has.
var reservedNPM = []string{"node_modules", "favicon.ico", "__proto__", "constructor", "prototype"}

// nodeCoreModules are the modules that Node.js answers itself, so that a new
// package of that name could not be imported.
var nodeCoreModules = []string{
	"assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants", "crypto",
	"dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https", "inspector",
	"module", "net", "os", "path", "perf_hooks", "process", "punycode", "querystring", "readline", "repl",
	"stream", "string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url", "util", "v8", "vm",
	"wasi", "worker_threads", "zlib",
}

// splitNPM returns the scope without its "@" ("" when there is none), the part
// after it, and the offset of that part.
func splitNPM(name string) (scope, base string, at int) {
	if !strings.HasPrefix(name, "@") {
		return "", name, 0
	}
	scope, base, found := strings.Cut(name[1:], "/")
	if !found {
		return scope, "", len(name)
	}
	return scope, base, len(scope) + 2
}

// checkNPMName holds what the npm client's name check says of packages that
// exist already, and refuses scopes that begin with ".".
func checkNPMName(raw string) error {
	what := nameOf(NPM)
	scope, base, at := splitNPM(raw)
	if at > 0 && scope == "" || base == "" {
		return wrong(what, raw, min(at, len(raw)), "must be name or @scope/name")
	}
	if i, r := firstOutside(scope, isNPMChar); i >= 0 {
		return wrong(what, raw, 1+i, "must not contain %q in the scope", r)
	}
	if i, r := firstOutside(base, isNPMChar); i >= 0 {
		return wrong(what, raw, at+i, "must not contain %q; only letters, digits, '-', '_' and '.'", r)
	}
	if scope != "" && scope[0] == '.' {
		return wrong(what, raw, 1, "must not have a scope that begins with '.'")
	}
	if base[0] == '.' || at == 0 && (base[0] == '_' || base[0] == '-') {
		return wrong(what, raw, at, "must not begin with %q", base[0])
	}
	for _, reserved := range reservedNPM[:2] {
		if at == 0 && strings.EqualFold(raw, reserved) {
			return wrong(what, raw, -1, "is reserved")
		}
	}
	return nil
}

func isNPMChar(r rune) bool { return isAlphanumeric(r) || strings.ContainsRune(npmOldMarks, r) }

// NewName checks a name under which a new package is to be published, which is
// stricter than what may be read: for npm lower case, at most 214 characters,
// no part that begins with "." or "_", none of ~'!()*, no reserved name and no
// module of Node.js. The other ecosystems have one rule for both.
func NewName(e Ecosystem, raw string) error {
	if _, err := NormalizeName(e, raw); err != nil || e != NPM {
		return err
	}
	what := "new " + nameOf(NPM)
	if len(raw) > maxNewNPMName {
		return wrong(what, raw, maxNewNPMName, "is %d characters long; at most %d are allowed", len(raw), maxNewNPMName)
	}
	scope, base, at := splitNPM(raw)
	if lower := strings.ToLower(raw); lower != raw {
		return wrong(what, raw, -1, "must be lower case: %s", lower)
	}
	if i := strings.IndexAny(raw, npmOldMarks[len(npmNewMarks):]); i >= 0 {
		return wrong(what, raw, i, "must not contain %q", raw[i])
	}
	if strings.HasPrefix(scope, "_") {
		return wrong(what, raw, 1, "must not have a scope that begins with '_'")
	}
	if base[0] == '_' || base[0] == '-' {
		return wrong(what, raw, at, "must not begin with %q", base[0])
	}
	return checkNotReserved(what, raw, base, at > 0)
}

func checkNotReserved(what, raw, base string, scoped bool) error {
	for _, name := range reservedNPM {
		if base == name {
			return wrong(what, raw, -1, "must not be named %s, which is reserved", name)
		}
	}
	for _, name := range nodeCoreModules {
		if !scoped && base == name {
			return wrong(what, raw, -1, "is the name of a module of Node.js; choose another or add a scope")
		}
	}
	return nil
}
