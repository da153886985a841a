package main

import (
	"sluice.dev/sluice/graph"
	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/protocol/npm/lockfile"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
)

// npmLockfiles reads the lock files of npm, pnpm, yarn and bun for the API.
type npmLockfiles struct{}

// Read implements graph.Lockfiles.
func (npmLockfiles) Read(name string, text []byte) (out graph.Lockfile, err error) {
	f, err := lockfile.Parse(name, text)
	if err != nil {
		return out, errs.Wrap(err, errs.Invalid, "read lock file", "%s", err.Error()).On("file")
	}
	out.Format = f.Format
	for _, v := range f.Versions {
		out.Versions = append(out.Versions, intake.PullVersion{Name: v.Name, Version: v.Version})
	}
	for _, l := range f.Left {
		out.Left = append(out.Left, &api.LeftEntry{Entry: l.Entry, Reason: l.Reason, Line: l.Line})
	}
	return out, nil
}
