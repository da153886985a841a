package e2e

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report is the table of what was run. A row is written when its case ends.
type report struct {
	w      io.Writer
	format string
	rows   int
	failed int
}

// newReport writes the head of a table that has room for all the names.
func newReport(w io.Writer, all []phase) *report {
	widest := 0
	for _, p := range all {
		for _, c := range p.cases {
			widest = max(widest, len(c.name))
		}
	}
	r := &report{w: w, format: fmt.Sprintf("%%-%ds  %%-8s  %%9s  %%s\n", widest)}
	fmt.Fprintf(w, r.format, "CASE", "RESULT", "TIME", "NOTES")
	return r
}

func (r *report) add(name string, ok, skipped bool, took time.Duration, notes []string) {
	result := "ok"
	switch {
	case !ok:
		result = "FAIL"
		r.failed++
	case skipped:
		result = "left out"
	}
	r.rows++
	fmt.Fprintf(r.w, r.format, name, result, seconds(took), strings.Join(notes, "; "))
}

// end writes the sum.
func (r *report) end() { fmt.Fprintf(r.w, "\n%d cases, %d failed\n", r.rows, r.failed) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
