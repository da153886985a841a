package graph

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// documentFiles are the operations of the console, one file each, named as the
// operation is. A hash is of the whole file, to its last byte.
//
//go:embed documents/*.graphql
var documentFiles embed.FS

// documents are the built-in operations by the SHA-256 of their text, in hex.
type documents map[string]string

// builtIn reads the built-in operations. One that the schema does not have, or
// that is not named as its file, is an error: a server that has it does not
// start.
func builtIn(schema *ast.Schema) (documents, error) {
	files, err := documentFiles.ReadDir("documents")
	if err != nil {
		return nil, err
	}
	out := documents{}
	for _, f := range files {
		text, err := documentFiles.ReadFile(path.Join("documents", f.Name()))
		if err != nil {
			return nil, err
		}
		doc, wrong := gqlparser.LoadQueryWithRules(schema, string(text), rules.NewDefaultRules())
		if wrong != nil {
			return nil, fmt.Errorf("the built-in document %s: %w", f.Name(), wrong)
		}
		if name := strings.TrimSuffix(f.Name(), ".graphql"); len(doc.Operations) != 1 || doc.Operations[0].Name != name {
			return nil, fmt.Errorf("the built-in document %s must have one operation, of the name %s", f.Name(), name)
		}
		out[hashOf(string(text))] = string(text)
	}
	return out, nil
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Codes of persisted documents.
const (
	notPersisted  = "PERSISTED_QUERY_NOT_FOUND"
	onlyPersisted = "PERSISTED_QUERY_REQUIRED"
)

// persisted runs built-in documents that are named by their hash, in the form
// of automatic persisted queries: extensions.persistedQuery with version 1 and
// sha256Hash. Nothing is ever added to them by a request.
type persisted struct {
	built documents
	only  bool // for sessions
}

// ExtensionName implements graphql.HandlerExtension.
func (persisted) ExtensionName() string { return "PersistedDocuments" }

// Validate implements graphql.HandlerExtension.
func (persisted) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters implements graphql.OperationParameterMutator.
func (p persisted) MutateOperationParameters(ctx context.Context, asked *graphql.RawParams) *gqlerror.Error {
	if named := asked.Extensions["persistedQuery"]; named != nil {
		if err := p.find(named, asked); err != nil {
			return err
		}
	}
	if p.only && hasSession(access.Of(ctx)) && p.built[hashOf(asked.Query)] == "" {
		return coded(onlyPersisted, "only the console's own documents can be run with a login here; use a token")
	}
	return nil
}

// hasSession reports whether somebody is logged in, rather than using a token.
func hasSession(who access.Subject) bool {
	return who.Kind == access.KindMember && who.TokenID == uuid.Nil
}

func (p persisted) find(named any, asked *graphql.RawParams) *gqlerror.Error {
	var want struct {
		Version    int
		Sha256Hash string `json:"sha256Hash"`
	}
	raw, err := json.Marshal(named)
	if err != nil || json.Unmarshal(raw, &want) != nil || want.Version != 1 || len(want.Sha256Hash) != 2*sha256.Size {
		return coded(errs.Invalid.String(), `extensions.persistedQuery must be {"version": 1, "sha256Hash": "…"} with 64 hexadecimal digits`)
	}
	if asked.Query != "" {
		if hashOf(asked.Query) != strings.ToLower(want.Sha256Hash) {
			return coded(errs.Invalid.String(), "extensions.persistedQuery.sha256Hash is not the SHA-256 of query")
		}
		return nil
	}
	text := p.built[strings.ToLower(want.Sha256Hash)]
	if text == "" {
		return coded(notPersisted, "no document of this hash is built in; send the query itself")
	}
	asked.Query = text
	return nil
}

func coded(code, format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, code)
	return err
}
