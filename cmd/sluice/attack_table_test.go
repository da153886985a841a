package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// attempt is a row of the attack table.
type attempt struct {
	group string // what the rows are about that stand together
	name  string // what is tried
	as    string // by whom
	// aim does what honest people and the attacker did before, and returns the
	// attack. What it changes does not count.
	aim func(f *field) shot
}

// shot is one attack. It is a success for the defence when it is refused, and
// changes nothing, and is answered as if what it is about did not exist.
type shot struct {
	fire func() answer
	// like asks for something that does not exist in the same way; nil where
	// there is no such thing to compare with. The answers must be the same but
	// for what was sent.
	like func() answer
	// sent are the texts in which the two requests differ, in pairs: of fire, of
	// like.
	sent []string
	// refused judges fire's answer; nil is [declined].
	refused func(answer) bool
	// inside says how the attacker got in by what the answer does not show; "" for
	// not at all. nil is never.
	inside func() string
	// writes are tables that may change all the same.
	writes []string
}

// verdict is what became of an attempt.
type verdict struct {
	attempt
	came string // what came back
	got  string // how the attacker got in; "" for not at all
	hint string // what the answer told; "" for nothing
}

func (v verdict) word() string {
	switch {
	case v.got != "":
		return "GOT IN: " + v.got
	case v.hint != "":
		return "HINT: " + v.hint
	}
	return "refused"
}

// try makes an attempt and judges it.
func (f *field) try(a attempt) (v verdict) {
	v.attempt = a
	s := a.aim(f)
	f.said.Reset()
	before := f.state()
	hit := s.fire()
	sent := f.said.String()
	v.came = hit.brief()
	changed := differing(before, f.state(), s.writes)
	refused := s.refused
	if refused == nil {
		refused = declined
	}
	switch {
	case hit.err != nil:
		v.came, v.got = hit.err.Error(), "no answer at all"
	case !refused(hit):
		v.got = fmt.Sprintf("%.160s", hit.body)
	case len(changed) > 0:
		v.got = "changed " + strings.Join(changed, ", ")
	case s.inside != nil:
		v.got = s.inside()
	}
	if told := f.tells(hit, sent); told != "" {
		v.hint = "says " + told
	}
	if s.like != nil {
		if other := s.like(); hit.shape(s.sent, 0) != other.shape(s.sent, 1) {
			v.hint = fmt.Sprintf("unlike what does not exist: %.300s | %.300s", hit.shape(s.sent, 0), other.shape(s.sent, 1))
		}
	}
	return v
}

// declined reports whether an answer gives nothing: an HTTP error, the way to
// the login page, or a GraphQL answer that is all errors and nothing else.
func declined(a answer) bool {
	switch {
	case a.status >= 400 && a.status < 500:
		return true
	case a.status == http.StatusSeeOther || a.status == http.StatusFound:
		return strings.Contains(a.next(), "/login")
	case a.status == http.StatusOK:
		return a.gqlRefused()
	}
	return false
}

// gqlAnswer is the shape of GraphQL.
type gqlAnswer struct {
	Data   map[string]json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions struct{ Code string }
	}
}

// gql reads a GraphQL answer, plain or as the first event of a stream.
func (a answer) gql() (out gqlAnswer, ok bool) {
	text := string(a.body)
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		_, text, _ = strings.Cut(text, "data: ")
		text, _, _ = strings.Cut(text, "\n")
	}
	ok = json.Unmarshal([]byte(text), &out) == nil && (out.Data != nil || len(out.Errors) > 0)
	return out, ok
}

// gqlRefused reports whether every root field is null, or a payload that says
// what is wrong, and why.
func (a answer) gqlRefused() bool {
	g, ok := a.gql()
	if !ok {
		return false
	}
	for _, raw := range g.Data {
		var payload struct{ UserErrors []any }
		if text := string(raw); text == "null" || strings.Trim(text, "[]nul,") == "" {
			continue
		}
		if json.Unmarshal(raw, &payload) != nil || len(payload.UserErrors) == 0 {
			return false
		}
	}
	return len(g.Errors) > 0 || len(g.Data) > 0
}

// code is the first error's of a GraphQL answer, "" for none.
func (a answer) code() string {
	if g, ok := a.gql(); ok && len(g.Errors) > 0 {
		return g.Errors[0].Extensions.Code
	}
	var p struct {
		Code string
	}
	_ = json.Unmarshal(a.body, &p)
	return p.Code
}

