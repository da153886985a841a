package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/intake"
	"sluice.dev/sluice/tenants/policy"
)

// packages publishes what the third set-up shares: a package of Acme's own, and
// a patched version of a public one that stands beside the public versions.
func (d *demo) packages(ctx context.Context) error {
	shape, err := d.n.shapes.Of(ctx)
	if err != nil {
		return err
	}
	for _, p := range []struct{ registry, name, version, script string }{
		{"integration", "@acme/greeting", "1.0.0", "module.exports = name => `Hello, ${name}, from Acme`;\n"},
		{"patches", "left-pad", "1.3.1-acme.1", "module.exports = (text, width, fill = ' ') => String(text).padStart(width, fill);\n"},
	} {
		node := shape.Named(coord.NPM, p.registry)
		if node == nil {
			return fmt.Errorf("the registry %s of the demonstration is missing", p.registry)
		}
		if err := d.publish(ctx, node.ID, p.name, p.version, p.script); err != nil && !errs.Is(err, errs.Conflict) {
			return err // a conflict says that it is there, or that somebody deleted it on purpose
		}
	}
	return nil
}

func (d *demo) publish(ctx context.Context, registry uuid.UUID, name, version, script string) error {
	manifest := map[string]any{"name": name, "version": version, "main": "index.js", "license": "Apache-2.0",
		"description": "A package of the demonstration organization."}
	tarball, err := pack(manifest, script)
	if err != nil {
		return err
	}
	info, err := d.n.blobs.Put(ctx, bytes.NewReader(tarball), int64(len(tarball)))
	if err != nil {
		return err
	}
	file := npm.FileName(name, version)
	manifest["_id"] = name + "@" + version
	manifest["dist"] = map[string]any{
		"tarball":   "https://localhost/" + name + "/-/" + file, // every registry shows its own address instead (R4)
		"integrity": "sha512-" + base64.StdEncoding.EncodeToString(info.SHA512[:]),
		"shasum":    fmt.Sprintf("%x", info.SHA1),
	}
	metadata, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	_, err = d.n.intake.Publish(ctx, intake.PublishInput{Registry: registry, Name: name, Version: version, Tags: []string{"latest"},
		License: policy.LicenseFact{State: policy.LicenseDeclared, Expression: "Apache-2.0"}, Metadata: metadata,
		Files: []catalog.StoredFile{{Name: file, Blob: catalog.Blob{SHA256: info.Digest.String(), SHA512: fmt.Sprintf("%x", info.SHA512),
			SHA1: fmt.Sprintf("%x", info.SHA1), MD5: fmt.Sprintf("%x", info.MD5), Size: info.Size}}}})
	return err
}

// pack makes an npm tarball; the same input makes the same bytes.
func pack(manifest map[string]any, script string) ([]byte, error) {
	body, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, f := range []struct {
		name string
		body []byte
	}{{"package/package.json", body}, {"package/index.js", []byte(script)}} {
		if err := tw.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.body)), Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := tw.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := gz.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
