package api

import (
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// Upload is a file that is sent beside an operation. It is read once, while it
// comes in.
type Upload struct {
	Name string // as the client calls it
	io.Reader
}

// MarshalGQL implements graphql.Marshaler. A file is never in an answer.
func (Upload) MarshalGQL(w io.Writer) { graphql.Null.MarshalGQL(w) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (u *Upload) UnmarshalGQL(v any) error {
	given, ok := v.(Upload)
	if !ok {
		return &InputError{Msg: "a file must be sent beside the operation, in a form as the GraphQL multipart request specification says"}
	}
	*u = given
	return nil
}
