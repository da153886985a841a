package graph

import (
	"github.com/google/uuid"
	"github.com/vikstrous/dataloadgen"

	"sluice.dev/sluice/graph/exec"
	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/login"
)

// loginLoaders are the loaders of what logging in is made of.
type loginLoaders struct {
	provider *dataloadgen.Loader[uuid.UUID, login.Provider]
	mapping  *dataloadgen.Loader[uuid.UUID, login.Mapping]
	mappings *dataloadgen.Loader[uuid.UUID, []login.Mapping]
	session  *dataloadgen.Loader[uuid.UUID, login.Session]
	account  *dataloadgen.Loader[uuid.UUID, login.Identity]
	teamName *dataloadgen.Loader[uuid.UUID, string]
}

func newLoginLoaders(r *resolver) loginLoaders {
	return loginLoaders{provider: load(r, login.ProvidersByIDs), mapping: load(r, login.MappingsByIDs), mappings: load(r, login.MappingsOf),
		session: load(r, login.SessionsByIDs), account: load(r, login.IdentitiesByIDs), teamName: load(r, access.TeamNames)}
}

// IdentityProvider implements exec.ResolverRoot, as do the methods below.
func (r *resolver) IdentityProvider() exec.IdentityProviderResolver { return providerFields{r} }
func (r *resolver) IdentityProviderReport() exec.IdentityProviderReportResolver {
	return reportFields{r}
}
func (r *resolver) GroupMapping() exec.GroupMappingResolver     { return mappingFields{r} }
func (r *resolver) Session() exec.SessionResolver               { return sessionFields{r} }
func (r *resolver) LinkedAccount() exec.LinkedAccountResolver   { return accountFields{r} }
func (r *resolver) BreakGlassLink() exec.BreakGlassLinkResolver { return breakGlassFields{r} }
