package access

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sluice.dev/sluice/tenants/errs"
)

// registered are the claims that every token has checked already.
var registered = []string{"iss", "aud", "exp", "iat", "nbf", "jti"}

// circumstances are claims that say when, how or from which branch a job runs.
// Whoever has an account at the issuer can have any value of them, so that a
// wildcard in them opens nothing, and an exact one keeps nobody out.
var circumstances = []string{"ref", "ref_path", "ref_type", "ref_protected", "base_ref", "head_ref", "environment", "environment_protected", "deployment_tier",
	"event_name", "pipeline_source", "runner_environment", "repository_visibility", "project_visibility", "job_workflow_ref", "ci_config_ref_uri"}

// maxMatched bounds the value of a claim that is compared with a wildcard, in
// bytes.
const maxMatched = 2_000

// checkClaims refuses claims that could not match, or that would match
// strangers. The provider's issuer is set.
func checkClaims(op string, provider TrustProvider, issuer string, claims map[string]string) error {
	if len(claims) == 0 || len(claims) > MaxTrustClaims {
		return errs.New(errs.Invalid, op, "the rule names %d claims; want 1 to %d, such as repository: acme/widgets", len(claims), MaxTrustClaims).On("claims")
	}
	preset, identified := presetOf(provider, issuer), false
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if err := checkClaim(op, name, claims[name]); err != nil {
			return err
		}
		identifies := !slices.Contains(circumstances, name)
		if preset != nil {
			known, ok := preset.claim(name)
			if !ok && provider == preset.Provider {
				return errs.New(errs.Invalid, op, "tokens of %s have no claim %q; they have %s. With the provider OTHER any claim can be named", provider, name,
					strings.Join(preset.names(func(PresetClaim) bool { return true }), ", ")).On("claims")
			}
			identifies = known.Identifies
		}
		identified = identified || identifies && !strings.Contains(claims[name], "*")
	}
	switch {
	case identified:
		return nil
	case preset != nil:
		return errs.New(errs.Invalid, op, "name at least one exactly of the claims %s, so that strangers at the same issuer stay out",
			strings.Join(preset.names(func(c PresetClaim) bool { return c.Identifies }), ", ")).On("claims")
	}
	return errs.New(errs.Invalid, op, "name at least one exactly of the claims that say who it is, such as repository_owner: acme, without a *, so that strangers at the same issuer stay out").On("claims")
}

func checkClaim(op, name, value string) error {
	printable := func(s string) bool {
		return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
	}
	switch {
	case name == "" || len(name) > maxClaimName || !printable(name):
		return errs.New(errs.Invalid, op, "%.120q is no name of a claim; want 1 to %d printable bytes", name, maxClaimName).On("claims")
	case slices.Contains(registered, name):
		return errs.New(errs.Invalid, op, "the claim %s is checked for every token; name what tells identities apart, such as sub or repository", name).On("claims")
	case strings.Trim(value, "*") == "" || len(value) > maxClaimValue || !printable(value):
		return errs.New(errs.Invalid, op, "the claim %s must be compared with 1 to %d printable bytes that are not only *", name, maxClaimValue).On("claims")
	}
	return checkWildcards(op, name, value)
}

// delimiters end the parts that names of repositories, projects and workflows
// are made of. A wildcard goes up to one.
const delimiters = "/:@"

// checkWildcards refuses a * where it would let strangers in: acme* is also
// acme-evil, and */widgets is everybody's.
func checkWildcards(op, name, value string) error {
	if !strings.Contains(value, "*") || slices.Contains(circumstances, name) {
		return nil
	}
	if name == "id" || strings.HasSuffix(name, "_id") || strings.HasSuffix(name, "-id") {
		return errs.New(errs.Invalid, op, "the claim %s is an id, which must be given in full, without a *", name).On("claims")
	}
	for i, r := range value {
		if r == '*' && (i == 0 || !strings.ContainsRune(delimiters, rune(value[i-1]))) {
			return errs.New(errs.Invalid, op, "the claim %s has a * that does not come right after one of %s, as in acme/*; %s would also match names that only begin or end alike", name,
				strings.Join(strings.Split(delimiters, ""), " "), value).On("claims")
		}
	}
	return nil
}

// ClaimTest is how one claim of a rule fared.
type ClaimTest struct {
	Name    string
	Wanted  string
	Given   string // as JSON; "" when the identity does not have the claim
	Matches bool
}

// testClaims compares every claim of a rule, by name.
func testClaims(provider TrustProvider, issuer string, wanted map[string]string, given map[string]any) (out []ClaimTest) {
	lists := presetOf(provider, issuer) == nil
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		t := ClaimTest{Name: name, Wanted: wanted[name]}
		if v, ok := given[name]; ok {
			if text, err := json.Marshal(v); err == nil {
				t.Given = string(text)
			}
			t.Matches = claimMatches(wanted[name], v, lists && name != "sub")
		}
		out = append(out, t)
	}
	return out
}

func claimsMatch(provider TrustProvider, issuer string, wanted map[string]string, given map[string]any) bool {
	return len(wanted) > 0 && !slices.ContainsFunc(testClaims(provider, issuer, wanted, given), func(t ClaimTest) bool { return !t.Matches })
}

// claimMatches compares a claim's value with the one wanted. With lists, a list
// matches by one of its elements; an object and null never match.
func claimMatches(want string, value any, lists bool) bool {
	switch v := value.(type) {
	case string:
		return wildcard(want, v)
	case bool:
		return want == strconv.FormatBool(v)
	case float64, json.Number:
		b, err := json.Marshal(v)
		return err == nil && want == string(b)
	case []any:
		return lists && slices.ContainsFunc(v, func(e any) bool { return claimMatches(want, e, false) })
	}
	return false
}

// wildcard reports whether text is the pattern. A "*" at the end stands for any
// run of characters, one before that for a run without a delimiter, so that it
// stays inside the part where it stands.
func wildcard(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if len(text) > maxMatched || !strings.HasPrefix(text, parts[0]) {
		return false
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i, p := range parts {
		switch {
		case i == 0:
		case i == len(parts)-1 && p == "":
			b.WriteString(`.*`)
		default:
			b.WriteString(`[^` + delimiters + `]*`)
		}
		b.WriteString(regexp.QuoteMeta(p))
	}
	re, err := regexp.Compile(b.String() + `\z`)
	return err == nil && re.MatchString(text)
}
