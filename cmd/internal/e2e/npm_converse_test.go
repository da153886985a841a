package e2e

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// exchange is what a client asks and what it is told. An empty answer writes
// nothing.
type exchange struct {
	asks *regexp.Regexp
	told func(asked string) string
}

// tell is an exchange with a fixed answer.
func tell(asks, told string) exchange {
	return exchange{regexp.MustCompile(asks), func(string) string { return told }}
}

// converse runs the client and answers what it asks, in any order, each once.
func (b *bench) converse(t *testing.T, args []string, talk ...exchange) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := b.command(ctx, t, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	var said strings.Builder
	heard := 0
	for buf := make([]byte, 4096); ; {
		n, err := r.Read(buf)
		said.Write(buf[:n])
		for i, x := range talk {
			news := plain(said.String())
			at := x.asks.FindStringIndex(news[min(heard, len(news)):])
			if x.told == nil || at == nil {
				continue
			}
			asked := news[heard:][at[0]:at[1]]
			heard += at[1]
			if told := x.told(asked); told != "" {
				_, _ = io.WriteString(in, told+"\n")
			}
			talk[i].told = nil
		}
		if err != nil {
			break
		}
	}
	_ = in.Close()
	err = cmd.Wait()
	if ctx.Err() != nil {
		t.Errorf("%s %s: not within a minute", b.name, strings.Join(args, " "))
	}
	return plain(said.String()), err == nil
}

// forget removes the credentials that settings have put into the home folder
// and the project, so that the client has to log in.
func (b *bench) forget(t *testing.T) {
	t.Helper()
	for _, path := range []string{filepath.Join(b.home, ".npmrc"), filepath.Join(b.dir, ".yarnrc.yml")} {
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for _, l := range strings.Split(string(text), "\n") {
			if !strings.Contains(l, "oken") {
				kept = append(kept, l)
			}
		}
		if err := os.WriteFile(path, []byte(strings.Join(kept, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
