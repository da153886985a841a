package npm

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"

	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// provenance is a Sigstore bundle with a statement of where a version was built.
type provenance struct {
	text      string // the bundle as it came
	predicate string // predicateType of the statement
}

// provenance reads the bundle that came with a version. It checks that the
// statement is about this package and version and about the bytes of the
// tarball, whose digest becomes a declared one. It does not check the
// signature: what it is worth depends on whom the reader trusts.
func (p *publication) provenance(bundle string) (*provenance, error) {
	refuse := func(format string, args ...any) (*provenance, error) {
		return nil, errs.New(errs.Invalid, opPublish, "the provenance bundle cannot be used: "+format, args...).On("_attachments")
	}
	r, err := newReader([]byte(bundle))
	if err == nil {
		if _, err = r.value(); err == nil {
			err = r.end()
		}
	}
	if err != nil {
		return refuse("%s", explain(err))
	}
	var outer struct {
		Envelope struct {
			Payload string `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	if err := json.Unmarshal([]byte(bundle), &outer); err != nil {
		return refuse("it is not a Sigstore bundle with a DSSE envelope")
	}
	payload, err := base64.StdEncoding.DecodeString(outer.Envelope.Payload)
	if err != nil || len(payload) == 0 {
		return refuse("its dsseEnvelope has no payload in base64")
	}
	var statement struct {
		PredicateType string `json:"predicateType"`
		Subject       []struct {
			Name   string `json:"name"`
			Digest struct {
				SHA512 string `json:"sha512"`
			} `json:"digest"`
		} `json:"subject"`
	}
	if err := json.Unmarshal(payload, &statement); err != nil {
		return refuse("its payload is not an in-toto statement")
	}
	if statement.PredicateType == "" || len(statement.PredicateType) > maxKey {
		return refuse("its statement has no predicateType")
	}
	if len(statement.Subject) != 1 {
		return refuse("its statement is about %d subjects; it must be about the one version", len(statement.Subject))
	}
	subject := statement.Subject[0]
	want := coord.Version{Package: npmPackage(p.pkg), Version: p.version}.PURL()
	if got, err := coord.ParsePURL(subject.Name); err != nil || got.PURL() != want {
		return refuse("its statement is about %.300q; it must be about %s", subject.Name, want)
	}
	sum, err := hex.DecodeString(subject.Digest.SHA512)
	if err != nil || len(sum) != 64 {
		return refuse("its statement has no sha512 of 128 hexadecimal digits")
	}
	if d := p.declared.SHA512; d != nil && string(d) != string(sum) {
		return refuse("its statement has the sha512 %x, but dist.integrity is of %x", sum, d)
	}
	p.declared.SHA512 = sum
	return &provenance{text: bundle, predicate: statement.PredicateType}, nil
}

// bundleName is the file of a version that has its provenance.
func bundleName(pkg, version string) string {
	return strings.TrimSuffix(FileName(pkg, version), ".tgz") + ".sigstore"
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
