package license

import (
	"net/url"
	"regexp"
	"strings"
)

// addresses map addresses of licence texts to what they are about. They see
// lower case, without scheme, "www." and the ending of a file.
var addresses = []struct {
	pattern *regexp.Regexp
	id      string
}{
	{regexp.MustCompile(`^apache\.org/licen[cs]es/license-(\d\.\d)$`), "Apache-$1"},
	{regexp.MustCompile(`^apache\.org/licen[cs]es$`), "Apache-2.0"},
	{regexp.MustCompile(`^creativecommons\.org/licen[cs]es/publicdomain$`), "CC-PDDC"},
	{regexp.MustCompile(`^creativecommons\.org/licen[cs]es/(by[a-z-]*)/(\d\.\d)`), "CC-$1-$2"},
	{regexp.MustCompile(`^creativecommons\.org/publicdomain/zero/1\.0`), "CC0-1.0"},
	{regexp.MustCompile(`^eclipse\.org/legal/epl-v?(\d)\.?(\d)$`), "EPL-$1.$2"},
	{regexp.MustCompile(`^eclipse\.org/org/documents/epl-(\d\.\d)`), "EPL-$1"},
	{regexp.MustCompile(`^eclipse\.org/org/documents/edl-v10`), "BSD-3-Clause"},
	{regexp.MustCompile(`^gnu\.org/copyleft/lesser$`), "LGPL-3.0-only"},
	{regexp.MustCompile(`^gnu\.org/copyleft/gpl$`), "GPL-3.0-only"},
	{regexp.MustCompile(`^gnu\.org/licen[cs]es/(?:old-licenses/)?(l|a|)gpl-(\d\.\d)(?:-standalone)?$`), "${1}GPL-${2}-only"},
	{regexp.MustCompile(`^mozilla\.org/(?:en-us/)?mpl/(\d\.\d)`), "MPL-$1"},
	{regexp.MustCompile(`^opensource\.org/licen[cs]es?/(?:mit|mit-license|mit-licenses)$`), "MIT"},
	{regexp.MustCompile(`^opensource\.org/licen[cs]es?/(?:bsd-license|bsd-3-clause|new-bsd)$`), "BSD-3-Clause"},
	{regexp.MustCompile(`^opensource\.org/licen[cs]es?/(?:isc|isc-license)$`), "ISC"},
	{regexp.MustCompile(`^(?:opensource|spdx)\.org/licen[cs]es?/([a-z0-9.+-]+)$`), "$1"},
	{regexp.MustCompile(`^licenses\.[a-z0-9.-]+/([a-z0-9.+() -]+)$`), "$1"}, // where NuGet's licence addresses lead: the path is an expression
	{regexp.MustCompile(`^(?:[a-z0-9-]+\.)?mit-license\.org`), "MIT"},
	{regexp.MustCompile(`^unlicense\.org`), "Unlicense"},
	{regexp.MustCompile(`^wtfpl\.net`), "WTFPL"},
	{regexp.MustCompile(`^oss\.oracle\.com/licen[cs]es/cddl\+gpl`), "CDDL-1.1 OR GPL-2.0-only WITH Classpath-exception-2.0"},
	{regexp.MustCompile(`^oss\.oracle\.com/licen[cs]es/upl`), "UPL-1.0"},
	{regexp.MustCompile(`^jdbc\.postgresql\.org/about/license$`), "BSD-2-Clause"},
	{regexp.MustCompile(`^cecill\.info/licen[cs]es/licence.cecill.v(\d\.\d)`), "CECILL-$1"},
	{regexp.MustCompile(`^asm\.(?:ow2|objectweb)\.org/license$`), "BSD-3-Clause"},
	{regexp.MustCompile(`^json\.org/license$`), "JSON"},
	{regexp.MustCompile(`^en\.wikipedia\.org/wiki/(mit|zlib|isc)_license`), "$1"},
	{regexp.MustCompile(`^github\.com/dotnet/(?:corefx|core-setup|runtime|aspnetcore)/blob/[^/]+/license$`), "MIT"},
}

var ending = regexp.MustCompile(`\.(html?|txt|php|md)$`)

// ofAddress reads the address of a licence text that is known by its address.
func ofAddress(link string) (Expression, bool) {
	link = strings.ToLower(strings.Trim(link, "<>., "))
	_, link, _ = strings.Cut(link, "://")
	link, _, _ = strings.Cut(link, "#")
	if plain, err := url.PathUnescape(link); err == nil {
		link = plain
	}
	link = strings.TrimPrefix(link, "www.")
	link = strings.TrimSuffix(ending.ReplaceAllString(strings.TrimSuffix(link, "/"), ""), "/")
	for _, a := range addresses {
		if at := a.pattern.FindStringSubmatchIndex(link); at != nil {
			e, err := ParseSPDX(string(a.pattern.ExpandString(nil, a.id, link, at)))
			return e, err == nil
		}
	}
	return Expression{}, false
}
