package login

// Report is how a provider answered a test of its connection. Addresses are ""
// when it was not found out, or has none.
type Report struct {
	Problems   []string // why nobody can log in; empty when people can
	Warnings   []string // what works, and could be better
	Auth       string   // where people are sent
	Token      string   // where their codes are turned into identities
	KeysURL    string   // where its signing keys are
	EndSession string   // where people are sent who log out
	Keys       int      // signing keys that can be used
}
