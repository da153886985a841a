package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice.dev/sluice/cmd/internal/postgres"
	"sluice.dev/sluice/ent/db"
)

type devCmd struct {
	Listen    string `help:"Address to listen on." default:"127.0.0.1:8080" env:"SLUICE_LISTEN"`
	Data      string `help:"Folder that keeps everything; default: data in the current folder." type:"path" env:"SLUICE_DATA"`
	NPMRemote string `help:"The npm registry that the demonstration's remotes point at." default:"https://registry.yarnpkg.com" env:"SLUICE_NPM_REMOTE"`
	OwnerURL  secret `name:"database-owner-url" help:"Use this PostgreSQL instead of a private one (with --database-url)." env:"SLUICE_DATABASE_OWNER_URL"`
	databaseFlags
}

// devState is what a development set-up remembers between starts.
type devState struct {
	SecretKey   string `json:"secretKey"`
	DatabaseURL string `json:"databaseUrl"` // of the running database; changes with its port
	BaseURL     string `json:"baseUrl"`     // of the organization acme
	AdminToken  string `json:"adminToken"`
	TeamA       string `json:"teamAToken"`
	TeamB       string `json:"teamBToken"`
	CI          string `json:"ciToken"`
	NPMRemote   string `json:"npmRemote"`
	// LoginAddress is where the demonstration's identity providers listen.
	LoginAddress string `json:"loginAddress"`
}

func devDir(flag string) string {
	if flag != "" {
		return flag
	}
	return "data"
}

func stateFile(dir string) string { return filepath.Join(dir, "dev.json") }

func readDevState(dir string) (devState, error) {
	var s devState
	b, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s cannot be read: %w", stateFile(dir), err)
	}
	return s, nil
}

// devInstead is the state of the `sluice dev` that has its data in the folder,
// for commands that were given no database.
func devInstead(data string) (devState, error) {
	state, err := readDevState(devDir(data))
	if err != nil {
		return state, fmt.Errorf("--database-url is missing, and no 'sluice dev' has its data here: %w", err)
	}
	return state, nil
}

// write replaces the file in one step: a crash leaves the old one or the new.
func (s devState) write(dir string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	tmp := stateFile(dir) + ".new"
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, stateFile(dir))
}

// Run starts everything, makes the demonstration organization when it is not
// there yet, prints how to use it, and stops everything that it started.
func (c *devCmd) Run(ctx context.Context) error {
	c.Data = devDir(c.Data)
	remote, err := c.remote()
	if err != nil {
		return err
	}
	// Bound first: a port that is taken is found before anything else happens.
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; stop what listens there, or choose another address with --listen", c.Listen, err)
	}
	defer ln.Close()
	// The private PostgreSQL may run as another user, who must get through.
	if err := os.MkdirAll(c.Data, 0o755); err != nil { //nolint:gosec // secrets in it have modes of their own
		return fmt.Errorf("the data folder cannot be made: %w", err)
	}
	state, err := readDevState(c.Data)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if state.SecretKey == "" {
		var key [32]byte
		_, _ = rand.Read(key[:]) // never fails
		state.SecretKey = hex.EncodeToString(key[:])
	}
	urls, stop, err := c.database(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := db.Migrate(ctx, urls.Owner); err != nil {
		return err
	}
	state.DatabaseURL = urls.App
	if err := state.write(c.Data); err != nil {
		return err
	}
	return c.serve(ctx, ln, state, remote)
}

func (c *devCmd) serve(ctx context.Context, ln net.Listener, state devState, remote *url.URL) error {
	public := "http://" + ln.Addr().String()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return err
	}
	people, err := startVoucher(&state, public, port)
	if err != nil {
		return err
	}
	defer people.close()
	flags := nodeFlags{Listen: ln.Addr().String(), PublicURL: public, BaseDomain: []string{"localhost"}, development: true, OIDC: people.flags(), Operators: []string{demoOperator},
		AllowRemote: []string{remote.Host, state.LoginAddress}, BlobDir: filepath.Join(c.Data, "blobs"), SecretKeys: []secret{secret(state.SecretKey)}, CacheMiB: 128}
	n, err := newNode(ctx, databaseFlags{DatabaseURL: secret(state.DatabaseURL), DatabaseConns: 20}, flags, time.Now)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.start(ctx); err != nil {
		return err
	}
	state.BaseURL = flags.PublicURL + "/o/acme"
	if err := n.seed(ctx, &state, strings.TrimRight(remote.String(), "/")); err != nil {
		return fmt.Errorf("make the demonstration organization: %w", err)
	}
	if err := n.seedSecond(ctx, people); err != nil {
		return fmt.Errorf("make the demonstration's second organization: %w", err)
	}
	if err := state.write(c.Data); err != nil {
		return err
	}
	if err := n.startWorker(ctx); err != nil {
		return err
	}
	h, err := n.handler()
	if err != nil {
		return err
	}
	welcome(os.Stdout, state)
	return n.listen(ctx, ln, h)
}

func (c *devCmd) remote() (*url.URL, error) {
	u, err := url.Parse(c.NPMRemote)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("--npm-remote %q is no registry address; want an absolute URL, for example what `npm config get registry` prints", c.NPMRemote)
	}
	return u, nil
}

// database returns the URLs of a migrated-to-be database and what stops it.
func (c *devCmd) database(ctx context.Context) (postgres.URLs, func(), error) {
	if c.DatabaseURL != "" || c.OwnerURL != "" {
		if c.DatabaseURL == "" || c.OwnerURL == "" {
			return postgres.URLs{}, nil, errors.New("--database-url and --database-owner-url belong together; give both or neither")
		}
		return postgres.URLs{Owner: string(c.OwnerURL), App: string(c.DatabaseURL)}, func() {}, nil
	}
	cluster := filepath.Join(c.Data, "postgres")
	major, err := postgres.ClusterMajor(cluster)
	if err != nil {
		return postgres.URLs{}, nil, err
	}
	bin, err := postgres.Find(ctx, postgres.Options{Major: major, Logger: slog.Default()})
	if err != nil {
		return postgres.URLs{}, nil, err
	}
	server, err := postgres.Start(ctx, postgres.Config{Dir: cluster, Binaries: bin, Logger: slog.Default()})
	if err != nil {
		return postgres.URLs{}, nil, err
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			slog.Warn("the private PostgreSQL did not stop cleanly; the next start recovers it", "error", err)
		}
	}
	urls, err := postgres.EnsureDatabase(ctx, server.AdminURL(), postgres.DefaultNames(), filepath.Join(c.Data, "secrets"))
	if err != nil {
		stop()
		return postgres.URLs{}, nil, err
	}
	return urls, stop, nil
}
