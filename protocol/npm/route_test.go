package npm

import (
	"strings"
	"testing"

	"sluice.dev/sluice/tenants/errs"
)

func TestO7_PathsAreReadOnce(t *testing.T) {
	type route struct {
		at        *endpoint
		pkg, rest string
	}
	ping, whoami, tags := registryPaths[0], registryPaths[1], registryPaths[2]
	for path, want := range map[string]route{
		"/":                                {atRoot, "", ""},
		"":                                 {atRoot, "", ""},
		"/-/ping":                          {ping, "", ""},
		"/-/whoami":                        {whoami, "", ""},
		"/x":                               {atPackage, "x", ""},
		"/x/":                              {atPackage, "x", ""},
		"/JSONStream":                      {atPackage, "JSONStream", ""},
		"/%78":                             {atPackage, "x", ""},
		"/@s/p":                            {atPackage, "@s/p", ""},
		"/@s%2fp":                          {atPackage, "@s/p", ""},
		"/@s%2Fp":                          {atPackage, "@s/p", ""},
		"/%40s%2fp":                        {atPackage, "@s/p", ""},
		"/%40s/p":                          {atPackage, "@s/p", ""},
		"/x/1.0.0":                         {atVersion, "x", "1.0.0"},
		"/x/latest":                        {atVersion, "x", "latest"},
		"/@s%2fp/1.0.0":                    {atVersion, "@s/p", "1.0.0"},
		"/@s/p/1.0.0":                      {atVersion, "@s/p", "1.0.0"},
		"/x/-/x-1.0.0.tgz":                 {atTarball, "x", "x-1.0.0.tgz"},
		"/@s/p/-/p-1.0.0.tgz":              {atTarball, "@s/p", "p-1.0.0.tgz"},
		"/@s%2fp/-/p-1.0.0.tgz":            {atTarball, "@s/p", "p-1.0.0.tgz"},
		"/@s/p/-/@s/p-1.0.0.tgz":           {atTarball, "@s/p", "@s/p-1.0.0.tgz"},
		"/@s/p/-/@s%2fp-1.0.0.tgz":         {atTarball, "@s/p", "@s/p-1.0.0.tgz"},
		"/-/package/x/dist-tags":           {tags, "x", ""},
		"/-/package/@s%2fp/dist-tags":      {tags, "@s/p", ""},
		"/-/package/@s/p/dist-tags":        {tags, "@s/p", ""},
		"/-/package/dist-tags/dist-tags":   {tags, "dist-tags", ""},
		"/x/" + strings.Repeat("1", 10000): {atVersion, "x", strings.Repeat("1", 10000)},
	} {
		at, p, err := parse(path)
		if got := (route{at, p.pkg, p.rest}); err != nil || got != want || p.rev != "" {
			t.Errorf("parse(%.60q) = %v, %v, want %v", path, got, err, want)
		}
	}
}

func TestRoute_Revisions(t *testing.T) {
	for path, want := range map[string]struct {
		at             *endpoint
		pkg, rest, rev string
	}{
		"/x/-rev/3-0":                     {atPackageRev, "x", "", "3-0"},
		"/@s%2fp/-rev/3-0":                {atPackageRev, "@s/p", "", "3-0"},
		"/x/-/x-1.0.0.tgz/-rev/3-0":       {atTarballRev, "x", "x-1.0.0.tgz", "3-0"},
		"/@s/p/-/p-1.0.0.tgz/-rev/3-0":    {atTarballRev, "@s/p", "p-1.0.0.tgz", "3-0"},
		"/@s/p/-/@s/p-1.0.0.tgz/-rev/3-0": {atTarballRev, "@s/p", "@s/p-1.0.0.tgz", "3-0"},
	} {
		at, p, err := parse(path)
		if err != nil || at != want.at || p.pkg != want.pkg || p.rest != want.rest || p.rev != want.rev {
			t.Errorf("parse(%s) = %v, %+v, %v", path, at, p, err)
		}
	}
}

