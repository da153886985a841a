package license

import (
	"strings"

	"github.com/github/go-spdx/v2/spdxexp/spdxlicenses"
)

// replacements say what ids that the SPDX list deprecates mean today. The GNU
// ids with a bare number or a "+" follow a rule and are not listed.
var replacements = map[string]string{
	"BSD-2-Clause-FreeBSD":             "BSD-2-Clause-Views",
	"BSD-2-Clause-NetBSD":              "BSD-2-Clause",
	"bzip2-1.0.5":                      "bzip2-1.0.6",
	"eCos-2.0":                         "GPL-2.0-or-later WITH eCos-exception-2.0",
	"GPL-2.0-with-autoconf-exception":  "GPL-2.0-only WITH Autoconf-exception-2.0",
	"GPL-2.0-with-bison-exception":     "GPL-2.0-only WITH Bison-exception-2.2",
	"GPL-2.0-with-classpath-exception": "GPL-2.0-only WITH Classpath-exception-2.0",
	"GPL-2.0-with-font-exception":      "GPL-2.0-only WITH Font-exception-2.0",
	"GPL-2.0-with-GCC-exception":       "GPL-2.0-only WITH GCC-exception-2.0",
	"GPL-3.0-with-autoconf-exception":  "GPL-3.0-only WITH Autoconf-exception-3.0",
	"GPL-3.0-with-GCC-exception":       "GPL-3.0-only WITH GCC-exception-3.1",
	"Nunit":                            "zlib-acknowledgement",
	"StandardML-NJ":                    "SMLNJ",
	"wxWindows":                        "GPL-2.0-or-later WITH WxWindows-exception-3.1",
}

// deprecatedID returns what a deprecated id means today: the replacement, or
// for the GNU ids "-only" for a bare number and "-or-later" for a "+". Ids
// without a replacement stay as they are.
func deprecatedID(text string) (string, bool) {
	known, id := spdxlicenses.IsDeprecatedLicense(text)
	if !known {
		return "", false
	}
	if replaced, ok := replacements[id]; ok {
		return replaced, true
	}
	if family, plus := strings.CutSuffix(id, "+"); plus {
		return family + "-or-later", true
	}
	if only := id + "-only"; isListed(only) {
		return only, true
	}
	return id, true
}

func isListed(id string) bool {
	known, _ := spdxlicenses.IsActiveLicense(id)
	return known
}
