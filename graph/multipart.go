package graph

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/errs"
)

// Bounds of a form with a file.
const (
	maxOperations = 1 << 20 // bytes of the operation and its variables
	maxUpload     = 4 << 30 // bytes of the whole form; who reads the file has a bound of its own
)

// multipartForm answers an operation with a file beside it, as the GraphQL
// multipart request specification says: https://github.com/jaydenseric/graphql-multipart-request-spec.
// The file is never kept: the resolver reads it while it comes in (F3), after
// its right to do so has been checked. Therefore there is one file, the last
// part of the form, for one variable.
type multipartForm struct{}

var _ graphql.Transport = multipartForm{}

// Supports implements graphql.Transport.
func (multipartForm) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && isForm(r)
}

func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "multipart/form-data"
}

// Do implements graphql.Transport.
func (multipartForm) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	start := graphql.Now()
	params, err := readForm(w, r)
	if err != nil {
		status := http.StatusBadRequest
		if errs.Is(err, errs.TooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		refuse(w, status, errs.KindOf(err), errs.Public(err))
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	w.Header().Set("Content-Type", "application/json")
	op, wrong := exec.CreateOperationContext(r.Context(), params)
	if wrong != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(exec.DispatchError(graphql.WithOperationContext(r.Context(), op), wrong))
		return
	}
	answers, ctx := exec.DispatchOperation(r.Context(), op)
	_ = json.NewEncoder(w).Encode(answers(ctx))
}

// readForm reads the operation and puts the file, which is still to come, where
// the map says.
func readForm(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	form, err := r.MultipartReader()
	if err != nil {
		return nil, badForm("the body is no form: %v", err)
	}
	var params graphql.RawParams
	if err := readPart(form, "operations", &params); err != nil {
		return nil, err
	}
	if params.Query == "" {
		return nil, badForm(`operations must be one JSON object with "query" and "variables"`)
	}
	var places map[string][]string
	if err := readPart(form, "map", &places); err != nil {
		return nil, err
	}
	if len(places) == 0 {
		return &params, nil
	}
	if len(places) > 1 {
		return nil, badForm("map names %d files; one is allowed", len(places))
	}
	file, err := form.NextPart()
	if err != nil {
		return nil, badForm("the form has no file behind operations and map")
	}
	at := places[file.FormName()]
	if len(at) != 1 {
		return nil, badForm("map must name the file %.60q, and one variable for it", file.FormName())
	}
	return &params, place(params.Variables, at[0], api.Upload{Name: file.FileName(), Reader: file})
}

func badForm(format string, args ...any) error {
	return errs.New(errs.Invalid, "graph", format, args...)
}

// readPart reads the next part of a form, which must have that name and be JSON.
func readPart(form *multipart.Reader, name string, into any) error {
	part, err := form.NextPart()
	if err != nil || part.FormName() != name {
		return badForm("the form must have the parts operations, map and the file, in this order; %s is missing", name)
	}
	text, err := io.ReadAll(io.LimitReader(part, maxOperations+1))
	switch {
	case err != nil:
		return badForm("%s did not come to its end", name)
	case len(text) > maxOperations:
		return errs.New(errs.TooLarge, "graph", "%s is longer than 1 MiB, which is the limit", name)
	}
	if json.Unmarshal(text, into) != nil {
		return badForm("%s is not the JSON that is expected there", name)
	}
	return nil
}

// place puts the file into the variables, where there must be a null so far.
func place(variables map[string]any, path string, file api.Upload) error {
	parts := strings.Split(path, ".")
	if len(parts) < 2 || parts[0] != "variables" {
		return badForm("map points at %.60q; it must begin with variables.", path)
	}
	var at any = variables
	for _, p := range parts[1 : len(parts)-1] {
		at = child(at, p)
	}
	last := parts[len(parts)-1]
	object, ok := at.(map[string]any)
	if !ok || object == nil {
		return badForm("map points at %.60q, which is in no object of the variables", path)
	}
	if have := object[last]; have != nil {
		return badForm("map points at %.60q, where there is a %s; leave null there", path, fmt.Sprintf("%T", have))
	}
	object[last] = file
	return nil
}

func child(of any, key string) any {
	switch v := of.(type) {
	case map[string]any:
		return v[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}
