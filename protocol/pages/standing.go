package pages

import (
	"net/http"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
)

// Standing implements [protocol.Standing].
func (p *Pages) Standing(r *http.Request, place protocol.Place) (access.Subject, error) {
	if !p.home(place) {
		return access.Anonymous(), nil
	}
	secret := p.secret(r, place, forSession)
	if secret == "" {
		return access.Anonymous(), nil
	}
	who, err := p.Login.Standing(r.Context(), secret)
	if errs.Is(err, errs.Unauthenticated) {
		return access.Anonymous(), nil
	}
	return who, err
}
