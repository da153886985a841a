package npm

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

var attestationPaths = []*endpoint{
	{"/-/npm/v1/attestations/{spec}", map[string]action{"GET": (*Handler).attestations}},
	{"/-/npm/v1/attestations/{scope}/{spec}", map[string]action{"GET": (*Handler).attestations}},
}

// maxBundle bounds a provenance bundle, in bytes; real ones have 10 KiB.
const maxBundle = 4 << 20

// BundleName is the name under which the provenance bundle of a version is kept
// besides its tarball.
func BundleName(pkg, version string) string {
	return strings.TrimSuffix(FileName(pkg, version), ".tgz") + ".sigstore"
}

// attestations answers GET /-/npm/v1/attestations/{pkg}@{version}: what was
// published with the version here, else what its source has, unchanged (R6). A
// withheld version is refused as its tarball is (P2).
func (h *Handler) attestations(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	pkg, version, err := readSpec(p.vars["scope"], p.vars["spec"])
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	v, err := h.Gate.List(r.Context(), t.Registry, npmPackage(pkg))
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	e := v.Entry(version)
	switch {
	case e == nil:
		protocol.Problem(w, r, errs.New(errs.NotFound, "npm.attestations", "%s has no version %s", pkg, version))
	case e.Decision.Withheld():
		h.refuse(w, r, t, v, e)
	default:
		h.attested(w, r, t, v, e)
	}
}

func (h *Handler) attested(w http.ResponseWriter, r *http.Request, t protocol.Target, v *gate.View, e *gate.Entry) {
	bundle, err := h.Provenance.Stored(r.Context(), v, e, BundleName(v.Package.Name, e.Version), maxBundle)
	if err == nil && bundle != nil {
		var body []byte
		if body, err = attestationsOf(bundle); err == nil {
			sendBeside(w, r, t, body, nil)
			return
		}
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	path := attestationPath(e)
	if path == "" {
		protocol.Problem(w, r, errs.New(errs.NotFound, "npm.attestations", "%s@%s was published without attestations", v.Package.Name, e.Version))
		return
	}
	body, warning, err := h.Provenance.BesideVersion(r.Context(), v, e, path)
	if err == nil {
		_, err = elementsOf(body, "attestations", maxAttestations)
		if err != nil {
			err = errs.New(errs.Upstream, "npm.attestations", "the source's attestations of %s@%s cannot be used: %s", v.Package.Name, e.Version, err)
		}
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	var warnings []string
	if warning != "" {
		warnings = []string{warning}
	}
	sendBeside(w, r, t, body, warnings)
}

// maxAttestations bounds the attestations of one version.
const maxAttestations = 1000

// readSpec reads name@version, which a scope and a slash may precede.
func readSpec(scope, spec string) (pkg, version string, err error) {
	if scope != "" {
		spec = scope + "/" + spec
	}
	at := strings.LastIndexByte(spec, '@')
	if at <= 0 {
		return "", "", errs.New(errs.NotFound, "npm.attestations", "%.300q is not of the form name@version", spec)
	}
	if pkg, err = coord.NormalizeName(coord.NPM, spec[:at]); err != nil {
		return "", "", errs.New(errs.Invalid, "npm.attestations", "%s", err)
	}
	if version, err = coord.NormalizeVersion(coord.NPM, spec[at+1:]); err != nil {
		return "", "", errs.New(errs.NotFound, "npm.attestations", "%s has no version %.100q", pkg, spec[at+1:])
	}
	return pkg, version, nil
}

// attestationPath is where the source has the attestations of a version: the
// path of the address in the manifest, as npm reads it, since the host in it is
// the source's own word. It is "" when the manifest names none.
func attestationPath(e *gate.Entry) string {
	m, ok := e.Document.(*Manifest)
	if !ok || m.attestation.empty() {
		return ""
	}
	u, err := url.Parse(string(text(m.attestation.of(m.raw))))
	if err != nil || u.Path == "" {
		return ""
	}
	return u.EscapedPath()
}

// attestationsOf is the document about one bundle, which it has byte for byte.
func attestationsOf(bundle []byte) ([]byte, error) {
	kind, err := predicateType(bundle)
	if err != nil {
		return nil, err
	}
	wr := &writer{}
	wr.open('{')
	wr.key("attestations")
	wr.open('[')
	wr.open('{')
	wr.text("predicateType", kind)
	wr.key("bundle")
	wr.b = append(wr.b, bundle...)
	wr.shut('}')
	wr.shut(']')
	wr.shut('}')
	return wr.b, nil
}

// predicateType says what a bundle attests: it is in the statement that its
// envelope holds (in-toto, DSSE).
func predicateType(bundle []byte) (string, error) {
	var b struct {
		DSSEEnvelope struct {
			Payload string `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	var statement struct {
		PredicateType string `json:"predicateType"`
	}
	err := json.Unmarshal(bundle, &b)
	if err == nil {
		var payload []byte
		if payload, err = base64.StdEncoding.DecodeString(b.DSSEEnvelope.Payload); err == nil {
			err = json.Unmarshal(payload, &statement)
		}
	}
	if err != nil || statement.PredicateType == "" {
		return "", errs.Wrap(err, errs.Internal, "npm.attestations", "the provenance bundle cannot be read")
	}
	return statement.PredicateType, nil
}
