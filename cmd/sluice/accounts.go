package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/protocol/idtoken"
	"sluice.dev/sluice/protocol/npm"
	"sluice.dev/sluice/protocol/upstream"
	"sluice.dev/sluice/tenants/catalog"
)

// accounts are the endpoints of npm about people and their credentials.
func (n *node) accounts(attempts *protocol.Attempts) *npm.Accounts {
	return &npm.Accounts{Access: n.access, Logins: n.clientLogins, Attempts: attempts, Identities: n.identities, Holdings: holdings{n.db}, Now: n.now}
}

// attempts allow a person to mistype, and nobody to try for long.
func (n *node) attempts() *protocol.Attempts { return protocol.NewAttempts(n.now, 10, 10*time.Minute) }

// identities verifies tokens of outside issuers, whose documents are small and
// whose answer a build waits for.
func identities(remotes upstream.Config, now func() time.Time) (*idtoken.Verifier, error) {
	remotes.MaxDocument = 1 << 20
	remotes.HeaderTime, remotes.IdleTime, remotes.DocumentTime, remotes.Attempts = 10*time.Second, 10*time.Second, 10*time.Second, 2
	client, err := upstream.New(remotes)
	if err != nil {
		return nil, err
	}
	return idtoken.New(client, now), nil
}

// holdings lists what registries hold.
type holdings struct{ db *db.DB }

// HeldNames implements npm.AccountHoldings.
func (h holdings) HeldNames(ctx context.Context, registry uuid.UUID, after string, limit int) (out []string, err error) {
	err = h.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		held, err := catalog.Packages(ctx, tx, []uuid.UUID{registry}, catalog.PackageQuery{After: after, Limit: limit})
		for _, p := range held[registry] {
			out = append(out, p.Name)
		}
		return err
	})
	return out, err
}
