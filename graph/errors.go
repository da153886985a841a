package graph

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"sluice.dev/sluice/graph/api"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
)

// present turns an error of a field into what clients see: a public message and
// a stable code. Whatever is no error of the domain is INTERNAL, is logged, and
// says nothing of itself.
func (r *resolver) present(ctx context.Context, err error) *gqlerror.Error {
	out := graphql.DefaultErrorPresenter(ctx, err)
	if spoken(out, err) {
		if access.Of(ctx).IsAnonymous() && out.Extensions["code"] == errcode.ValidationFailed {
			// What does not fit, and what might have been meant, tell of the schema.
			out.Message = "the operation does not fit the schema, which is shown to those with a token"
		}
		return out
	}
	if refusesSchema(ctx) {
		err = errs.New(errs.Unauthenticated, "graph", "a token is needed to read the schema")
	}
	kind, message, field := explain(err)
	if ctx.Err() != nil && kind == errs.Internal {
		kind, message = errs.Unavailable, "the request was given up, or took too long"
	}
	if kind == errs.Internal {
		r.Log.ErrorContext(ctx, "a GraphQL field failed", "path", out.Path.String(), "error", err)
	}
	out.Message, out.Err = message, nil
	out.Extensions = map[string]any{"code": kind.String()}
	if field != "" {
		out.Extensions["field"] = field
	}
	return out
}

// refusesSchema reports whether the field in hand is the schema, and who asks is
// a stranger: gqlgen's error for that has no kind.
func refusesSchema(ctx context.Context) bool {
	f := graphql.GetFieldContext(ctx)
	return f != nil && (f.Field.Name == "__schema" || f.Field.Name == "__type") && graphql.GetOperationContext(ctx).DisableIntrospection
}

// spoken reports whether the error is one about the request itself, which the
// server's own parts worded and coded already.
func spoken(out *gqlerror.Error, err error) bool {
	var own *gqlerror.Error
	if !errors.As(err, &own) || own.Err != nil {
		return false
	}
	if own.Extensions["code"] == nil {
		errcode.Set(out, errs.Invalid.String())
	}
	return true
}

func explain(err error) (kind errs.Kind, message, field string) {
	var input *api.InputError
	if errors.As(err, &input) {
		return errs.Invalid, input.Msg, ""
	}
	var e *errs.Error
	if errors.As(err, &e) {
		field = e.Field
	}
	return errs.KindOf(err), errs.Public(err), field
}

// recovered is what a resolver that panicked returns.
func (r *resolver) recovered(ctx context.Context, v any) error {
	r.Log.ErrorContext(ctx, "a GraphQL field panicked", "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	return errs.New(errs.Internal, "graph", "panic: %v", v)
}

// userErrors separates what is wrong with the input of a mutation, or with the
// state that it meets, from errors of the request. It is never nil, so that an
// empty list is one.
func userErrors(err error) ([]*api.UserError, error) {
	var e *errs.Error
	if !errors.As(err, &e) || e.Kind != errs.Invalid && e.Kind != errs.Conflict {
		return []*api.UserError{}, err
	}
	return []*api.UserError{{Field: api.Text(e.Field), Message: e.Msg, Code: api.UserErrorCode(e.Kind.String())}}, nil
}

// notFound is the one answer for what does not exist, what belongs to another
// organization, and what is no id at all (T3).
func notFound(typ string) error {
	return errs.New(errs.NotFound, "graph", "the %s does not exist", noun(typ))
}

// noun is a type's name as people write it.
func noun(typ string) string {
	if typ == "" {
		return "object"
	}
	var b strings.Builder
	for i, r := range typ {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}

// packageName and versionText normalize what was typed, or say what is wrong.
func packageName(e coord.Ecosystem, text string) (coord.Package, error) {
	name, err := coord.NormalizeName(e, text)
	if err != nil {
		return coord.Package{}, errs.Wrap(err, errs.Invalid, "graph", "%v", err).On("package")
	}
	return coord.Package{Ecosystem: e, Name: name}, nil
}

func versionText(pkg coord.Package, text string) (coord.Version, error) {
	version, err := coord.NormalizeVersion(pkg.Ecosystem, text)
	if err != nil {
		return coord.Version{}, errs.Wrap(err, errs.Invalid, "graph", "%v", err).On("version")
	}
	return coord.Version{Package: pkg, Version: version}, nil
}
