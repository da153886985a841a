package npm

import (
	"bytes"
	"hash/maphash"
)

// nameSet finds names that occur twice in one object. Small objects are
// compared one by one; larger ones have a hash table that is kept and emptied
// between objects. The library's own check makes a map with a string per name,
// which costs more than reading the document.
type nameSet struct {
	keys  [][]byte
	table []int32 // index into keys plus one; a power of two long, at most half full
}

// linear is how many names are compared one by one.
const linear = 12

// seed differs in every process, so that nobody can choose names that collide.
var seed = maphash.MakeSeed()

// reset empties the set. A table that is much larger than what was in it is
// dropped, so that one huge object does not make every later one expensive.
func (s *nameSet) reset() {
	switch n := len(s.keys); {
	case n > linear && len(s.table) > max(1<<10, 16*n):
		s.table = nil
	case n > linear:
		clear(s.table)
	}
	s.keys = s.keys[:0]
}

// add reports whether the name is new.
func (s *nameSet) add(key []byte) bool {
	n := len(s.keys)
	if n < linear {
		for _, k := range s.keys {
			if bytes.Equal(k, key) {
				return false
			}
		}
		s.keys = append(s.keys, key)
		return true
	}
	if full := 2*n >= len(s.table); full || n == linear {
		if full {
			s.table = make([]int32, max(64, 2*len(s.table)))
		}
		for i, k := range s.keys {
			s.table[s.find(k)] = int32(i + 1)
		}
	}
	at := s.find(key)
	if s.table[at] != 0 {
		return false
	}
	s.keys = append(s.keys, key)
	s.table[at] = int32(n + 1)
	return true
}

// find returns the place of the key, or the free place where it belongs.
func (s *nameSet) find(key []byte) uint64 {
	mask := uint64(len(s.table) - 1)
	for at := maphash.Bytes(seed, key) & mask; ; at = (at + 1) & mask {
		if i := s.table[at]; i == 0 || bytes.Equal(s.keys[i-1], key) {
			return at
		}
	}
}
