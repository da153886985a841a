package access

import (
	"context"

	"sluice.dev/sluice/ent"
	"sluice.dev/sluice/ent/db"
	"sluice.dev/sluice/ent/invitation"
)

// InvitationOf returns the invitation of a secret, in whatever state it is, for
// the page that the mail's link leads to: whoever has the secret may see what
// became of it. It checks no right. A secret that is none, was replaced by
// resending, or is another organization's is the same NotFound.
func (s *Service) InvitationOf(ctx context.Context, secret string) (out Invitation, err error) {
	hash := hashOf(secret)
	err = s.db.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		row, err := tx.Ent.Invitation.Query().Where(invitation.SecretHash(hash[:])).Only(ctx)
		if ent.IsNotFound(err) {
			return noInvitation()
		}
		if err != nil {
			return err
		}
		out, err = readInvitation(row)
		return err
	})
	return out, err
}
