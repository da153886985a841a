package npm

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/errs"
)

// jsonBody is the body of a request that carries JSON, uncompressed. What it is
// read into bounds it: nothing here does (F3).
func jsonBody(r *http.Request) (io.Reader, error) {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		kind, params, err := mime.ParseMediaType(ct)
		if err != nil || kind != "application/json" && !(strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")) {
			return nil, errs.New(errs.Invalid, opPublish, "the body has the content type %.100q; it must be application/json", ct)
		}
		if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") && !strings.EqualFold(c, "us-ascii") {
			return nil, errs.New(errs.Invalid, opPublish, "the body has the character set %.100q; JSON is UTF-8 (RFC 8259)", c)
		}
	}
	switch enc := strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ","))); enc {
	case "", "identity":
		return r.Body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, unzipping(err)
		}
		return unzipped{z}, nil
	default:
		return nil, errs.New(errs.Invalid, opPublish, "the body has the content encoding %.100q; it must be gzip or none", enc)
	}
}

// unzipped is a compressed body, with errors that say so.
type unzipped struct{ *gzip.Reader }

// Read implements io.Reader.
func (u unzipped) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if err != nil {
		err = unzipping(err)
	}
	return n, err
}

func unzipping(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.As(err, &corrupt) {
		return errs.New(errs.Invalid, opPublish, "the body is not the gzip that its content encoding says, or is damaged")
	}
	return err
}

// maxSmall bounds the bodies that are one short value, in bytes.
const maxSmall = 64 << 10

// smallBody reads a whole body that must be short.
func smallBody(r *http.Request) ([]byte, error) {
	from, err := jsonBody(r)
	if err != nil {
		return nil, err
	}
	s := newScanner(from, maxSmall)
	raw, err := io.ReadAll(io.LimitReader(s.in, maxSmall+1))
	switch {
	case err != nil:
		return nil, s.broken(err)
	case len(raw) > maxSmall:
		return nil, errs.New(errs.TooLarge, opPublish, "the body is larger than the bound of %d bytes", maxSmall)
	}
	return raw, nil
}

// maxDrain is how much of a refused body is read all the same, in bytes.
const maxDrain = 64 << 20

// refuseBody answers a request whose body was not read to its end. Clients send
// all of it before they look at the answer, and would see a broken connection
// instead of the reason; those that ask first (Expect) are spared the rest.
func refuseBody(w http.ResponseWriter, r *http.Request, err error) {
	if r.Body != nil && r.Header.Get("Expect") == "" && r.ContentLength <= maxDrain {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrain) // the answer goes out in any case
	}
	protocol.Problem(w, r, err)
}

// done answers that a change was made. Nothing may keep it.
func done(w http.ResponseWriter, r *http.Request, status int, more ...[2]string) {
	wr := &writer{}
	wr.open('{')
	wr.flag("ok", true)
	wr.flag("success", true)
	for _, m := range more {
		wr.text(m[0], m[1])
	}
	wr.shut('}')
	answer(w, r, status, wr.b)
}

// answer sends JSON that no cache may keep.
func answer(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header()["Content-Type"] = typeJSON
	w.Header().Set("Cache-Control", "private, no-store")
	writeStatus(w, r, status, body)
}
