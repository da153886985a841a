package registry

// All returns every registry of the organization, in no order.
func (s *Snapshot) All() []*Node {
	out := make([]*Node, 0, len(s.byID))
	for _, n := range s.byID {
		out = append(out, n)
	}
	return out
}
