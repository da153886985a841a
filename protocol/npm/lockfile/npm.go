package lockfile

import (
	"fmt"
	"strings"
)

// npmEntry is an entry of either form of npm's lock files.
type npmEntry struct {
	Name     string `json:"name"` // when it is not that of the folder: an alias
	Version  string `json:"version"`
	Resolved string `json:"resolved"`
	Link     bool   `json:"link"`
	InBundle bool   `json:"inBundle"`
	Bundled  bool   `json:"bundled"`
}

// npm reads package-lock.json and npm-shrinkwrap.json. Version 2 says everything
// twice; what versions 2 and 3 share is read.
func (r *reading) npm() error {
	w, version := r.walk(r.raw), 0
	old, now := r.fork(), r.fork()
	hasOld, hasNow := false, false
	err := w.object(func(key string) error {
		switch key {
		case "lockfileVersion":
			return w.value(&version)
		case "packages":
			hasNow = true
			return w.object(func(folder string) error { return now.npmPackage(w, folder) })
		case "dependencies":
			hasOld = true
			return old.npmDependencies(w, 1)
		}
		return w.skip()
	})
	if err == nil {
		err = w.end()
	}
	switch {
	case err != nil:
		return err
	case version < 0 || version > 3:
		return r.wrong(0, "has the version %d; versions 1, 2 and 3 can be read", version)
	case version == 0 && !hasOld && !hasNow:
		return r.wrong(0, `has neither "lockfileVersion" nor "packages" nor "dependencies", so it is no lock file of npm`)
	case hasNow:
		r.seen, r.left = now.seen, now.left
	default:
		r.seen, r.left = old.seen, old.left
	}
	r.format = fmt.Sprintf("%s, version %d", r.name, max(version, 1))
	return nil
}

// fork reads on for itself.
func (r *reading) fork() *reading {
	return &reading{name: r.name, seen: map[Version]int{}}
}

// npmPackage reads an entry of "packages", whose key is a folder.
func (r *reading) npmPackage(w *walker, folder string) error {
	line := w.line()
	var e npmEntry
	if err := w.value(&e); err != nil {
		return err
	}
	const modules = "node_modules/"
	i := strings.LastIndex(folder, modules)
	switch {
	case i < 0: // the project itself, or a folder of it
		return nil
	case e.InBundle: // it is inside the file of another package
		return nil
	case e.Link:
		return r.leave(folder, line, "it is a folder of the project")
	case e.Version == "":
		return r.leave(folder, line, "it has no version")
	}
	if why := foreign(e.Resolved); why != "" && !strings.HasPrefix(e.Resolved, "http") {
		return r.leave(folder, line, why)
	}
	name := e.Name
	if name == "" {
		name = folder[i+len(modules):]
	}
	return r.add(name, e.Version, line)
}

// npmDependencies reads "dependencies" of version 1, which contain each other.
func (r *reading) npmDependencies(w *walker, depth int) error {
	if depth > maxDepth {
		return r.wrong(w.line(), "dependencies are nested more than %d deep, which is the limit", maxDepth)
	}
	return w.object(func(name string) error {
		line := w.line()
		var e npmEntry
		err := w.object(func(key string) error {
			switch key {
			case "version":
				return w.value(&e.Version)
			case "bundled":
				return w.value(&e.Bundled)
			case "dependencies":
				return r.npmDependencies(w, depth+1)
			}
			return w.skip()
		})
		if err != nil || e.Bundled {
			return err
		}
		if alias, ok := strings.CutPrefix(e.Version, "npm:"); ok {
			name, e.Version = splitSpec(alias)
		}
		if why := foreign(e.Version); why != "" {
			return r.leave(name, line, why)
		}
		return r.add(name, e.Version, line)
	})
}
