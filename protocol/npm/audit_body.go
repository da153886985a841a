package npm

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sluice.dev/sluice/tenants/errs"
)

// Bounds of what clients send to be audited (F3).
const (
	maxAuditBody     = 32 << 20 // bytes, decompressed and on the wire
	maxAuditPackages = 50_000
	maxAuditVersions = 200_000 // of all packages together, and nodes of a tree
)

// readAudit reads the body of a request for an audit, which npm, bun and yarn
// send compressed.
func readAudit(r *http.Request) ([]byte, error) {
	const op = "npm.audit"
	in := io.Reader(http.MaxBytesReader(nil, r.Body, maxAuditBody))
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, errs.Wrap(err, errs.Invalid, op, "the body is not gzip, as its Content-Encoding says")
		}
		in = z
	default:
		return nil, errs.New(errs.Invalid, op, "the content encoding %.40q is not understood; gzip and none are", enc)
	}
	body, err := io.ReadAll(io.LimitReader(in, maxAuditBody+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || len(body) > maxAuditBody:
		return nil, errs.New(errs.TooLarge, op, "the body is over the bound of %d MiB", maxAuditBody>>20)
	case err != nil:
		return nil, errs.Wrap(err, errs.Invalid, op, "the body ends too early, or is not what its Content-Encoding says")
	}
	return body, nil
}

// decodeBulk reads the body of a bulk request: lists of versions by name.
func decodeBulk(body []byte) (map[string][]string, error) {
	const op = "npm.audit"
	var out map[string][]string
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, errs.New(errs.Invalid, op, "the body must be an object that has a list of versions for each package name, such as {\"lodash\":[\"4.17.20\"]}: %s", whatJSON(err))
	}
	if out == nil {
		return nil, errs.New(errs.Invalid, op, "the body is null; it must be an object that has a list of versions for each package name")
	}
	n := 0
	for _, versions := range out {
		n += len(versions)
	}
	if len(out) > maxAuditPackages || n > maxAuditVersions {
		return nil, errs.New(errs.TooLarge, op, "the body has %d packages with %d versions; at most %d with %d are allowed", len(out), n, maxAuditPackages, maxAuditVersions)
	}
	return out, nil
}

// whatJSON says what is wrong with a body and where.
func whatJSON(err error) string {
	var typ *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &typ) && typ.Field != "":
		return fmt.Sprintf("%.200s is a %s (byte %d)", typ.Field, typ.Value, typ.Offset)
	case errors.As(err, &typ):
		return fmt.Sprintf("there is a %s at byte %d", typ.Value, typ.Offset)
	case errors.As(err, &syntax):
		return fmt.Sprintf("it is not JSON (byte %d)", syntax.Offset)
	}
	return err.Error()
}
