// Package postgres runs a private PostgreSQL cluster for `sluice dev` and for
// tests: it finds (or obtains) the server's programs, creates the cluster in a
// folder of its own, starts it on a loopback port, recovers what a crash left
// behind, and stops it again. A production node never uses it: there the
// operator's PostgreSQL is named by a URL (docs/postgresql.md).
//
// A cluster folder looks like this, all of it private to the user that runs
// Sluice (and, under root, to the unprivileged user that runs the server):
//
//	data/           the cluster itself; complete as soon as it exists
//	run/            the unix socket, when the path is short enough for one
//	admin.password  the superuser's password, mode 0600
//	server.log      what the server prints
//	lock            held by the Sluice process that owns the server
//
// What this package does not do: upgrades between major versions, backups,
// remote clusters, Windows.
package postgres
