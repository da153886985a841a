package audit

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"sluice.dev/sluice/ent/db"
)

// Bounds of verifying.
const (
	verifyPage = 1_000
	maxFaults  = 100 // that are named; there may be more
	// lateAfter is how long sealing may take before an event counts as
	// inserted with an earlier time: no transaction lasts that long.
	lateAfter = 15 * time.Minute
	// backlogFor is how long, from the first seal on, events from before the
	// chain are sealed.
	backlogFor = time.Hour
)

// Fault is a place where a chain does not hold.
type Fault struct {
	Seq   int64     // of the seal; 0 for an event without one
	Event uuid.UUID // uuid.Nil when there is none
	At    time.Time // that the event, or else the seal, says
	What  string    // one sentence
}

// String returns the fault as operators read it.
func (f Fault) String() string {
	where := "unsealed"
	if f.Seq > 0 {
		where = fmt.Sprintf("seal %d", f.Seq)
	}
	return fmt.Sprintf("%s, event %s, %s: %s", where, f.Event, f.At.UTC().Format(time.RFC3339), f.What)
}

// Report is what verifying a chain found.
type Report struct {
	Sealed  int64 // events in the chain
	Waiting int   // events that are not sealed yet
	Head    Head
	Faults  []Fault // at most 100, in the order of the chain; none when it holds
}

// Verify walks the context's organization's chain from its beginning and names
// every place where an event was changed, removed or inserted (see [Sealer] for
// what that proves). When a head that was kept elsewhere is given, the chain
// must contain it: without one, seals and events that were removed together at
// the end of the chain are not seen. It reads page by page and sees one state
// of the database.
func Verify(ctx context.Context, d *db.DB, kept *Head, now time.Time) (Report, error) {
	v := &verifying{kept: kept, now: now}
	err := d.InSnapshot(ctx, func(ctx context.Context, tx *db.Tx) error {
		for {
			n, err := v.page(ctx, tx)
			if err != nil {
				return err
			}
			if n < verifyPage || len(v.Faults) >= maxFaults {
				break
			}
		}
		return v.unsealed(ctx, tx)
	})
	if kept != nil && kept.Seq > v.Head.Seq && len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, Fault{Seq: kept.Seq, What: fmt.Sprintf("the chain ends at %d: what came after was removed", v.Head.Seq)})
	}
	return v.Report, err
}

type verifying struct {
	Report
	kept  *Head
	now   time.Time
	first time.Time // when the first seal was made
}

// link is a seal with its event, if that is there.
type link struct {
	seq        int64
	event      uuid.UUID
	prev, hash []byte
	sealedAt   time.Time
	there      bool
	sealed     Sealed
}

func (v *verifying) page(ctx context.Context, tx *db.Tx) (n int, err error) {
	rows, err := tx.Query(ctx, `SELECT s.seq, s.event_id, s.prev, s.hash, s.sealed_at FROM audit_seals s
		WHERE s.org_id = `+db.Ours+` AND s.seq > $1 ORDER BY s.seq LIMIT $2`, v.Head.Seq, verifyPage)
	if err != nil {
		return 0, err
	}
	var links []link
	var ids []uuid.UUID
	for rows.Next() {
		var l link
		if err := rows.Scan(&l.seq, &l.event, &l.prev, &l.hash, &l.sealedAt); err != nil {
			return 0, err
		}
		links, ids = append(links, l), append(ids, l.event)
	}
	if err := rows.Err(); err != nil {
		return 0, err
	}
	events, err := readEvents(ctx, tx, `WHERE e.org_id = `+db.Ours+` AND e.id = ANY ($1)`, ids)
	if err != nil {
		return 0, err
	}
	byID := make(map[uuid.UUID]Sealed, len(events))
	for _, e := range events {
		byID[e.ID] = e
	}
	for _, l := range links {
		l.sealed, l.there = byID[l.event]
		if err := v.look(l); err != nil {
			return 0, err
		}
	}
	return len(links), nil
}

// look compares one seal with the one before and with its event.
func (v *verifying) look(l link) error {
	if v.first.IsZero() {
		v.first = l.sealedAt
	}
	fault := func(format string, args ...any) {
		at := l.sealedAt
		if l.there {
			at = l.sealed.At
		}
		v.fault(Fault{Seq: l.seq, Event: l.event, At: at, What: fmt.Sprintf(format, args...)})
	}
	if want := v.Head.Seq + 1; l.seq != want {
		fault("the chain has a gap: seals %d to %d were removed", want, l.seq-1)
	} else if !bytes.Equal(l.prev, v.Head.Hash[:]) {
		fault("the seal does not follow the one before it: one of them was changed, inserted or replaced")
	}
	if v.kept != nil && v.kept.Seq == l.seq && !bytes.Equal(l.hash, v.kept.Hash[:]) {
		fault("the seal is not the one that was kept elsewhere: the chain was written anew up to here or further")
	}
	v.Sealed++
	v.Head = Head{l.seq, hashOf(l.hash)}
	if !l.there {
		fault("the event was removed")
		return nil
	}
	return v.event(l, fault)
}

func (v *verifying) event(l link, fault func(string, ...any)) error {
	l.sealed.Seq, l.sealed.SealedAt = l.seq, l.sealedAt
	want, err := l.sealed.hashAfter(hashOf(l.prev))
	if err != nil {
		return err
	}
	if !bytes.Equal(want[:], l.hash) {
		fault("the event %s of %s was changed", l.sealed.Action, l.sealed.ActorName)
	}
	backlog := l.sealed.At.Before(v.first) && l.sealedAt.Sub(v.first) < backlogFor
	if late := l.sealedAt.Sub(l.sealed.At); late > lateAfter && !backlog {
		fault("the event was sealed %s after the time it gives: it was inserted later, or no node was sealing", late.Round(time.Second))
	}
	return nil
}

// unsealed looks at events that have no seal: those that wait may, for a while.
func (v *verifying) unsealed(ctx context.Context, tx *db.Tx) error {
	rows, err := tx.Query(ctx, `SELECT e.id, e.at, e.action, p.event_id IS NOT NULL FROM audit_events e
		LEFT JOIN audit_seals s ON s.org_id = e.org_id AND s.event_id = e.id
		LEFT JOIN audit_pending p ON p.org_id = e.org_id AND p.event_id = e.id
		WHERE e.org_id = `+db.Ours+` AND s.event_id IS NULL ORDER BY e.at, e.id`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var f Fault
		var action string
		var waits bool
		if err := rows.Scan(&f.Event, &f.At, &action, &waits); err != nil {
			return err
		}
		switch {
		case !waits:
			f.What = fmt.Sprintf("the event %s was inserted past the audit log: it has no seal and waits for none", action)
			v.fault(f)
		case v.now.Sub(f.At) > lateAfter:
			f.What = fmt.Sprintf("the event %s waits to be sealed since then: no node seals, or it was inserted later", action)
			v.Waiting++
			v.fault(f)
		default:
			v.Waiting++
		}
	}
	return rows.Err()
}

func (v *verifying) fault(f Fault) {
	if len(v.Faults) < maxFaults {
		v.Faults = append(v.Faults, f)
	}
}
