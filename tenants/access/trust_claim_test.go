package access

import (
	"strings"
	"testing"
)

// TestA2_Wildcards: a * stays inside the part where it stands, unless it ends
// the pattern, and whatever only begins or ends alike is another's.
func TestA2_Wildcards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"acme/widgets", "acme/widgets", true}, {"acme/widgets", "acme/widgets2", false}, {"acme/widgets", "ACME/widgets", false},
		{"acme/*", "acme/widgets", true}, {"acme/*", "acme/a/b", true}, {"acme/*", "acme-evil/x", false}, {"acme/*", "evil/acme/x", false}, {"acme/*", "acme", false},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/w:ref:refs/heads/main", true},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/w:ref:refs/heads/dev:ref:refs/heads/main", false},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/w/x:ref:refs/heads/main", false},
		{"refs/tags/v*", "refs/tags/v1.2.3", true}, {"refs/tags/v*", "refs/heads/v1", false}, {"refs/*/v1", "refs/tags/v1", true}, {"refs/*/v1", "refs/tags/x/v1", false},
		{"a.b/*", "axb/c", false}, {"[a-z]/*", "b/c", false}, {`\E.*/*`, "x/y", false},
		{"acme/*", "acme/x\ny", true}, {"refs/heads/main", "refs/heads/main\n", false},
		{"acme/*", "acme/" + strings.Repeat("x", maxMatched), false},
	} {
		if got := wildcard(c.pattern, c.text); got != c.want {
			t.Errorf("%q on %.80q = %v", c.pattern, c.text, got)
		}
	}
}

// TestA2_ClaimValues: only what the issuer says as one value of the right form
// matches; lists only where the provider may have some.
func TestA2_ClaimValues(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want  string
		value any
		lists bool
		match bool
	}{
		"text":               {"a", "a", false, true},
		"absent":             {"null", nil, true, false},
		"truth":              {"true", true, false, true},
		"truth by wildcard":  {"t*", true, false, false},
		"number":             {"42", float64(42), false, true},
		"number by wildcard": {"4*", float64(42), false, false},
		"list":               {"a", []any{"b", "a"}, true, true},
		"list of a provider": {"a", []any{"a"}, false, false},
		"list as text":       {`["a"]`, []any{"a"}, true, false},
		"list in a list":     {"a", []any{[]any{"a"}}, true, false},
		"object":             {"a", map[string]any{"a": "a"}, true, false},
		"object's text":      {"map[a:a]", map[string]any{"a": "a"}, true, false},
		"empty list":         {"", []any{}, true, false},
	} {
		if got := claimMatches(c.want, c.value, c.lists); got != c.match {
			t.Errorf("%s = %v", name, got)
		}
	}
	if claimsMatch(OtherIssuer, "https://ci.example", nil, map[string]any{"a": "b"}) {
		t.Error("a rule without claims matches")
	}
	if !claimsMatch(OtherIssuer, "https://ci.example", map[string]string{"groups": "b"}, map[string]any{"groups": []any{"a", "b"}}) ||
		claimsMatch(OtherIssuer, "https://ci.example", map[string]string{"sub": "b"}, map[string]any{"sub": []any{"a", "b"}}) ||
		claimsMatch(GitLabCI, "https://gitlab.acme.example", map[string]string{"project_path": "b"}, map[string]any{"project_path": []any{"a", "b"}}) {
		t.Error("lists match where they must not, or not where they may")
	}
}

// TestF5_TrustClaims: a rule that would let strangers in, or nobody, is refused
// with what would be right.
func TestF5_TrustClaims(t *testing.T) {
	t.Parallel()
	const hub, lab, other = "https://token.actions.githubusercontent.com", "https://gitlab.acme.example", "https://ci.example"
	for _, c := range []struct {
		provider TrustProvider
		issuer   string
		claims   map[string]string
		says     string // "" when it is right
	}{
		{GitHubActions, hub, map[string]string{"repository": "acme/widgets", "ref": "refs/heads/*"}, ""},
		{GitHubActions, hub, map[string]string{"repository_owner_id": "42", "repository": "acme/*", "environment": "prod"}, ""},
		{GitHubActions, hub, map[string]string{"repository": "acme/*"}, "name at least one exactly of the claims repository_owner_id"},
		{GitHubActions, hub, map[string]string{"repository_owner": "acme", "repository": "acme*"}, "does not come right after one of / : @"},
		{GitHubActions, hub, map[string]string{"repository_owner": "acme", "repository": "*/widgets"}, "does not come right after one of / : @"},
		{GitHubActions, hub, map[string]string{"repository_owner_id": "4*"}, "must be given in full"},
		{GitHubActions, hub, map[string]string{"ref": "refs/heads/main", "environment": "prod"}, "strangers"},
		{GitHubActions, hub, map[string]string{"job_workflow_ref": "acme/shared/.github/workflows/x.yml@refs/heads/main"}, "strangers"},
		{GitHubActions, hub, map[string]string{"actor": "ana"}, "strangers"},
		{GitHubActions, hub, map[string]string{"repositry": "acme/widgets"}, `no claim "repositry"`},
		{OtherIssuer, hub, map[string]string{"actor": "ana"}, "strangers"},
		{OtherIssuer, hub, map[string]string{"something_new": "x"}, "strangers"},
		{GitLabCI, lab, map[string]string{"project_path": "acme/widgets", "ref_protected": "true", "ref": "v*"}, ""},
		{GitLabCI, lab, map[string]string{"namespace_id": "72", "project_path": "acme/*"}, ""},
		{GitLabCI, lab, map[string]string{"ci_config_ref_uri": "gitlab.com/acme/w//.gitlab-ci.yml@refs/heads/main"}, "strangers"},
		{GitLabCI, lab, map[string]string{"user_login": "ana"}, "strangers"},
		{OtherIssuer, other, map[string]string{"sub": "build"}, ""},
		{OtherIssuer, other, map[string]string{"sub": "system:serviceaccount:ci:*"}, "name at least one exactly"},
		{OtherIssuer, other, map[string]string{"ref": "main"}, "name at least one exactly"},
		{OtherIssuer, other, map[string]string{"aud": "x"}, "the claim aud is checked"},
	} {
		err := checkClaims("test", c.provider, c.issuer, c.claims)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %v: %v, want %q", c.provider, c.claims, err, c.says)
		}
	}
}
