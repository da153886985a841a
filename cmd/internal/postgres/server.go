package postgres

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"

	"sluice.dev/sluice/tenants/errs"
)

// adminRole is the superuser of the private cluster.
const adminRole = "postgres"

// Config says what Start starts. Dir and Binaries are required.
type Config struct {
	// Dir is the cluster's own folder. It is created when it does not exist;
	// under root its parents must be open to the server's user (CheckDir).
	Dir string
	// Port on 127.0.0.1; 0 means any free one.
	Port int
	// Binaries come from Find.
	Binaries Binaries
	// Logger hears what takes time or is repaired; nil means silence.
	Logger *slog.Logger
	// FsyncOff trades durability for speed. For tests only: a power failure
	// can destroy the cluster.
	FsyncOff bool
	// MaxConnections bounds the server's connections; 0 means 100.
	MaxConnections int
}

func (c *Config) validate() error {
	var all []error
	if c.Dir == "" {
		all = append(all, errs.New(errs.Invalid, "postgres.Start", "no folder for the database was given").On("Dir"))
	}
	if c.Binaries.Dir == "" {
		all = append(all, errs.New(errs.Invalid, "postgres.Start", "no PostgreSQL programs were given; Find finds them").On("Binaries"))
	}
	if c.Port < 0 || c.Port > 65535 {
		all = append(all, errs.New(errs.Invalid, "postgres.Start", "port %d is not between 0 and 65535", c.Port).On("Port"))
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 100
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return errors.Join(all...)
}

// Server is a running PostgreSQL. Its methods are safe for concurrent use.
type Server struct {
	cluster  cluster
	pid      int
	port     int
	password string
	lock     *fileLock     // nil for a shared server
	exited   chan struct{} // closed when the process has ended
	exitErr  error         // how; read only after exited
	shared   bool          // Stop leaves it running
	external string        // admin URL of a server that is not ours, "" otherwise
	log      *slog.Logger
}

// Start runs the cluster in cfg.Dir and returns when it accepts connections;
// on an existing cluster that takes a fraction of a second. It creates the
// cluster first when the folder is new, and stops a server that a crashed
// Sluice left running there. Until Stop no other process can Start the folder.
//
// ctx bounds the wait only (recovery after a crash can take long); the server
// outlives it. Errors say what to do: Invalid for an unusable folder, Conflict
// for a taken port, a folder in use and binaries of another major version,
// Unavailable for anything that the server itself complains about.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c, err := openCluster(cfg.Dir)
	if err != nil {
		return nil, err
	}
	lock, err := c.own()
	if err != nil {
		return nil, err
	}
	s, err := c.start(ctx, cfg)
	if err != nil {
		lock.release()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// Done is closed when the server has ended, by Stop or by itself. For a server
// from the environment (Shared) it never is.
func (s *Server) Done() <-chan struct{} { return s.exited }

// Port returns the port on 127.0.0.1, 0 for a server from the environment.
func (s *Server) Port() int { return s.port }

// LogFile returns the path of the server's log, "" for a server from the
// environment.
func (s *Server) LogFile() string {
	if s.external != "" {
		return ""
	}
	return s.cluster.log()
}

// URL returns the connection URL of a role and database on this server. It
// contains the password: do not log it.
func (s *Server) URL(role, password, database string) string {
	if s.external != "" {
		u, err := withLogin(s.external, role, password, database)
		if err == nil {
			return u
		}
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// AdminURL returns the superuser's URL of the database `postgres`. It contains
// the password: do not log it.
func (s *Server) AdminURL() string {
	if s.external != "" {
		return s.external
	}
	return s.URL(adminRole, s.password, "postgres")
}