// brief is an answer for a cell of the table.
func (a answer) brief() string {
	text := fmt.Sprint(a.status)
	code := a.code()
	switch {
	case code != "":
		text += " " + strings.ToLower(code)
	case a.next() != "":
		to, _, _ := strings.Cut(a.next(), "?")
		text += " to " + to
	case strings.Contains(string(a.body), `"userErrors":[{`):
		text += " user error"
	case strings.Contains(string(a.body), `"edges":[]`):
		text += " an empty list"
	case a.status == http.StatusOK:
		text += " " + strings.ReplaceAll(fmt.Sprintf("%.40s", a.body), "\n", " ")
	}
	return text
}

// shape is everything about an answer that could tell one thing from another,
// without what the request itself said.
func (a answer) shape(sent []string, column int) string {
	var lines []string
	for name, values := range a.header {
		if name == "Date" || name == "Content-Length" {
			continue
		}
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	text := a.phrase + "\n" + strings.Join(lines, "\n") + "\n" + string(a.body)
	for i := column; i < len(sent); i += 2 {
		if sent[i] != "" {
			text = strings.ReplaceAll(text, sent[i], "SENT")
		}
	}
	return text
}

// state is a sum over every row of the database by table, without what asking
// alone changes.
func (f *field) state() map[string]string {
	f.Helper()
	if f.sums == "" {
		f.sums = stateQuery(f)
	}
	rows, err := f.super.Query(context.Background(), f.sums)
	if err != nil {
		f.Fatal(err)
	}
	out := map[string]string{}
	var table, sum string
	if _, err := pgx.ForEachRow(rows, []any{&table, &sum}, func() error { out[table] = sum; return nil }); err != nil {
		f.Fatal(err)
	}
	return out
}

// asking are the tables into which asking itself writes: logins that wait for
// their end, the decision log, and what was read from remotes.
var asking = []string{"login_flows", "login_requests", "platform_logins", "decisions", "decisions_default", "deliveries", "remote_documents", "logout_tokens", "schema_migrations"}

func stateQuery(f *field) string {
	f.Helper()
	rows, err := f.super.Query(context.Background(), `SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname = 'public' AND relkind = 'r' AND relname NOT LIKE 'river%' AND relname NOT LIKE 'decisions_%' AND NOT relname = ANY($1) ORDER BY 1`, asking)
	if err != nil {
		f.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) < 30 {
		f.Fatalf("%d tables, %v", len(names), err)
	}
	parts := make([]string, len(names))
	for i, n := range names {
		where := ""
		if n == "audit_events" {
			where = " WHERE action <> 'login:refuse'" // whose purpose is to be written
		}
		parts[i] = fmt.Sprintf(`SELECT '%s', coalesce(md5(string_agg(r, '' ORDER BY r)), '') FROM (SELECT (to_jsonb(t) - '{last_used_at}'::text[])::text AS r FROM %s t%s) x`, n, n, where)
	}
	return strings.Join(parts, " UNION ALL ")
}

func differing(before, after map[string]string, but []string) (out []string) {
	for table, sum := range after {
		if before[table] != sum && !slices.Contains(but, table) {
			out = append(out, table)
		}
	}
	slices.Sort(out)
	return out
}

// tells returns a secret of the field that an answer has and the request had
// not, "" for none.
func (f *field) tells(a answer, sent string) string {
	for _, word := range f.secrets {
		if strings.Contains(sent, word) {
			continue
		}
		if strings.Contains(string(a.body), word) || strings.Contains(a.phrase, word) {
			return word
		}
		for name, values := range a.header {
			if strings.Contains(strings.Join(values, "\n"), word) {
				return word + " in " + name
			}
		}
	}
	return ""
}

// attackTable prints rows under their groups, and counts.
type attackTable struct {
	w                  io.Writer
	group              string
	tried, gotIn, told int
}

func (t *attackTable) add(v verdict) {
	if t.tried == 0 {
		fmt.Fprintf(t.w, "%-92s | %-34s | %-34s | %s\n", "ATTACK", "AS WHOM", "WHAT CAME BACK", "VERDICT")
	}
	if v.group != t.group {
		t.group = v.group
		fmt.Fprintf(t.w, "\n-- %s\n", v.group)
	}
	t.tried++
	if v.got != "" {
		t.gotIn++
	}
	if v.hint != "" {
		t.told++
	}
	fmt.Fprintf(t.w, "%-92s | %-34s | %-34.34s | %s\n", v.name, v.as, v.came, v.word())
}

func (t *attackTable) sum() string {
	return fmt.Sprintf("attacks: %d tried, %d got in, %d gave a hint", t.tried, t.gotIn, t.told)
}
