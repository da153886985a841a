// Package client writes what each package client needs in its configuration in
// order to use a registry. It is pure.
package client

import (
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// Setting is the text for one client. A token is named by the environment
// variable SLUICE_TOKEN, never written out.
type Setting struct {
	Client string // for example npm
	File   string // where it belongs
	Text   string
}

// Settings returns the texts for a registry at a URL, which has no final slash.
// It is empty for an ecosystem that is none.
func Settings(e coord.Ecosystem, name, url string) []Setting {
	switch e {
	case coord.NPM:
		return npm(url)
	case coord.PyPI:
		return pypi(url)
	case coord.Maven:
		return maven(name, url)
	case coord.NuGet:
		return nuget(name, url)
	}
	return nil
}

// bare is a URL without its scheme, as npm names credentials.
func bare(url string) string {
	_, rest, _ := strings.Cut(url, ":")
	return rest
}

func npm(url string) []Setting {
	rc := "registry=" + url + "/\n" + bare(url) + "/:_authToken=${SLUICE_TOKEN}\n"
	berry := "npmRegistryServer: \"" + url + "\"\nnpmAuthToken: \"${SLUICE_TOKEN}\"\nnpmAlwaysAuth: true\n"
	if host, plain := strings.CutPrefix(url, "http://"); plain {
		host, _, _ = strings.Cut(host, "/")
		host, _, _ = strings.Cut(host, ":")
		berry += "unsafeHttpWhitelist:\n  - \"" + host + "\"\n"
	}
	return []Setting{
		{"npm", ".npmrc", rc},
		{"pnpm", ".npmrc", rc},
		// Yarn 1 sends no token for packages without a scope unless told to.
		{"Yarn 1", ".npmrc", rc + "always-auth=true\n"},
		{"Yarn 2 and later", ".yarnrc.yml", berry},
		{"Bun", ".npmrc", rc},
		{"Deno", ".npmrc", rc},
	}
}

// withUser puts the token into a URL as the password of a user whose name does
// not matter.
func withUser(url, token string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	return scheme + "://token:" + token + "@" + rest
}

func pypi(url string) []Setting {
	return []Setting{
		{"pip", "pip.conf", "[global]\nindex-url = " + withUser(url, "${SLUICE_TOKEN}") + "/simple/\n"},
		{"uv", "pyproject.toml", "[[tool.uv.index]]\nname = \"sluice\"\nurl = \"" + url + "/simple/\"\ndefault = true\n\n" +
			"# with UV_INDEX_SLUICE_USERNAME=token and UV_INDEX_SLUICE_PASSWORD=$SLUICE_TOKEN in the environment\n"},
		{"Twine", ".pypirc", "[distutils]\nindex-servers = sluice\n\n[sluice]\nrepository = " + url + "/\nusername = token\n" +
			"# with TWINE_PASSWORD=$SLUICE_TOKEN in the environment\n"},
		{"Poetry", "command line", "poetry source add --priority=primary sluice " + url + "/simple/\npoetry config http-basic.sluice token \"$SLUICE_TOKEN\"\n"},
	}
}

func maven(name, url string) []Setting {
	return []Setting{
		{"Maven", "settings.xml", "<settings>\n  <mirrors>\n    <mirror>\n      <id>" + name + "</id>\n      <mirrorOf>*</mirrorOf>\n      <url>" + url +
			"</url>\n    </mirror>\n  </mirrors>\n  <servers>\n    <server>\n      <id>" + name +
			"</id>\n      <username>token</username>\n      <password>${env.SLUICE_TOKEN}</password>\n    </server>\n  </servers>\n</settings>\n"},
		{"Gradle", "settings.gradle", "dependencyResolutionManagement {\n  repositories {\n    maven {\n      url = '" + url +
			"'\n      credentials {\n        username = 'token'\n        password = System.getenv('SLUICE_TOKEN')\n      }\n    }\n  }\n}\n"},
	}
}

func nuget(name, url string) []Setting {
	return []Setting{
		{"NuGet and dotnet", "nuget.config", "<configuration>\n  <packageSources>\n    <clear />\n    <add key=\"sluice\" value=\"" + url +
			"/v3/index.json\" />\n  </packageSources>\n  <packageSourceCredentials>\n    <sluice" +
			">\n      <add key=\"Username\" value=\"token\" />\n      <add key=\"ClearTextPassword\" value=\"%SLUICE_TOKEN%\" />\n    </sluice" +
			">\n  </packageSourceCredentials>\n</configuration>\n"},
	}
}
