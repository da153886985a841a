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
}

func main() {
	var c cli
	k := kong.Parse(&c, kong.Name("sluice"), kong.Description("A dependency firewall and package registry."), kong.UsageOnError())
	slog.SetDefault(slog.New(handler(c.LogLevel, c.LogFormat)))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "sluice: "+message(err))
		os.Exit(1)
	}
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
