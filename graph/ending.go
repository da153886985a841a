package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"sluice.dev/sluice/tenants/errs"
)

// ending is why a stream ends that would have gone on.
type ending struct {
	mu   sync.Mutex
	why  error
	told bool
}

type endingKey struct{}

// endingOf returns that of the context's subscription; outside of one it is
// told to nobody.
func endingOf(ctx context.Context) *ending {
	if e, ok := ctx.Value(endingKey{}).(*ending); ok {
		return e
	}
	return &ending{}
}

func (e *ending) because(why error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.why = why
}

// take returns the reason once.
func (e *ending) take() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.told {
		return nil
	}
	e.told = e.why != nil
	return e.why
}

type streamKey struct{}

// operations bounds each operation by what it is: a subscription needs a
// stream, and anything else in a stream ends in time.
func (r *resolver) operations(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	_, streams := ctx.Value(streamKey{}).(bool)
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription {
		if !streams {
			err := gqlerror.Errorf("a subscription is answered as a stream: send it with POST and Accept: text/event-stream")
			err.Extensions = map[string]any{"code": errs.Invalid.String()}
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
		}
		return next(context.WithValue(ctx, endingKey{}, &ending{}))
	}
	if !streams {
		return next(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	answers := next(ctx)
	return func(ctx context.Context) *graphql.Response {
		answer := answers(ctx)
		if answer == nil {
			cancel()
		}
		return answer
	}
}

// responses gives each answer its own memory, and a stream that ends before its
// time a last answer that says why.
func (r *resolver) responses(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	answer := next(r.fresh(ctx))
	if answer != nil {
		return answer
	}
	why := endingOf(ctx).take()
	if why == nil {
		return nil
	}
	return &graphql.Response{Errors: gqlerror.List{r.present(ctx, why)}}
}
