package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// accountRows are who one is, and with which tokens.
func accountRows() []row {
	return []row{
		{name: "ping", run: func(t *testing.T, d *desk) outcome { return d.shows(t, "ping", nil) }},
		{name: "whoami", run: func(t *testing.T, d *desk) outcome {
			if o := d.shows(t, "whoami", nil, d.kit.name+"-ci"); o.mark != done {
				return o
			}
			return d.personally(t).shows(t, "whoami", nil, colleague)
		}},
		{name: "A2: a token that is not valid is refused", run: func(t *testing.T, d *desk) outcome {
			b := d.bench(t, nil)
			b.as = "sluice_notatokenatall0000000000000000000000"
			says := map[string]string{"yarn1": "not a whole Sluice token", "yarn4": "Invalid authentication", "deno": "was not found"}[d.name]
			if says == "" {
				says = "401"
			}
			b.refused(t, b.adds("is-odd"), says)
			b.empty(t, "is-odd")
			return outcome{mark: refusal}
		}},
		{name: "token list, create, revoke", run: tokens},
		{name: "login in the browser, install, logout", run: webLogin},
		{name: "login with name and password, install, logout", run: legacyLogin},
	}
}

// personally is a bench with a token of a member.
func (d *desk) personally(t *testing.T) *bench {
	t.Helper()
	b := d.bench(t, nil)
	b.as = d.state.AdminToken
	return b
}

// nobody is a bench without any token.
func (d *desk) nobody(t *testing.T) *bench {
	t.Helper()
	b := d.bench(t, nil)
	b.as = ""
	b.forget(t)
	return b
}

// tokens makes one with the client, sees it listed, uses it, and ends it.
func tokens(t *testing.T, d *desk) outcome {
	b := d.personally(t)
	args, has := b.line("token create", nil)
	if !has {
		b.lacks(t, "token create", nil)
		return lacking("no such command")
	}
	var out string
	var ok bool
	if d.name == "pnpm12" { // asks nothing where nobody can answer
		out, ok = b.try(t, args...)
	} else {
		out, ok = b.converse(t, args, tell(`(?i)password`, d.state.AdminToken))
	}
	made := regexp.MustCompile(`sluice_[A-Za-z0-9]+`).FindString(strings.ReplaceAll(out, d.state.AdminToken, ""))
	if !ok || made == "" {
		t.Fatalf("no token was made:\n%s", out)
	}
	other := d.bench(t, nil)
	other.as = made
	other.must(t, other.adds("is-odd")...)

	var listed []struct{ Key, Token, Hint, Name string }
	list, _ := b.does(t, "token ls", nil)
	if err := json.Unmarshal([]byte(list[strings.Index(list, "["):]), &listed); err != nil {
		t.Fatalf("%v:\n%s", err, list)
	}
	key := "" // other clients make tokens of the same member at the same time
	for _, l := range listed {
		own := l.Hint != "" && strings.HasSuffix(made, l.Hint)
		if l.Hint == "" { // pnpm 12 does not show it; only its tokens have the name that nobody chose
			own = strings.HasPrefix(l.Name, "npm token ")
		}
		if own && l.Token != "" && strings.HasPrefix(made, l.Token) {
			key = l.Key
		}
	}
	if key == "" {
		t.Fatalf("the token %.12s… is not listed:\n%s", made, list)
	}
	b.does(t, "token rm", map[string]string{"id": key})
	other.fresh(t)
	args, _ = b.line("frozen", nil)
	other.refused(t, args, "401")
	return outcome{mark: done}
}

// webLogin follows the address that the client prints, as its user would.
func webLogin(t *testing.T, d *desk) outcome {
	args, has := d.line("login", nil)
	if !has {
		d.bench(t, nil).lacks(t, "login", nil)
		return lacking("%s", d.why("login"))
	}
	b := d.nobody(t)
	out, ok := b.converse(t, args, exchange{regexp.MustCompile(`http://\S+/login/\S+`), func(address string) string {
		d.approve(t, address)
		return ""
	}})
	if !ok {
		t.Fatalf("the login failed:\n%s", out)
	}
	return loggedIn(t, d, b)
}

// approve sends the form of the page as a browser would, with the token of the
// administrator in it.
func (d *desk) approve(t *testing.T, address string) {
	t.Helper()
	a, err := web.PostForm(address, url.Values{"token": {d.state.AdminToken}})
	if err != nil {
		t.Error(err)
		return
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		t.Errorf("the page of the login answers %d", a.StatusCode)
	}
}

// loggedIn uses a login and ends it.
func loggedIn(t *testing.T, d *desk, b *bench) outcome {
	b.shows(t, "whoami", nil, colleague)
	b.must(t, b.adds("is-odd")...)
	b.does(t, "logout", nil)
	args, _ := b.line("add", map[string]string{"spec": "left-pad"})
	b.refused(t, args, "401")
	return outcome{mark: done}
}

func legacyLogin(t *testing.T, d *desk) outcome {
	if d.name != "npm" {
		return lacking("only npm's is tried")
	}
	b := d.nobody(t)
	out, ok := b.converse(t, []string{"login", "--auth-type=legacy"}, tell(`(?i)username:`, "admin"), tell(`(?i)password:`, d.state.AdminToken), tell(`(?i)email`, colleague))
	if !ok {
		t.Fatalf("the login failed:\n%s", out)
	}
	return loggedIn(t, d, b)
}
