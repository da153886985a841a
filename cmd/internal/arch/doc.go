// Package arch is the architecture as tests: who may import whom and why, that
// everything exported is documented, and that the files speak of the project
// only. It has no code of its own.
package arch
