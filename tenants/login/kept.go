package login

// Kept returns how many sessions are in memory.
func (s *Service) Kept() int { return s.live.Len() }
