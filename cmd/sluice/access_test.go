package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAccess tries to get in, asks who may do what, and logs in: the tables that
// scripts/e2e-access.sh prints. The long form of it has dex and a real browser
// besides (SLUICE_E2E_LONG).
func TestAccess(t *testing.T) {
	var w io.Writer = os.Stdout
	if !testing.Verbose() && os.Getenv("SLUICE_E2E_TABLES") == "" {
		w = io.Discard
	}
	began := time.Now()
	attacks, roles, logins := &attackTable{w: w}, &roleReport{w: w}, &loginReport{w: w}
	t.Run("attacks", func(t *testing.T) { attackAll(t, attacks) })
	t.Run("roles", func(t *testing.T) { whoMayWhat(t, roles) })
	t.Run("login", func(t *testing.T) { loginSteps(t, logins) })
	fmt.Fprintf(w, "\nNot attacked, because there are none yet: webhooks. %.0f s.\n%s; %s; %s\n", time.Since(began).Seconds(), attacks.sum(), roles.sum(), logins.sum())
}

// fewestAttempts guards against a table that has lost its rows.
const fewestAttempts = 1000

// attackAll makes every attempt of the table. An attempt may end a session or make
// the clock pass, but leaves the field as good as it was for the next.
func attackAll(t *testing.T, table *attackTable) {
	f := newField(t)
	all := append(schemaAttempts(), graphqlAttempts()...)
	all = append(all, hostAttempts()...)
	all = append(all, tokenAttempts()...)
	all = append(all, exchangeAttempts()...)
	all = append(all, sessionAttempts()...)
	all = append(all, rightAttempts()...)
	all = append(all, routeAttempts()...)
	seen := map[string]bool{}
	add := func(t *testing.T, v verdict) {
		key := v.group + "|" + v.name + "|" + v.as
		if seen[key] {
			t.Errorf("the row %q is there twice", key)
		}
		seen[key] = true
		table.add(v)
		if word := v.word(); word != "refused" {
			t.Errorf("%s, as %s: %s: %s", v.name, v.as, v.came, word)
		}
	}
	only := os.Getenv("SLUICE_E2E_ATTACKS") // a part of a group's or an attack's name
	for _, a := range all {
		if !strings.Contains(a.group+" "+a.name, only) {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			f.in(t)
			f.honest()
			add(t, f.try(a))
		})
	}
	loginVerdicts(t, only, func(t *testing.T, v verdict) { add(t, v) })
	if only == "" {
		t.Run("control", func(t *testing.T) { control(t, f) })
	}
	if table.tried < fewestAttempts && only == "" {
		t.Errorf("only %d attempts were made; there are at least %d", table.tried, fewestAttempts)
	}
}
