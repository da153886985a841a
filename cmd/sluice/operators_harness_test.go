package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	operatorAt     = platformAt + "/-/operator"
	operatorCookie = "__Host-sluice-operator"
	olga           = "olga@sluice.example"
)

// operatorBench is a loginBench with one more node, on which Olga and the group
// ops operate the platform. Its browsers ask that node.
type operatorBench struct {
	*loginBench
	at *served
}

func newOperatorBench(t *testing.T) *operatorBench {
	t.Helper()
	b := newLoginBench(t)
	b.flags.Operators, b.flags.OperatorGroup, b.flags.NodeName = []string{"Olga@Sluice.example"}, "ops", "second"
	o := &operatorBench{loginBench: b, at: b.serve()}
	// The tenants' own requests go on to the first node.
	return o
}

func (o *operatorBench) browser() *browser {
	br := o.loginBench.browser()
	br.at = o.at
	return br
}

// visit logs a browser in at the platform as somebody, and returns the page on
// which an organization is chosen.
func (o *operatorBench) visit(br *browser, person map[string]any) answer {
	o.Helper()
	o.platform.Do(func() { o.platform.Person = person })
	to := platformAt + "/login/start"
	for range 3 {
		to = br.get(to).next()
	}
	return br.get(to)
}

// operate tries to open an operator's session as somebody.
func (o *operatorBench) operate(br *browser, person map[string]any) answer {
	o.Helper()
	o.visit(br, person)
	return br.post(platformAt+"/login/operate", url.Values{"form": {br.form(platformAt + "/login")}})
}

// operator is a browser with Olga's session.
func (o *operatorBench) operator() *browser {
	o.Helper()
	br := o.browser()
	if a := o.operate(br, claims("olga", olga)); a.status != http.StatusSeeOther || a.next() != operatorAt+"/" {
		o.Fatalf("Olga is not let in: %d to %q: %.300s", a.status, a.next(), a.body)
	}
	return br
}

// cookie returns the value of a browser's cookie at the platform.
func (br *browser) cookie(name string) string {
	u, err := url.Parse(platformAt)
	if err != nil {
		br.b.Fatal(err)
	}
	for _, c := range br.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// nothing is what a path answers that does not exist.
func (o *operatorBench) nothing() answer {
	o.Helper()
	return o.browser().get(platformAt + "/-/nothing")
}

// like reports whether two answers cannot be told apart, their dates aside.
func (a answer) like(b answer) bool {
	one, two := a.header.Clone(), b.header.Clone()
	one.Del("Date")
	two.Del("Date")
	if a.status != b.status || string(a.body) != string(b.body) || len(one) != len(two) {
		return false
	}
	for k := range one {
		if strings.Join(one[k], "\n") != strings.Join(two[k], "\n") {
			return false
		}
	}
	return true
}

// do confirms an act on an organization.
func (o *operatorBench) do(br *browser, slug, act string, form url.Values) answer {
	o.Helper()
	to := operatorAt + "/organizations/" + slug + "/" + act
	form.Set("form", br.form(to))
	return br.post(to, form)
}
