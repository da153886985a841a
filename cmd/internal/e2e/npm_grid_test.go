package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// What a cell of the table says.
const (
	done        = "ok"
	refusal     = "refused" // as it must be
	unsupported = "-"       // the client has no such command, or cannot: the notes say why
	failed      = "FAILED"
	leftOut     = "" // of this form
)

// outcome is what one client made of one case.
type outcome struct {
	mark string
	note string // why, for unsupported
}

// lacking is the outcome for a client without the command.
func lacking(why string, args ...any) outcome {
	return outcome{unsupported, fmt.Sprintf(why, args...)}
}

// grid is the table of cases and clients. It is written when all have run.
type grid struct {
	mu      sync.Mutex
	columns []string
	rows    []string
	cells   map[string]map[string]outcome
}

func newGrid(columns []string) *grid {
	return &grid{columns: columns, cells: map[string]map[string]outcome{}}
}

func (g *grid) set(row, column string, o outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cells[row] == nil {
		g.cells[row] = map[string]outcome{}
		g.rows = append(g.rows, row)
	}
	g.cells[row][column] = o
}

// write prints the table, what the dashes mean, and the sum.
func (g *grid) write(w io.Writer) {
	widest := len("CASE")
	for _, row := range g.rows {
		widest = max(widest, len(row))
	}
	fmt.Fprintf(w, "\n%-*s", widest, "CASE")
	for _, c := range g.columns {
		fmt.Fprintf(w, "  %-8s", c)
	}
	fmt.Fprintln(w)
	count := map[string]int{}
	var notes []string
	for _, row := range g.rows {
		fmt.Fprintf(w, "%-*s", widest, row)
		for _, c := range g.columns {
			o := g.cells[row][c]
			count[o.mark]++
			fmt.Fprintf(w, "  %-8s", o.mark)
			if o.note != "" {
				notes = append(notes, fmt.Sprintf("- %s, %s: %s", row, c, o.note))
			}
		}
		fmt.Fprintln(w)
	}
	slices.Sort(notes)
	fmt.Fprintf(w, "\n%s\n\n%d ok, %d refused as they must be, %d not supported by the client, %d FAILED\n",
		strings.Join(notes, "\n"), count[done], count[refusal], count[unsupported], count[failed])
}
