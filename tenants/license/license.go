// Package license understands declared licences: SPDX expressions, the messy
// texts that packages really carry, and the organization's licence policy. It
// is pure.
//
// [Parse] turns what a package declares into an [Expression]. A [Policy] says
// how severe each licence is, and [Policy.Evaluate] how severe an expression is:
// of alternatives (OR) the best counts, of everything that applies together
// (AND) the worst.
package license
