package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"sluice.dev/sluice/graph/exec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/scope"
)

const (
	maxBody = 4 << 20          // bytes of a request: a block list of the largest size fits
	maxTime = 60 * time.Second // for an answer that is no stream
	maxForm = 15 * time.Minute // for one to a form, with its file
)

// NewHandler returns the API as a handler of POST, of GET for queries, and of
// server-sent events for subscriptions. It expects the organization ([scope.With])
// and the subject ([access.As]) in the request's context.
//
// It is an error when the schema has a field without a declared action (A5).
func NewHandler(d Deps) (http.Handler, error) {
	if d.Log == nil {
		d.Log = slog.Default()
	}
	if d.BatchWait == 0 {
		d.BatchWait = time.Millisecond
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	r := &resolver{Deps: d, live: newLive(d.DB.Feed, d.Streams)}
	es := exec.NewExecutableSchema(exec.Config{Resolvers: r, Directives: exec.DirectiveRoot{Can: r.can}})
	if err := checkSchema(es.Schema()); err != nil {
		return nil, err
	}
	r.seen = seenBy(es.Schema())
	built, err := builtIn(es.Schema())
	if err != nil {
		return nil, err
	}
	// Browsers send no request of another site here, once there are sessions.
	return http.NewCrossOriginProtection().Handler(guard(serverOf(r, es, built), r.live)), nil
}

func serverOf(r *resolver, es graphql.ExecutableSchema, built documents) *handler.Server {
	s := handler.New(counted{es})
	known := lru.New[*ast.QueryDocument](500)
	s.AddTransport(transport.SSE{}) // before POST, which would take its requests
	s.AddTransport(multipartForm{})
	s.AddTransport(transport.POST{})
	s.AddTransport(transport.GET{})
	s.SetQueryCache(known)
	s.SetParserTokenLimit(maxTokens)
	s.SetErrorPresenter(r.present)
	s.SetRecoverFunc(r.recovered)
	s.Use(persisted{built: built, only: r.PersistedOnly})
	s.Use(bounded{known})
	s.Use(depthLimit{})
	s.Use(extension.FixedComplexityLimit(maxComplexity))
	s.Use(introspection{})
	s.AroundOperations(r.operations)
	s.AroundResponses(r.responses)
	// The mutations of one operation follow each other, and each must see what
	// the one before it changed.
	s.AroundRootFields(func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
		if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
			ctx = r.fresh(ctx)
		}
		return next(ctx)
	})
	return s
}

// introspection shows the schema to whoever belongs to the organization.
type introspection struct{}

// ExtensionName implements graphql.HandlerExtension.
func (introspection) ExtensionName() string { return "Introspection" }

// Validate implements graphql.HandlerExtension.
func (introspection) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext implements graphql.OperationContextMutator.
func (introspection) MutateOperationContext(ctx context.Context, oc *graphql.OperationContext) *gqlerror.Error {
	oc.DisableIntrospection = access.Of(ctx).IsAnonymous()
	return nil
}

// guard lets only requests in that the server's transports answer well: with a
// bounded body of JSON, or a form with a file that no other site's page can have
// sent. Bodies are never repeated in an answer or a log.
func guard(next http.Handler, streams *live) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "private, no-store")
		if r.Method == http.MethodGet {
			// A browser may keep it, and asks again before it uses it.
			h.Set("Cache-Control", "private, no-cache")
			h.Set("Vary", "Authorization, Cookie, Accept")
		}
		h.Set("X-Content-Type-Options", "nosniff")
		if _, err := scope.Org(r.Context()); err != nil {
			refuse(w, http.StatusInternalServerError, errs.Internal, "no organization")
			return
		}
		if !isStream(r) {
			within := maxTime
			if isForm(r) {
				within = maxForm
			}
			ctx, cancel := context.WithTimeout(r.Context(), within)
			defer cancel()
			r = r.WithContext(ctx)
		}
		switch r.Method {
		case http.MethodGet:
			next.ServeHTTP(w, r)
		case http.MethodPost:
			if isForm(r) {
				guardForm(next, w, r)
				return
			}
			guardPost(next, streams, w, r)
		default:
			h.Set("Allow", "GET, POST")
			refuse(w, http.StatusMethodNotAllowed, errs.Invalid, "only GET and POST work here")
		}
	})
}

// formHeader must be sent with a form. A page of another site cannot set it
// without asking first, which is refused.
const formHeader = "GraphQL-Preflight"

func guardForm(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(formHeader) == "" {
		refuse(w, http.StatusBadRequest, errs.Invalid, "a form needs the header "+formHeader+": 1, so that no page of another site can send it")
		return
	}
	next.ServeHTTP(w, r)
}

func guardPost(next http.Handler, streams *live, w http.ResponseWriter, r *http.Request) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, errs.Invalid, "the body must be of Content-Type application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, errs.TooLarge, "the body is longer than 4 MiB, which is the limit")
		return
	case err != nil:
		return // the client went away
	}
	var asked graphql.RawParams
	if err := json.Unmarshal(body, &asked); err != nil || asked.Query == "" && asked.Extensions["persistedQuery"] == nil {
		refuse(w, http.StatusBadRequest, errs.Invalid, `the body must be one JSON object with "query" and, where needed, "variables" and "operationName"`)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if isStream(r) {
		streams.serveStream(next, w, r)
		return
	}
	next.ServeHTTP(w, r)
}

// refuse answers a request that is none for GraphQL in the shape of GraphQL.
func refuse(w http.ResponseWriter, status int, kind errs.Kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{
		"message": message, "extensions": map[string]any{"code": kind.String()}}}})
}
