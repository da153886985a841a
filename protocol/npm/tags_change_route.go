package npm

import (
	"fmt"
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

var tagPaths = []*endpoint{
	{"/-/package/{pkg}/dist-tags", map[string]action{"POST": (*Handler).setTags}},
	{"/-/package/{pkg}/dist-tags/{tag}", map[string]action{"PUT": (*Handler).setTag, "POST": (*Handler).setTag, "DELETE": (*Handler).removeTag}},
}

// setTag answers PUT and POST /-/package/{pkg}/dist-tags/{tag}; the body is the
// version as a JSON string.
func (h *Handler) setTag(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	tag := p.vars["tag"]
	h.changeTags(w, r, t, p, func(raw []byte) (map[string]string, error) {
		version, err := readTag(raw)
		return map[string]string{tag: version}, err
	})
}

// setTags answers POST /-/package/{pkg}/dist-tags; the body is an object of
// versions by tag. Tags that are not in it stay.
func (h *Handler) setTags(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	h.changeTags(w, r, t, p, readTags)
}

func (h *Handler) changeTags(w http.ResponseWriter, r *http.Request, t protocol.Target, p params, read func([]byte) (map[string]string, error)) {
	err := h.Access.Write(r.Context(), access.TagUpdate, t.Registry, npmPackage(p.pkg))
	var raw []byte
	if err == nil {
		raw, err = smallBody(r)
	}
	var tags map[string]string
	if err == nil {
		tags, err = read(raw)
	}
	for tag := range tags {
		if err == nil {
			err = checkTag(tag)
		}
	}
	for tag, version := range tags {
		if err == nil {
			err = h.Intake.SetTag(r.Context(), t.Registry, p.pkg, tag, version)
		}
	}
	if err != nil {
		refuseBody(w, r, err)
		return
	}
	done(w, r, http.StatusCreated)
}

// removeTag answers DELETE /-/package/{pkg}/dist-tags/{tag}.
func (h *Handler) removeTag(w http.ResponseWriter, r *http.Request, t protocol.Target, p params) {
	err := h.Access.Write(r.Context(), access.TagUpdate, t.Registry, npmPackage(p.pkg))
	if err == nil {
		err = h.Intake.RemoveTag(r.Context(), t.Registry, p.pkg, p.vars["tag"])
	}
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	done(w, r, http.StatusOK)
}

// readTag reads the body that points a tag at a version.
func readTag(raw []byte) (string, error) {
	r, err := newReader(raw)
	var v span
	if err == nil {
		if v, err = r.value(); err == nil {
			err = r.end()
		}
	}
	if err == nil && (raw[v.from] != '"' || v.to-v.from == 2) {
		err = fmt.Errorf("it is not a string")
	}
	if err != nil {
		return "", errs.New(errs.Invalid, "npm.tag", "the body must be a version as a JSON string, such as \"1.0.0\": %s", explain(err))
	}
	return string(text(v.of(raw))), nil
}

// readTags reads the body that points several tags at versions.
func readTags(raw []byte) (map[string]string, error) {
	out := map[string]string{}
	r, err := newReader(raw)
	if err == nil && !r.is('{') {
		err = fmt.Errorf("it is not an object")
	}
	if err == nil {
		_, err = r.object(func(key []byte, _ int32) error {
			v, err := r.value()
			if err != nil {
				return err
			}
			version := text(v.of(raw))
			if len(version) == 0 {
				return fmt.Errorf("the value of %.100q is not a version", key)
			}
			if len(out) == maxNewTags {
				return fmt.Errorf("it has more than the bound of %d dist-tags", maxNewTags)
			}
			out[string(key)] = string(version)
			return nil
		})
		if err == nil {
			err = r.end()
		}
	}
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("it is empty")
	}
	if err != nil {
		return nil, errs.New(errs.Invalid, "npm.tag", "the body must be an object of versions by dist-tag, such as {\"next\":\"1.0.0\"}: %s", explain(err))
	}
	return out, nil
}
