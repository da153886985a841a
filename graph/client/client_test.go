package client_test

import (
	"strings"
	"testing"

	"sluice.dev/sluice/graph/client"
	"sluice.dev/sluice/tenants/coord"
)

func TestSettings(t *testing.T) {
	const url = "http://127.0.0.1:8080/o/acme/npm/team"
	for _, e := range coord.Ecosystems() {
		all := client.Settings(e, "team", url)
		if len(all) == 0 {
			t.Errorf("%s has no settings", e)
		}
		for _, s := range all {
			if !strings.Contains(s.Text, "127.0.0.1:8080/o/acme/npm/team") || !strings.Contains(s.Text, "SLUICE_TOKEN") {
				t.Errorf("%s names neither the registry nor the token:\n%s", s.Client, s.Text)
			}
		}
	}
	if client.Settings("CARGO", "x", url) != nil {
		t.Error("an ecosystem that is none has settings")
	}
	npm := client.Settings(coord.NPM, "team", url)[0]
	if want := "registry=" + url + "/\n//127.0.0.1:8080/o/acme/npm/team/:_authToken=${SLUICE_TOKEN}\n"; npm.Text != want {
		t.Errorf("npm: %s, want %s", npm.Text, want)
	}
	for _, s := range client.Settings(coord.NPM, "team", url) {
		if s.File == ".yarnrc.yml" && !strings.Contains(s.Text, `- "127.0.0.1"`) {
			t.Errorf("Yarn refuses plain http unless the host is listed:\n%s", s.Text)
		}
	}
}
