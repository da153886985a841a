package graph

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Bounds of one operation (F3).
const (
	maxTokens     = 4_000   // words and signs of the document
	maxDepth      = 20      // fields inside each other; tools that read the schema need 16
	maxComplexity = 100_000 // objects and fields that the answer could have, by page sizes
	maxNodes      = 100     // ids of the query nodes
	plainList     = 10      // what a list without pages counts as
	gateCost      = 50      // what a field counts as that asks the gate, or reads a whole log
)

// counted is the executable schema with a complexity of its own: a list counts
// as many times as its page may have rows, so that nested pages multiply. It is
// told from the schema, so that no list can be forgotten.
type counted struct{ graphql.ExecutableSchema }

// Complexity implements graphql.ExecutableSchema.
func (c counted) Complexity(_ context.Context, typeName, fieldName string, child int, args map[string]any) (int, bool) {
	def := c.Schema().Types[typeName]
	if def == nil {
		return 0, false
	}
	f := def.Fields.ForName(fieldName)
	if f == nil {
		return 0, false
	}
	return saturate(fieldCost(f), times(def, f, args), child), true
}

func fieldCost(f *ast.FieldDefinition) int {
	if t := f.Type.Name(); t == "Explanation" || t == "Ownership" || t == "BlastRadius" || t == "AuditReport" || f.Name == "wouldHide" {
		return gateCost
	}
	return 1
}

// times is how many objects a field may have below it.
func times(def *ast.Definition, f *ast.FieldDefinition, args map[string]any) int {
	switch {
	case f.Arguments.ForName("first") != nil:
		return pageOf(args["first"])
	case f.Type.Elem == nil, strings.HasSuffix(def.Name, "Connection"):
		return 1
	case f.Arguments.ForName("ids") != nil:
		ids, _ := args["ids"].([]any)
		return max(1, len(ids))
	}
	return plainList
}

func pageOf(first any) int {
	n := defaultPage
	switch v := first.(type) {
	case int64:
		n = int(min(v, maxPage))
	case int:
		n = min(v, maxPage)
	case interface{ Int64() (int64, error) }: // json.Number
		if big, err := v.Int64(); err == nil {
			n = int(min(big, maxPage))
		}
	}
	return max(n, 1)
}

// saturate adds and multiplies without overflowing.
func saturate(own, times, child int) int {
	const most = 1 << 30
	if child >= most/times {
		return most
	}
	return own + times*child
}

// depthLimit refuses operations that are nested too deeply.
type depthLimit struct{}

// ExtensionName implements graphql.HandlerExtension.
func (depthLimit) ExtensionName() string { return "DepthLimit" }

// Validate implements graphql.HandlerExtension.
func (depthLimit) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext implements graphql.OperationContextMutator.
func (depthLimit) MutateOperationContext(_ context.Context, oc *graphql.OperationContext) *gqlerror.Error {
	if oc.Operation == nil || !deeper(oc.Operation.SelectionSet, maxDepth) {
		return nil
	}
	err := gqlerror.Errorf("the operation has fields nested more than %d deep; ask for less at once", maxDepth)
	errcode.Set(err, "DEPTH_LIMIT_EXCEEDED")
	return err
}

// deeper reports whether fields are nested more than left deep. Fragments are
// no level; validation has made sure that they contain no circles.
func deeper(set ast.SelectionSet, left int) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if left == 0 || deeper(s.SelectionSet, left-1) {
				return true
			}
		case *ast.InlineFragment:
			if deeper(s.SelectionSet, left) {
				return true
			}
		case *ast.FragmentSpread:
			if s.Definition != nil && deeper(s.Definition.SelectionSet, left) {
				return true
			}
		}
	}
	return false
}
