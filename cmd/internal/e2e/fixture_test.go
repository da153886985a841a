package e2e

import (
	"fmt"
	"testing"

	"sluice.dev/sluice/protocol/protocoltest"
)

// grove is how many packages the short form's project has.
const grove = 160

// fixture is the short form's source. It has the same well-known packages as
// the real one, as far as the cases ask for them, and a tree of packages that
// need each other.
func fixture(t *testing.T) *protocoltest.NPM {
	t.Helper()
	n := protocoltest.NewNPM(t)
	for name, versions := range map[string][]string{
		"lodash":         {"4.17.19", "4.17.20", "4.17.21"},
		"ws":             {"7.5.9", "7.5.10", "8.0.0", "8.16.0", "8.17.1", "8.18.0"},
		"left-pad":       {"1.2.0", "1.3.0"},
		"is-number":      {"6.0.0", "7.0.0"},
		"is-odd":         {"2.0.0", "3.0.1"},
		"is-even":        {"0.1.2", "1.0.0"},
		"repeat-string":  {"1.6.0", "1.6.1"},
		"pad-left":       {"2.0.0", "2.1.0"},
		"@acme/greeting": {"9.9.9"}, // somebody else's, of the name that Acme owns
	} {
		for _, v := range versions {
			n.Publish(name, v, protocoltest.Release{})
		}
	}
	for i := range grove {
		needs := map[string]string{}
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < grove {
				needs[tree(child)] = "^1.0.0"
			}
		}
		n.Publish(tree(i), "1.0.0", protocoltest.Release{Dependencies: needs})
		n.Publish(tree(i), "1.1.0", protocoltest.Release{Dependencies: needs, Files: map[string]string{"lib/a.js": "exports.a = 1;\n"}})
	}
	return n
}

// tree names the packages of the tree; every third has a scope.
func tree(i int) string {
	if i%3 == 2 {
		return fmt.Sprintf("@grove/tree-%03d", i)
	}
	return fmt.Sprintf("tree-%03d", i)
}
