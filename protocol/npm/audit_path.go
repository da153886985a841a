package npm

import (
	"slices"
	"strings"
)

// Bounds of a report: the ways to one version, and all ways together.
const (
	maxPaths    = 20
	maxAllPaths = 20_000
	maxWalk     = 20_000_000 // steps of looking for ways
)

// way is how a version gets into a project: nodes from a direct dependency to
// it.
type way []int

// ways finds, for nodes, the shortest way from each direct dependency, the
// shortest first and at most maxPaths each. A node that nothing requires has the
// way in which it is installed.
func (t *lockTree) ways(wanted []int) map[int][]way {
	out := make(map[int][]way, len(wanted))
	if len(wanted) == 0 {
		return out
	}
	needs := make([][]int, len(t.nodes))
	for i := range t.nodes {
		needs[i] = t.needs(i)
	}
	total, steps := 0, 0
	for _, direct := range needs[0] {
		if steps += len(t.nodes); steps > maxWalk && total > 0 {
			break
		}
		before := t.walk(direct, needs)
		for _, at := range wanted {
			if before[at] == unreached || total >= maxAllPaths && len(out[at]) > 0 || len(out[at]) >= maxPaths {
				continue
			}
			out[at] = append(out[at], backward(before, at))
			total++
		}
	}
	for _, at := range wanted {
		if len(out[at]) == 0 {
			out[at] = []way{t.physical(at)}
		}
		slices.SortStableFunc(out[at], func(a, b way) int { return len(a) - len(b) })
	}
	return out
}

const unreached, start = -2, -1

// walk goes from a node to everything it requires, nearest first, and notes from
// where each node was reached.
func (t *lockTree) walk(from int, needs [][]int) []int {
	before := make([]int, len(t.nodes))
	for i := range before {
		before[i] = unreached
	}
	before[from] = start
	for queue := []int{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range needs[queue[0]] {
			if before[next] == unreached {
				before[next] = queue[0]
				queue = append(queue, next)
			}
		}
	}
	return before
}

func backward(before []int, at int) (out way) {
	for ; at != start; at = before[at] {
		out = append(out, at)
	}
	slices.Reverse(out)
	return out
}

func (t *lockTree) physical(at int) (out way) {
	for ; at > 0; at = t.nodes[at].parent {
		out = append(out, at)
	}
	slices.Reverse(out)
	return out
}

// text is a way as clients show it.
func (t *lockTree) text(w way) string {
	names := make([]string, len(w))
	for i, at := range w {
		names[i] = t.nodes[at].name
	}
	return strings.Join(names, ">")
}
