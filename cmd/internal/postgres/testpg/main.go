// Command testpg runs the PostgreSQL that the tests share.
//
//	testpg find             install PostgreSQL if need be, print its folder
//	testpg start            start it and print the superuser's URL; it stays
//	testpg stop             stop it
//	testpg run -- CMD ARG…  run CMD with SLUICE_TEST_DATABASE_ADMIN_URL set,
//	                        and stop the server afterwards if nobody else uses
//	                        it; the exit status is CMD's
//
// Test packages that cannot import cmd/internal/postgres call `testpg start`
// when the variable is not set.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"sluice.dev/sluice/cmd/internal/postgres"
)

const usage = "usage: testpg find | start | stop | run -- command [argument…]"

func main() {
	status, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "testpg:", err)
	}
	os.Exit(status)
}

// run returns the exit status: the command's own, 2 for wrong usage.
func run(ctx context.Context, args []string) (int, error) {
	var err error
	switch {
	case len(args) == 1 && args[0] == "find":
		var b postgres.Binaries
		if b, err = postgres.Find(ctx, postgres.Options{Logger: slog.Default()}); err == nil {
			fmt.Println(b.Dir)
		}
	case len(args) == 1 && args[0] == "start":
		var s *postgres.Server
		if s, err = postgres.Shared(ctx); err == nil {
			fmt.Println(s.AdminURL())
		}
	case len(args) == 1 && args[0] == "stop":
		err = postgres.StopShared(ctx)
	case len(args) > 2 && args[0] == "run" && args[1] == "--":
		err = postgres.WhileShared(ctx, func(s *postgres.Server) error { return command(s, args[2:]) })
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			// Like a shell, a signal is 128 and its number.
			if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				return 128 + int(ws.Signal()), nil
			}
			return exit.ExitCode(), nil
		}
	default:
		return 2, errors.New(usage)
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// command runs CMD with the server's URL. Ctrl-C reaches CMD through the
// terminal; testpg waits for it to end and then cleans up.
func command(s *postgres.Server, argv []string) error {
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, os.Interrupt)
	defer signal.Stop(ignored)
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // the caller's own command
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), postgres.EnvAdminURL+"="+s.AdminURL())
	return cmd.Run()
}
