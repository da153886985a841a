package e2e

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// report is the table of what was run.
type report struct {
	rows   []string
	failed int
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
	r.rows = append(r.rows, fmt.Sprintf("%s\t%s\t%s\t%s", name, result, seconds(took), strings.Join(notes, "; ")))
}

func (r *report) print(w io.Writer) {
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tRESULT\tTIME\tNOTES")
	for _, row := range r.rows {
		fmt.Fprintln(t, row)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\n%d cases, %d failed\n", len(r.rows), r.failed)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
