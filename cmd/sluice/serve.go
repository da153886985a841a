package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"
)

type serveCmd struct {
	databaseFlags
	nodeFlags
	NoWorker bool `help:"Leave background jobs to 'sluice work'." env:"SLUICE_NO_WORKER"`
}

// Run serves until it is told to stop.
func (c *serveCmd) Run(ctx context.Context) error {
	n, err := newNode(ctx, c.databaseFlags, c.nodeFlags, time.Now)
	if err != nil {
		return err
	}
	defer n.close()
	ln, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	if err := n.start(ctx); err != nil {
		return err
	}
	if !c.NoWorker {
		if err := n.startWorker(ctx); err != nil {
			return err
		}
	}
	h, err := n.handler()
	if err != nil {
		return err
	}
	slog.Info("serving", "address", ln.Addr().String(), "public", n.flags.PublicURL)
	return n.listen(ctx, ln, h)
}

type workCmd struct {
	databaseFlags
	nodeFlags
}

// Run works until it is told to stop.
func (c *workCmd) Run(ctx context.Context) error {
	n, err := newNode(ctx, c.databaseFlags, c.nodeFlags, time.Now)
	if err != nil {
		return err
	}
	defer n.close()
	if err := n.start(ctx); err != nil {
		return err
	}
	if err := n.startWorker(ctx); err != nil {
		return err
	}
	slog.Info("working")
	<-ctx.Done()
	return nil
}
