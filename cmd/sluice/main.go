// Command sluice is the whole of Sluice in one binary: the server and its
// worker, the development set-up, migrations, and the commands of operators.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"sluice.dev/sluice/tenants/errs"
)

// version is set by the build.
var version = "development"

// cli is the command line.
type cli struct {
	LogLevel  string `help:"Least severe log line shown: debug, info, warn or error." default:"info" enum:"debug,info,warn,error" env:"SLUICE_LOG_LEVEL"`
	LogFormat string `help:"Log lines as text or json." default:"text" enum:"text,json" env:"SLUICE_LOG_FORMAT"`

	Dev           devCmd           `cmd:"" help:"Try Sluice: a private PostgreSQL, the demonstration organization acme, server and worker."`
	Serve         serveCmd         `cmd:"" help:"Run a node: package protocols, GraphQL and a worker."`
	Work          workCmd          `cmd:"" help:"Run a worker alone."`
	Migrate       migrateCmd       `cmd:"" help:"Bring a database to this version's schema."`
	Organizations organizationsCmd `cmd:"" help:"Work with organizations."`
	Audit         auditCmd         `cmd:"" help:"Verify and export audit trails."`
	Advisories    advisoriesCmd    `cmd:"" help:"Work with security advisories."`
	GC            gcCmd            `cmd:"" name:"gc" help:"Remove bytes that nothing refers to any more."`
	Version       versionCmd       `cmd:"" help:"Print the version."`

	remoteCmds
}

// remoteCmds work with a server, over its API.
type remoteCmds struct {
	Login       loginCmd       `cmd:"" group:"server" help:"Keep a server and a token, from SLUICE_TOKEN or the standard input, for the commands below."`
	Logout      logoutCmd      `cmd:"" group:"server" help:"Forget the kept server and token."`
	Whoami      whoamiCmd      `cmd:"" group:"server" help:"Show who the token is."`
	Registries  registriesCmd  `cmd:"" group:"server" help:"Work with registries."`
	Packages    packagesCmd    `cmd:"" group:"server" help:"List the packages that a registry holds."`
	Settings    settingsCmd    `cmd:"" group:"server" help:"Print what package clients need in their configuration for a registry."`
	Explain     explainCmd     `cmd:"" group:"server" help:"Show what the gate answers for a version, and why."`
	BlastRadius blastRadiusCmd `cmd:"" group:"server" help:"Show which registries hold a package or version, and who fetched it."`
	Holds       holdsCmd       `cmd:"" group:"server" help:"Work with quarantine."`
	Quarantine  quarantineCmd  `cmd:"" group:"server" help:"Put a version, a range or a package under quarantine."`
	Release     releaseCmd     `cmd:"" group:"server" help:"Release a hold."`
	Decisions   decisionsCmd   `cmd:"" group:"server" help:"List what the gate answered to clients, the newest first."`
	Tokens      tokensCmd      `cmd:"" group:"server" help:"Work with tokens."`
	Trust       trustCmd       `cmd:"" group:"server" help:"Work with the trust in identities of CI jobs."`
	CIToken     ciTokenCmd     `cmd:"" name:"ci-token" group:"server" help:"In a CI job: get a token of fifteen minutes for the job's identity."`
}

func main() {
	var c cli
	k := kong.Parse(&c, options(kong.Exit(func(code int) { os.Exit(min(code, 2)) }))...)
	slog.SetDefault(slog.New(handler(c.LogLevel, c.LogFormat)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "sluice: "+message(err))
		os.Exit(exitStatus(err))
	}
}

// options are how the command line is read. A mistake in it is exit status 2.
func options(more ...kong.Option) []kong.Option {
	return append([]kong.Option{kong.Name("sluice"), kong.Description("A dependency firewall and package registry."), kong.UsageOnError(),
		kong.ExplicitGroups([]kong.Group{{Key: "server", Title: "Commands that work with a server:"}})}, more...)
}

// message shows operators the whole error: who starts the binary owns it.
func message(err error) string {
	var e *errs.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Msg + " (" + e.Err.Error() + ")"
	}
	if e != nil {
		return e.Msg
	}
	return err.Error()
}

func handler(level, format string) slog.Handler {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	if format == "json" {
		return slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: l})
	}
	return slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("sluice", version)
	return nil
}
