package postgres

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// maxSocketPath is what fits in sockaddr_un on every system we run on, less
// the terminating zero (Linux 108, macOS 104).
const maxSocketPath = 103

// maxLog is the size in bytes at which a start begins a new log; one old log
// is kept beside it.
const maxLog = 10 << 20

// arguments are the server's settings. They are given on the command line, so
// that a newer Sluice needs no change in the cluster's files.
func (c cluster) arguments(cfg Config, port int) []string {
	socket := ""
	if len(filepath.Join(c.run(), fmt.Sprintf(".s.PGSQL.%d.lock", port))) <= maxSocketPath {
		socket = c.run()
	}
	args := []string{"-D", c.data()}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "127.0.0.1")
	set("port", strconv.Itoa(port))
	set("unix_socket_directories", socket)
	set("unix_socket_permissions", "0700")
	set("max_connections", strconv.Itoa(cfg.MaxConnections))
	set("shared_buffers", "128MB")
	set("password_encryption", "scram-sha-256")
	set("timezone", "UTC")
	set("log_timezone", "UTC")
	set("log_line_prefix", "%m [%p] %q%u@%d ")
	set("logging_collector", "off")
	set("log_checkpoints", "off")
	set("cluster_name", "sluice")
	// Sluice's queries are short: compiling them costs more than it saves.
	set("jit", "off")
	if cfg.FsyncOff {
		set("fsync", "off")
		set("synchronous_commit", "off")
		set("full_page_writes", "off")
		set("wal_level", "minimal")
		set("max_wal_senders", "0")
	}
	return args
}

// openLog opens the server's log for appending and tells where it ends.
func (c cluster) openLog() (*os.File, int64, error) {
	if st, err := os.Stat(c.log()); err == nil && st.Size() > maxLog {
		if err := os.Rename(c.log(), c.log()+".old"); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.OpenFile(c.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	return f, end, err
}

// logSince returns what the server printed after offset, at most 64 KiB.
func (c cluster) logSince(offset int64) string {
	f, err := os.Open(c.log())
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // only read
	b, _ := io.ReadAll(io.NewSectionReader(f, offset, 64<<10))
	return string(b)
}
