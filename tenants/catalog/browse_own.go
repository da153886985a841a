package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/tenants/coord"
)

// Said is what a registry says about a package besides its versions. What it
// says nothing about is empty.
type Said struct {
	Tags        []NamedTag // by name
	Maintainers []coord.Person
	Deprecated  map[string]string // by version
}

// NamedTag is a tag with the version that it points at.
type NamedTag struct{ Name, Version string }

// SaidOf returns what registries say about packages. It is one statement,
// however many packages; packages that nothing is said about may be missing.
func SaidOf(ctx context.Context, tx *db.Tx, places []At) (map[At]Said, error) {
	registries, ecosystems, names := make([]uuid.UUID, len(places)), make([]string, len(places)), make([]string, len(places))
	for i, p := range places {
		registries[i], ecosystems[i], names[i] = p.Registry, string(p.Ecosystem), p.Name
	}
	rows, err := tx.Query(ctx, `SELECT a.registry, n.ecosystem, n.name,
			(SELECT coalesce(jsonb_object_agg(t.tag, t.version), '{}') FROM dist_tags t WHERE t.package_id = n.id AND t.registry_id = a.registry),
			(SELECT coalesce(jsonb_object_agg(d.version, d.message), '{}') FROM deprecations d WHERE d.package_id = n.id AND d.registry_id = a.registry),
			coalesce((SELECT o.maintainers FROM own_packages o WHERE o.package_id = n.id AND o.registry_id = a.registry), '[]')
		FROM unnest($1::uuid[], $2::text[], $3::text[]) a (registry, ecosystem, name)
		JOIN package_names n ON n.org_id = `+db.Ours+` AND n.ecosystem = a.ecosystem AND n.name = a.name`, registries, ecosystems, names)
	if err != nil {
		return nil, fmt.Errorf("catalog: said of packages: %w", err)
	}
	defer rows.Close()
	out := make(map[At]Said, len(places))
	for rows.Next() {
		var at At
		var s Said
		var tags map[string]string
		var tagsJSON, deprecatedJSON, people []byte
		if err := rows.Scan(&at.Registry, &at.Ecosystem, &at.Name, &tagsJSON, &deprecatedJSON, &people); err != nil {
			return nil, err
		}
		if err := errors.Join(json.Unmarshal(tagsJSON, &tags), json.Unmarshal(deprecatedJSON, &s.Deprecated), json.Unmarshal(people, &s.Maintainers)); err != nil {
			return nil, fmt.Errorf("catalog: said of %s: %w", at.Name, err)
		}
		for _, name := range slices.Sorted(maps.Keys(tags)) {
			s.Tags = append(s.Tags, NamedTag{name, tags[name]})
		}
		out[at] = s
	}
	return out, rows.Err()
}
