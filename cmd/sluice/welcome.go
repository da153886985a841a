package main

import (
	"fmt"
	"io"
	"strings"
)

// welcome prints how to use the demonstration, ready to paste.
func welcome(w io.Writer, s devState) {
	team := s.BaseURL + "/npm/team-a/"
	host := strings.TrimPrefix(team, "http:")
	fmt.Fprintf(w, `
Sluice is running.

  GraphQL explorer   %[1]s/graphql/explorer/
  GraphQL endpoint   %[1]s/graphql
  npm remote         %[3]s

Log in (nobody has a password; choose who you are)

  organizations      %[10]s/login
                     Ada owns Acme, Selma keeps it secure, Dan is in team A, Sam is in Acme and Globex
                     Olga operates the platform: she logs in there too
  Globex alone       %[10]s/o/globex/login
                     by its own provider: Gil owns it, Gwen becomes a member by logging in

Registries of the organization acme

  1  solo-firewall                             a firewall that everybody uses directly
  2  npm-firewall > team-a, team-b             a firewall above two teams
  3  corp-firewall, patches, integration > corp-a, corp-b

Tokens

  administrator      %[2]s
  team A             %[4]s    solo-firewall, team-a, corp-a
  team B             %[5]s    solo-firewall, team-b, corp-b
  CI                 %[6]s    all five

Use team-a, by a file in your project:

  npm and pnpm, .npmrc
    registry=%[7]s
    %[8]s:_authToken=%[4]s

  yarn 1, .npmrc: the same, and
    always-auth=true

  yarn 4, .yarnrc.yml
    npmRegistryServer: "%[9]s"
    npmAuthToken: "%[4]s"
    npmAlwaysAuth: true
    unsafeHttpWhitelist: ["127.0.0.1"]

Then try:  npm install lodash@4.17.20    (withheld: it says why, and what to install instead)
           npm install lodash            (works)

Ctrl-C stops everything.
`, s.BaseURL, s.AdminToken, s.NPMRemote, s.TeamA, s.TeamB, s.CI, team, host, strings.TrimRight(team, "/"), strings.TrimSuffix(s.BaseURL, "/o/"+demoOrg))
}
