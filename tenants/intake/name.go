package intake

import (
	"context"
	"fmt"
	"strings"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
	"sluice.dev/sluice/tenants/registry"
)

// mayPublish refuses, before any transaction, a name that would hide public
// versions of itself from the registry on downward, unless the name's publish
// switch allows it (O5). Registries that are not internal merge with the public
// ones, so they hide nothing (O2).
func (s *Service) mayPublish(ctx context.Context, op string, n *registry.Node, pkg coord.Package) error {
	var allowed bool
	err := s.DB.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		w, _, err := publishSwitch(ctx, tx, n, pkg)
		allowed = w.Publish != ""
		return err // BLOCK is refused under the lock, or by Check
	})
	if err != nil || allowed || !n.Internal {
		return err
	}
	hidden, err := s.Gate.WouldHide(ctx, n.ID, pkg)
	if err != nil || len(hidden) == 0 {
		return err
	}
	return errs.Wrap(ErrHides, errs.Forbidden, op, "%s", hides(n, pkg, hidden)).On("name")
}

// mostHidden bounds the registries that a refusal names.
const mostHidden = 5

// hides says what a name would hide, and where.
func hides(n *registry.Node, pkg coord.Package, hidden []gate.Hidden) string {
	places := make([]string, 0, mostHidden+1)
	for i, h := range hidden {
		if i == mostHidden {
			places = append(places, fmt.Sprintf("and in %d more registries", len(hidden)-mostHidden))
			break
		}
		noun := "versions"
		if h.Versions == 1 {
			noun = "version"
		}
		places = append(places, fmt.Sprintf("%d %s from %s in the registry %q", h.Versions, noun, quoted(h.Remotes), h.Name))
	}
	return fmt.Sprintf("%s is also a public package: with a version of its own in the registry %q these would become hidden: %s; choose another name, such as one in a scope of your own, or have the name's publish switch set to ALLOW",
		pkg.Name, n.Name, strings.Join(places, ", "))
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, " and ")
}

// publishBlocked refuses a version of one's own whose name is blocked by the
// nearest publish switch (O5).
func (s *Service) publishBlocked(ctx context.Context, tx *db.Tx, n *registry.Node, a admission) error {
	w, by, err := publishSwitch(ctx, tx, n, a.version.Package)
	if err != nil || w.Publish != catalog.Block {
		return err
	}
	return errs.New(errs.Forbidden, a.op, "publishing %s is blocked by a switch of the registry %q: %s", a.version.Name, by.Name, w.Reason).On("name")
}

// publishSwitch returns the publish switch of a name that is in force in a
// registry, the nearest one upward, and whose it is; nil when there is none.
func publishSwitch(ctx context.Context, tx *db.Tx, n *registry.Node, pkg coord.Package) (catalog.Switch, *registry.Node, error) {
	up := n.Upward()
	all, err := catalog.Switches(ctx, tx, pkg, ids(up))
	if err != nil {
		return catalog.Switch{}, nil, err
	}
	for _, r := range up {
		if w := all[r.ID]; w.Publish != "" {
			return w, r, nil
		}
	}
	return catalog.Switch{}, nil, nil
}
