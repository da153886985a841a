package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"sluice.dev/sluice/tenants/errs"
)

// Bounds of a document, before anything looks at what it means (F3): what
// validates and counts it follows every fragment wherever it is spread.
const (
	maxDocument   = 128 << 10 // bytes; what is long belongs into variables
	maxOperation  = 10        // operations
	maxFragments  = 100
	maxDirectives = 100
	maxSelections = 10_000 // fields, with each fragment counted wherever it is spread
	maxNested     = 200    // values, selections and types inside each other
)

// bounded refuses documents over the bounds. Those that were run before are
// within them.
type bounded struct {
	known graphql.Cache[*ast.QueryDocument]
}

// ExtensionName implements graphql.HandlerExtension.
func (bounded) ExtensionName() string { return "BoundedDocument" }

// Validate implements graphql.HandlerExtension.
func (bounded) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters implements graphql.OperationParameterMutator.
func (b bounded) MutateOperationParameters(ctx context.Context, asked *graphql.RawParams) *gqlerror.Error {
	if len(asked.Query) > maxDocument {
		return coded(errs.TooLarge.String(), "the document has %d bytes; at most %d are allowed, so put long values into variables", len(asked.Query), maxDocument)
	}
	if nested(asked.Query) > maxNested {
		return coded(errs.TooLarge.String(), "the document has brackets nested more than %d deep", maxNested)
	}
	if _, ok := b.known.Get(ctx, asked.Query); ok {
		return nil
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: asked.Query}, maxTokens)
	if err != nil {
		return nil // which the server tells as it always does
	}
	return overBounds(doc)
}

// nested is how deep brackets of any kind are inside each other, texts and
// comments included: never less than what the parser will go down to.
func nested(text string) (deepest int) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '{', '[', '(':
			depth++
			deepest = max(deepest, depth)
		case '}', ']', ')':
			depth--
		}
	}
	return deepest
}

func overBounds(doc *ast.QueryDocument) *gqlerror.Error {
	c := counting{fragments: map[string]*ast.FragmentDefinition{}, sizes: map[string]int{}}
	for _, f := range doc.Fragments {
		c.fragments[f.Name] = f
		c.directives += len(f.Directives)
	}
	selections := 0
	for _, op := range doc.Operations {
		c.directives += len(op.Directives)
		for _, v := range op.VariableDefinitions {
			c.directives += len(v.Directives)
		}
		selections = add(selections, c.size(op.SelectionSet))
	}
	for _, f := range doc.Fragments { // also those that no operation spreads
		selections = max(selections, c.fragment(f.Name))
	}
	for _, b := range []struct {
		what      string
		have, may int
	}{{"operations", len(doc.Operations), maxOperation}, {"fragments", len(doc.Fragments), maxFragments},
		{"directives", c.directives, maxDirectives}, {"fields, fragments counted wherever they are spread,", selections, maxSelections}} {
		if b.have > b.may {
			return coded(errs.TooLarge.String(), "the document has more than %d %s which is the limit; ask for less at once", b.may, b.what)
		}
	}
	return nil
}

// counting looks at each selection of the document once, whatever spreads it.
type counting struct {
	fragments  map[string]*ast.FragmentDefinition
	sizes      map[string]int // of fragments; 0 while one is looked at, as in a circle
	directives int
}

func (c *counting) size(set ast.SelectionSet) (n int) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			c.directives += len(s.Directives)
			n = add(n, add(1, c.size(s.SelectionSet)))
		case *ast.InlineFragment:
			c.directives += len(s.Directives)
			n = add(n, c.size(s.SelectionSet))
		case *ast.FragmentSpread:
			c.directives += len(s.Directives)
			n = add(n, add(1, c.fragment(s.Name)))
		}
	}
	return n
}

func (c *counting) fragment(name string) int {
	if n, ok := c.sizes[name]; ok || c.fragments[name] == nil {
		return n
	}
	c.sizes[name] = 0
	c.sizes[name] = c.size(c.fragments[name].SelectionSet)
	return c.sizes[name]
}

// add adds without overflowing.
func add(a, b int) int { return min(a+b, 1<<30) }
