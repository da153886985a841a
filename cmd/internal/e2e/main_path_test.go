package e2e

import (
	"os"
	"testing"
	"time"
)

// A phase is a state of the machinery that several cases share.
type phase struct {
	begin func(*stage, *testing.T)
	cases []testCase
	end   func(*stage, *testing.T)
}

// A testCase is one row of the table.
type testCase struct {
	name string
	run  func(*testing.T, *stage)
}

// phases in the order of a newcomer's week: install, be refused, restart,
// quarantine, import, crash.
func phases() []phase {
	return []phase{
		{begin: (*stage).open, cases: join(startCases(), installCases(), refusalCases(), demoCases(), restartCases()), end: (*stage).endNodes},
		{begin: (*stage).serveWithoutWorker, cases: join(organizationCases(), quarantineCases()), end: (*stage).endNodes},
		{begin: (*stage).dev, cases: join(importCases(), cascadeCases(), endCases()), end: (*stage).endNodes},
	}
}

// TestMainPath runs all cases, one after the other, and prints the table.
func TestMainPath(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and runs package clients for a minute")
	}
	s := newStage(t)
	all := phases()
	report := newReport(os.Stdout, all)
	defer report.end()
	for _, p := range all {
		if !t.Run("begin", func(t *testing.T) { p.begin(s, t) }) {
			t.Fatal("the next cases cannot run")
		}
		for _, c := range p.cases {
			s.notes = nil
			started := time.Now()
			var ran, skipped bool // not with -run and another name
			ok := t.Run(c.name, func(t *testing.T) {
				defer func() { ran, skipped = true, t.Skipped() }()
				c.run(t, s)
			})
			if ran {
				report.add(c.name, ok, skipped, time.Since(started), s.notes)
			}
			s.explain(t, !ok)
		}
		if p.end != nil && !t.Run("end", func(t *testing.T) { p.end(s, t) }) {
			t.Fatal("the next cases cannot run")
		}
	}
}

func join(lists ...[]testCase) []testCase {
	var out []testCase
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}
