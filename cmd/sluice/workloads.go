package main

import (
	"time"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/workload"
)

// workloads exchange identity tokens of CI jobs. Builds of many jobs share one
// address, so that more may fail from there than people mistype.
func (n *node) workloads(homeOf func(slug string) string) *workload.Exchange {
	return &workload.Exchange{Access: n.access, Identities: n.identities, HomeOf: homeOf, Attempts: protocol.NewAttempts(n.now, 100, 10*time.Minute)}
}
