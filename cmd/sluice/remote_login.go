package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/apiclient"
)

// keptLogin is what 'sluice login' keeps.
type keptLogin struct {
	Server string `json:"server"`
	Token  string `json:"token"`
}

// loginFile is where a login is kept: sluice/config.json in the folder for
// configuration.
func loginFile() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sluice", "config.json"), nil
}

// readLogin returns what is kept, the zero value when nothing is. A file that
// others can read is an error: the token in it is theirs already.
func readLogin() (kept keptLogin, err error) {
	name, err := loginFile()
	if err != nil {
		return keptLogin{}, nil // no home, nothing kept
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return keptLogin{}, nil
	}
	if err != nil {
		return keptLogin{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return keptLogin{}, fmt.Errorf("%s can be read by others (mode %04o); revoke the token in it, and log in again after 'rm %s'", name, info.Mode().Perm(), name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return keptLogin{}, err
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return keptLogin{}, fmt.Errorf("%s is no configuration of sluice: %w", name, err)
	}
	return kept, nil
}

// write keeps the login for its user alone.
func (l keptLogin) write() (string, error) {
	name, err := loginFile()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return "", err
	}
	// A new file takes the place of the old one, so that its mode is ours.
	part, err := os.CreateTemp(filepath.Dir(name), "config-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(part.Name()) //nolint:errcheck // renamed when all is well
	_, err = part.Write(append(text, '\n'))
	if err = errors.Join(err, part.Chmod(0o600), part.Close()); err != nil {
		return "", err
	}
	return name, os.Rename(part.Name(), name)
}

type loginCmd struct {
	remoteFlags
}

// Run keeps the server with a token that works there.
func (c *loginCmd) Run(ctx context.Context) error {
	return c.run(ctx, os.Stdin, os.Stdout)
}

func (c *loginCmd) run(ctx context.Context, in io.Reader, out io.Writer) error {
	if c.Server == "" {
		return misused("which server? Give --server, such as https://acme.sluice.example")
	}
	server, err := checkServer(c.Server, c.PlainHTTP)
	if err != nil {
		return err
	}
	token := string(c.Token)
	if token == "" {
		if token, err = readToken(in); err != nil {
			return err
		}
	}
	r := &remote{Client: apiclient.New(server, token, "sluice/"+version, transport()), out: out, json: c.JSON, now: time.Now}
	who, err := apiclient.Whoami(ctx, r)
	if err != nil {
		return err
	}
	if who.Viewer.Kind == apiclient.SubjectKindAnonymous {
		return &apiclient.Error{Code: "UNAUTHENTICATED", Message: "the server took no notice of the token"}
	}
	name, err := keptLogin{server, token}.write()
	if err != nil {
		return err
	}
	return r.show(map[string]string{"server": server, "name": who.Viewer.Name, "file": name}, func() {
		r.line("logged in to %s as %s; kept in %s", server, who.Viewer.Name, name)
	})
}

// readToken reads the first line. Nothing is read from a terminal, which would
// show what is typed.
func readToken(in io.Reader) (string, error) {
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return "", misused("pipe the token in, or set SLUICE_TOKEN: sluice login --server … < token.txt")
		}
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", misused("there is no token on the standard input, nor in SLUICE_TOKEN")
	}
	return line, nil
}

type logoutCmd struct{}

// Run forgets the login. The token stays valid until it is revoked.
func (logoutCmd) Run() error {
	name, err := loginFile()
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
