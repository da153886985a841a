package coord

// ReservedPattern is a name pattern that an organization owns (law O3), for
// example @acme/* in NPM. Pattern is text that ParsePattern accepts.
type ReservedPattern struct {
	Ecosystem Ecosystem `json:"ecosystem"`
	Pattern   string    `json:"pattern"`
}
