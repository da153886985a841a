package access

import "context"

type againKey struct{}

// WithAgain returns a context that can tell who asks now: whether the request's
// credential still counts, by the same means as when it came.
func WithAgain(ctx context.Context, ask func(context.Context) (Subject, error)) context.Context {
	return context.WithValue(ctx, againKey{}, ask)
}

// Again returns who asks now, for what goes on long after the request came. It
// is not known where nothing can tell, as for jobs. A credential that has ended
// is the anonymous subject, or an Unauthenticated error.
func Again(ctx context.Context) (who Subject, known bool, err error) {
	ask, ok := ctx.Value(againKey{}).(func(context.Context) (Subject, error))
	if !ok {
		return Subject{}, false, nil
	}
	who, err = ask(ctx)
	return who, true, err
}
