package access

import "slices"

// TrustProvider names the kind of service that a trust rule's issuer is, whose
// claims are known.
type TrustProvider string

// The providers.
const (
	GitHubActions TrustProvider = "GITHUB"
	GitLabCI      TrustProvider = "GITLAB"
	OtherIssuer   TrustProvider = "OTHER"
)

// TrustPreset says what is known of a provider's identity tokens.
type TrustPreset struct {
	Provider TrustProvider
	Issuer   string // of the hosted service; self-managed installations have their own
	Claims   []PresetClaim
}

// PresetClaim is a claim that a provider's tokens have. All of them are single
// values, never lists.
type PresetClaim struct {
	Name    string
	Doc     string
	Example string
	// Identifies tells that the claim's exact value says whose job it is. A rule
	// needs one of those: what everybody at the issuer can have, such as a
	// branch or a shared workflow, keeps no stranger out.
	Identifies bool
}

// The claims of GitHub's tokens are described at
// docs.github.com/actions/reference/openid-connect-reference, those of GitLab's
// at docs.gitlab.com/ci/secrets/id_token_authentication.
var trustPresets = []TrustPreset{
	{GitHubActions, "https://token.actions.githubusercontent.com", []PresetClaim{
		{"repository_owner_id", "The id of the user or organization that owns the repository. Names can change hands, ids do not.", "12345678", true},
		{"repository_id", "The id of the repository.", "87654321", true},
		{"repository", "The repository, with its owner.", "acme/widgets", true},
		{"repository_owner", "The user or organization that owns the repository.", "acme", true},
		{"ref", "The branch or tag that the workflow runs for.", "refs/heads/main", false},
		{"ref_type", "Whether it runs for a branch or a tag.", "branch", false},
		{"ref_protected", "Whether the branch or tag is protected.", "true", false},
		{"environment", "The deployment environment of the job, which can ask for approval.", "production", false},
		{"workflow_ref", "The file of the workflow, with its repository and ref.", "acme/widgets/.github/workflows/release.yml@refs/heads/main", true},
		{"job_workflow_ref", "The file of a reusable workflow. Anybody may call a public one, so that it says nothing of the caller.", "acme/shared/.github/workflows/publish.yml@refs/tags/v1", false},
		{"repository_visibility", "Whether the repository is public, internal or private.", "private", false},
		{"event_name", "What started the workflow.", "push", false},
		{"runner_environment", "Whether GitHub's own runner runs the job, or the owner's.", "github-hosted", false},
		{"actor", "Who started the workflow, whosever repository it is in.", "ana", false},
		{"actor_id", "The id of who started the workflow.", "1234", false},
		{"enterprise_id", "The id of the enterprise that the repository belongs to.", "42", true},
		{"base_ref", "The branch that a pull request wants to change.", "main", false},
		{"head_ref", "The branch that a pull request comes from.", "fix", false},
		{"sub", "All of the above in one text, as the repository's owner chose to form it.", "repo:acme/widgets:environment:production", true},
	}},
	{GitLabCI, "https://gitlab.com", []PresetClaim{
		{"project_path", "The project, with its groups.", "acme/widgets", true},
		{"project_id", "The id of the project.", "22", true},
		{"namespace_id", "The id of the group or user that the project is in. Names can change hands, ids do not.", "72", true},
		{"namespace_path", "The group or user that the project is in.", "acme", true},
		{"ref", "The branch or tag that the pipeline runs for.", "main", false},
		{"ref_type", "Whether it runs for a branch or a tag.", "branch", false},
		{"ref_path", "The ref in full.", "refs/heads/main", false},
		{"ref_protected", "Whether the branch or tag is protected.", "true", false},
		{"environment", "The environment that the job deploys to.", "production", false},
		{"environment_protected", "Whether the environment is protected.", "true", false},
		{"deployment_tier", "The tier of the environment.", "production", false},
		{"ci_config_ref_uri", "The file of the pipeline, which may lie in another project.", "gitlab.com/acme/widgets//.gitlab-ci.yml@refs/heads/main", false},
		{"pipeline_source", "What started the pipeline.", "push", false},
		{"project_visibility", "Whether the project is public, internal or private.", "private", false},
		{"runner_environment", "Whether GitLab's own runner runs the job, or the owner's.", "gitlab-hosted", false},
		{"user_login", "Who started the pipeline, whosever project it is in.", "ana", false},
		{"user_id", "The id of who started the pipeline.", "7", false},
		{"sub", "Project and ref in one text.", "project_path:acme/widgets:ref_type:branch:ref:main", true},
	}},
}

// TrustPresets returns what is known of each provider but [OtherIssuer]. The
// caller may change the slice, but not the claims.
func TrustPresets() []TrustPreset { return slices.Clone(trustPresets) }

// presetOf returns the preset of a provider, or of whoever has its issuer; nil
// for others.
func presetOf(p TrustProvider, issuer string) *TrustPreset {
	for i := range trustPresets {
		if have := &trustPresets[i]; have.Provider == p || have.Issuer == issuer {
			return have
		}
	}
	return nil
}

func (p *TrustPreset) claim(name string) (PresetClaim, bool) {
	for _, c := range p.Claims {
		if c.Name == name {
			return c, true
		}
	}
	return PresetClaim{}, false
}

func (p *TrustPreset) names(only func(PresetClaim) bool) (out []string) {
	for _, c := range p.Claims {
		if only(c) {
			out = append(out, c.Name)
		}
	}
	return out
}
