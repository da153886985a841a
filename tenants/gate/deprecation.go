package gate

// deprecation returns what is said against a candidate's use, if that is not
// what its metadata says: the word of the nearest registry on its path, else of
// a registry upward that holds the same release, else, for a copy that is held,
// what its remote says about the version by now.
func (c *compiler) deprecation(version string, cand *candidate) *string {
	message, said := c.saidAgainst(version, cand)
	if !said || message == cand.listed.Deprecated {
		return nil
	}
	return &message
}

func (c *compiler) saidAgainst(version string, cand *candidate) (message string, said bool) {
	if len(c.against) > 0 {
		for i := len(cand.path) - 1; i >= 0; i-- {
			if message, said = c.against[cand.path[i].ID][version]; said {
				return message, true
			}
		}
		for _, n := range c.upward {
			if message, said = c.against[n.ID][version]; !said || cand.release == nil {
				continue
			}
			if h := c.held[n.ID][version]; h != nil && h.Release.ID == cand.release.ID {
				return message, true
			}
		}
	}
	if cand.release == nil || cand.remote == nil {
		return "", false // what the remote lists is what it says now
	}
	a := c.remotes[cand.remote.ID]
	if a == nil || a.listing == nil {
		return "", false
	}
	message, said = c.saidNow(a.listing)[version]
	return message, said
}

// saidNow is what a remote's document says against each version in it.
func (c *compiler) saidNow(l *Listing) map[string]string {
	if have := c.current[l]; have != nil {
		return have
	}
	all := make(map[string]string, len(l.Versions))
	for _, v := range l.Versions {
		all[v.Version] = v.Deprecated
	}
	if c.current == nil {
		c.current = map[*Listing]map[string]string{}
	}
	c.current[l] = all
	return all
}