func TestF5_HostilePathsGetAClearError(t *testing.T) {
	for path, c := range map[string]struct {
		kind errs.Kind
		says string
	}{
		"/@s":                          {errs.Invalid, "is a scope"},
		"/@":                           {errs.Invalid, "is a scope"},
		"/@/p":                         {errs.Invalid, "must be name or @scope/name"},
		"/x%2fy":                       {errs.Invalid, "escaped slash"},
		"/@s%2fp%2fq":                  {errs.Invalid, "escaped slash"},
		"/@s%2f":                       {errs.Invalid, "escaped slash"},
		"/@s%252fp":                    {errs.Invalid, "is a scope"},
		"/%2540s%252fp":                {errs.Invalid, "must not contain '%'"},
		"/x%00":                        {errs.Invalid, "control"},
		"/x%0d%0aSet-Cookie:a":         {errs.Invalid, "spaces"},
		"/%zz":                         {errs.Invalid, "escape"},
		"/..":                          {errs.Invalid, "must not begin with '.'"},
		"/../x":                        {errs.Invalid, "must not begin with '.'"},
		"/%2e%2e/x":                    {errs.Invalid, "must not begin with '.'"},
		"/@../p":                       {errs.Invalid, "scope that begins with '.'"},
		"/@s/..":                       {errs.Invalid, "must not begin with '.'"},
		"/x\\y":                        {errs.Invalid, "must not contain"},
		"/%ff":                         {errs.Invalid, "UTF-8"},
		"/node_modules":                {errs.Invalid, "reserved"},
		"/" + strings.Repeat("a", 600): {errs.Invalid, "at most"},
		"//x":                          {errs.NotFound, "nothing at this path"},
		"/x//-/x-1.0.0.tgz":            {errs.NotFound, "nothing at this path"},
		"/x/1.0.0/more":                {errs.NotFound, "nothing at this path"},
		"/@s/p/-/@t/p-1.0.0.tgz":       {errs.NotFound, "nothing at this path"},
		"/x/-/a/b/c":                   {errs.NotFound, "nothing at this path"},
		"/-/all":                       {errs.NotFound, "nothing at this path"},
		"/-/package/x/y/dist-tags":     {errs.NotFound, "nothing at this path"},
		"/-/package/dist-tags":         {errs.NotFound, "nothing at this path"},
		"/-":                           {errs.NotFound, "nothing at this path"},
		"/-/package/..%2f/dist-tags":   {errs.Invalid, "escaped slash"},
	} {
		_, got, err := parse(path)
		if !errs.Is(err, c.kind) || !strings.Contains(errs.Public(err), c.says) {
			t.Errorf("parse(%.60q) = %v, %v, want %v that says %q", path, got, err, c.kind, c.says)
		}
	}
}

func TestVersionOf(t *testing.T) {
	for _, c := range []struct{ pkg, file, want string }{
		{"x", "x-1.0.0.tgz", "1.0.0"},
		{"x", "x-1.0.0-rc.1.tgz", "1.0.0-rc.1"},
		{"x-1", "x-1-2.0.0.tgz", "2.0.0"},
		{"@s/p", "p-1.0.0.tgz", "1.0.0"},
		{"@s/p", "@s/p-1.0.0.tgz", "1.0.0"},
		{"x", "x-1.0.0+build.tgz", "1.0.0"},
		{"x", "y-1.0.0.tgz", ""},
		{"x", "x-1.0.0.zip", ""},
		{"x", "x-latest.tgz", ""},
		{"x", "x-.tgz", ""},
		{"x", "x.tgz", ""},
		{"x", "..", ""},
		{"@s/p", "s/p-1.0.0.tgz", ""},
	} {
		if got, ok := versionOf(c.pkg, c.file); got != c.want || ok != (c.want != "") {
			t.Errorf("versionOf(%s, %s) = %q, %v, want %q", c.pkg, c.file, got, ok, c.want)
		}
	}
}

// FuzzParse feeds paths. What is accepted names a package without anything
// that a path or a URL could take for something else.
func FuzzParse(f *testing.F) {
	f.Add("/@s%2fp/-/@s/p-1.0.0.tgz")
	f.Add("/-/package/%40s%2Fp/dist-tags")
	f.Fuzz(func(t *testing.T, path string) {
		_, got, err := parse(path)
		if err != nil {
			return
		}
		if strings.ContainsAny(got.pkg, "%\\\x00\r\n?#") || strings.Contains(got.pkg, "..") && strings.HasPrefix(baseName(got.pkg), ".") || strings.Count(got.pkg, "/") > 1 {
			t.Fatalf("parse(%q) = %+v", path, got)
		}
	})
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                 false,
		"*/*":              false,
		"application/json": false,
		corgi:              true,
		corgi + "; q=1.0, application/json; q=0.8, */*": true,
		"application/json, " + corgi:                    true,
		"application/json; q=1.0, " + corgi + "; q=0.8": false,
		corgi + "; q=0":                        false,
		corgi + "; q=x":                        false,
		"application/vnd.npm.install-v1+jsonx": false,
		"application/json;q=0.5 , " + corgi + " ; charset=utf-8 ; q=0.9": true,
	} {
		if got := wantsAbbreviated(accept); got != want {
			t.Errorf("wantsAbbreviated(%q) = %v", accept, got)
		}
	}
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "gzip, deflate, br": true, "br;q=1, gzip;q=0.5": true, "gzip;q=0": false,
		"gzip; q=0.0": false, "*": true, "identity": false, "*;q=0": false, "gzip;q=0, *": false, "x-gzip": true, "notgzip": false,
	} {
		if got := wantsGzip(accept); got != want {
			t.Errorf("wantsGzip(%q) = %v", accept, got)
		}
	}
	for header, want := range map[string]bool{
		`"e"`: true, `W/"e"`: true, `"a", "e"`: true, `"a",W/"e"`: true, `*`: true, `"a"`: false, `e`: false, `"e`: false,
		``: false, `"ee"`: false, `"a" e "e"`: false, `, ,"e"`: true,
	} {
		if got := matches(header, `"e"`); got != want {
			t.Errorf("matches(%s) = %v", header, got)
		}
	}
}
