// Package license understands declared licences: SPDX expressions, the messy
// texts that packages really carry, and the organization's licence policy. It
// is pure.
package license

// Policy is an organization's licence policy (filled in by rules).
type Policy struct{}
