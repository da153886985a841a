package npm

import (
	"strings"

	"sluice.dev/sluice/tenants/coord"
)

// FileName is the name under which every registry of ours serves the tarball of
// a version: the name without its scope, a hyphen, the version, ".tgz".
func FileName(pkg, version string) string { return baseName(pkg) + "-" + version + ".tgz" }

// baseName is a package name without its scope.
func baseName(pkg string) string {
	if i := strings.IndexByte(pkg, '/'); i >= 0 {
		return pkg[i+1:]
	}
	return pkg
}

// wireName is a package name as one segment of a registry URL: the slash of a
// scope is escaped, as npm itself does.
func wireName(pkg string) string { return strings.Replace(pkg, "/", "%2f", 1) }

// versionOf reads the version out of a tarball's file name, which is
// {basename}-{version}.tgz, or {name}-{version}.tgz with the scope as old
// publishers wrote it.
func versionOf(pkg, file string) (string, bool) {
	rest, ok := strings.CutSuffix(file, ".tgz")
	if !ok {
		return "", false
	}
	v, ok := strings.CutPrefix(rest, pkg+"-")
	if !ok {
		if v, ok = strings.CutPrefix(rest, baseName(pkg)+"-"); !ok {
			return "", false
		}
	}
	norm, err := coord.NormalizeVersion(coord.NPM, v)
	return norm, err == nil
}
