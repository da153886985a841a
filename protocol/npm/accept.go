package npm

import (
	"strconv"
	"strings"
)

// corgi is the media type of abbreviated documents.
const corgi = "application/vnd.npm.install-v1+json"

// wantsAbbreviated reads an Accept header: the abbreviated form is for those who
// name it and do not like JSON better.
func wantsAbbreviated(accept string) bool {
	if !strings.Contains(accept, corgi) {
		return false
	}
	short, full := 0.0, 0.0
	for item := range strings.SplitSeq(accept, ",") {
		name, q := quality(item)
		switch name {
		case corgi:
			short = max(short, q)
		case "application/json":
			full = max(full, q)
		}
	}
	return short > 0 && short >= full
}

// wantsGzip reads an Accept-Encoding header.
func wantsGzip(accept string) bool {
	if accept == "" {
		return false
	}
	star := 0.0
	for item := range strings.SplitSeq(accept, ",") {
		switch name, q := quality(item); name {
		case "gzip", "x-gzip":
			return q > 0
		case "*":
			star = q
		}
	}
	return star > 0
}

// quality splits an item of a header into its name and its q, which is 1 when
// absent and 0 when it cannot be read.
func quality(item string) (name string, q float64) {
	name, params, _ := strings.Cut(item, ";")
	q = 1
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			q, _ = strconv.ParseFloat(v, 64)
		}
	}
	return strings.TrimSpace(name), q
}

// matches reports whether an If-None-Match header has the entity tag, by weak
// comparison (RFC 9110, 13.1.2).
func matches(header, etag string) bool {
	for header != "" {
		header = strings.TrimLeft(header, " \t,")
		if strings.HasPrefix(header, "*") {
			return true
		}
		header = strings.TrimPrefix(header, "W/")
		if !strings.HasPrefix(header, `"`) {
			return false // not a list of entity tags
		}
		end := strings.IndexByte(header[1:], '"')
		if end < 0 {
			return false
		}
		if header[:end+2] == etag {
			return true
		}
		header = header[end+2:]
	}
	return false
}
