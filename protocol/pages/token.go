package pages

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// tokenDays are how long a token may be made to last; 0 is for good.
var tokenDays = []int{7, 30, 90, 365, 0}

// typedToken is what a person typed into the form, which is shown again beside
// what is wrong with it.
type typedToken struct {
	Name, Access, Packages, Networks, Days string
	Registries                             []string
}

// Chose reports whether a registry was chosen.
func (t typedToken) Chose(id uuid.UUID) bool { return slices.Contains(t.Registries, id.String()) }

// createToken shows the secret once, on the answer itself.
func (p *Pages) createToken(w http.ResponseWriter, r *http.Request) {
	v, _, ok := p.who(w, r)
	if !ok {
		return
	}
	f := r.PostForm
	typed := typedToken{f.Get("name"), f.Get("access"), f.Get("packages"), f.Get("networks"), f.Get("days"), f["registry"]}
	in, err := p.tokenInput(typed, v)
	var secret string
	var made access.Token
	if err == nil {
		secret, made, err = p.Access.CreateToken(r.Context(), in)
	}
	switch {
	case errs.Is(err, errs.Internal), errs.Is(err, errs.Unavailable):
		p.fail(w, r, err)
	case err != nil:
		p.showTokens(w, r, v, http.StatusUnprocessableEntity, map[string]any{"Problem": problemOf(err), "Typed": typed})
	default:
		p.showTokens(w, r, v, http.StatusOK, map[string]any{"Secret": secret, "Made": made.Name})
	}
}

func (p *Pages) tokenInput(typed typedToken, v visitor) (access.TokenInput, error) {
	bad := func(field, message string) error {
		return errs.New(errs.Invalid, "pages.createToken", "%s", message).On(field)
	}
	in := access.TokenInput{Name: typed.Name, MemberID: v.MemberID, Write: typed.Access == "write", Packages: words(typed.Packages), Networks: words(typed.Networks)}
	for _, text := range typed.Registries {
		id, err := uuid.Parse(text)
		if err != nil {
			return in, bad("registries", "a registry is named in a way that no page of ours does")
		}
		in.Registries = append(in.Registries, id)
	}
	days, err := strconv.Atoi(typed.Days)
	if err != nil || days < 0 || days > 3660 {
		return in, bad("expiresAt", "choose how long the token lasts")
	}
	if days > 0 {
		in.ExpiresAt = p.Now().Add(time.Duration(days) * 24 * time.Hour)
	}
	if len(in.Packages) > 0 && !in.Write {
		return in, bad("packages", "a token that only reads writes to no package; leave the packages out, or let it write")
	}
	return in, nil
}

// words reads a list of which people put each on a line, or commas or spaces
// between.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
}
