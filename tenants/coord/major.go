package coord

import "strings"

// SameMajor reports whether two normalized versions begin with the same
// number, which for most packages means that one can replace the other. A
// PEP 440 epoch is part of that number.
func SameMajor(_ Ecosystem, a, b string) bool { return major(a) != "" && major(a) == major(b) }

func major(v string) string {
	end := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '!' })
	if end < 0 {
		return v
	}
	return v[:end]
}
