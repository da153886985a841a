package graph

import (
	"fmt"
	"regexp"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

var untilDate = regexp.MustCompile(`\buntil (\d{4}-\d{2}-\d{2})\b`)

// checkDeprecated returns what says that it goes, but not until when: whoever
// uses the API has to know how long it works.
func checkDeprecated(def *ast.Definition) (problems []error) {
	look := func(what string, all ast.DirectiveList) {
		d := all.ForName("deprecated")
		if d == nil {
			return
		}
		m := untilDate.FindStringSubmatch(textOf(d, "reason"))
		if m == nil {
			problems = append(problems, fmt.Errorf("%s is deprecated without a date; its reason must say for example until 2027-06-30", what))
		} else if _, err := time.Parse(time.DateOnly, m[1]); err != nil {
			problems = append(problems, fmt.Errorf("%s is deprecated until %s, which is no date", what, m[1]))
		}
	}
	for _, f := range ownFields(def) {
		at := def.Name + "." + f.Name
		look(at, f.Directives)
		for _, a := range f.Arguments {
			look(at+"("+a.Name+":)", a.Directives)
		}
	}
	for _, v := range def.EnumValues {
		look(def.Name+"."+v.Name, v.Directives)
	}
	return problems
}
