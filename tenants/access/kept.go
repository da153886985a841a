package access

// Kept returns of how many organizations members, tokens and roles are in memory.
func (s *Service) Kept() int { return s.states.Len() }
