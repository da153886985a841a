package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
)

// show prints a value as JSON where that was asked for, else what people
// prints.
func (r *remote) show(value any, people func()) error {
	if r.json {
		e := json.NewEncoder(r.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(value)
	}
	people()
	return nil
}

// line prints a sentence for people.
func (r *remote) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = harmless(s)
		}
	}
	fmt.Fprintf(r.out, format+"\n", args...)
}

// table prints rows below a heading.
func (r *remote) table(heading string, rows [][]string) {
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(heading, ", ", "\t"))
	for _, row := range rows {
		for i := range row {
			if row[i] = harmless(row[i]); row[i] == "" {
				row[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // an error of the terminal shows by itself
}

// harmless is a text without what a terminal would obey: names and reasons come
// from others.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

func maybeMoment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return moment(*t)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
