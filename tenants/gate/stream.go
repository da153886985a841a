package gate

import (
	"context"
	"errors"
	"io"

	"sluice.dev/sluice/tenants/errs"
)

// stream serves bytes while they arrive, and their last ones only when the
// registry holds them and the version has been decided again.
func (g *Gate) stream(ctx context.Context, req OpenRequest, v *View, e *Entry, fl *flight, booked *landing) (Opened, error) {
	explain := func(err error) error {
		if errors.Is(context.Cause(ctx), errCut) {
			return withheldMeanwhile(req)
		}
		// The reader knows what failed, the flight also whose fault it was.
		if why := fl.wait(ctx); why != nil && ctx.Err() == nil {
			return why
		}
		return err
	}
	size, err := fl.started(ctx)
	if err != nil {
		return Opened{}, err
	}
	r, err := fl.pending.Reader(ctx)
	if err != nil {
		return Opened{}, explain(err)
	}
	last := func() error {
		if err := g.arrived(ctx, v, e, fl); err != nil {
			return err
		}
		now, err := g.List(ctx, req.Registry, req.Package)
		if err != nil {
			return err
		}
		switch again := now.Entry(req.Version); {
		case again == nil || again.Decision.Withheld():
			return withheldMeanwhile(req)
		case !again.holds(fl):
			return errs.New(errs.Unavailable, "open", "the registry %q came to hold other bytes of %s while it was delivered; try again", now.Name, req.File)
		case booked != nil && booked.counted:
			return g.count(ctx, now, again, alreadyCounted)
		case booked != nil:
			return g.count(ctx, now, again, g.firstDelivery)
		default:
			return g.count(ctx, now, again, g.Decisions.Allowed)
		}
	}
	return Opened{Content: NewContent(Content{Name: req.File, Size: size, Modified: e.Published, Warning: v.warning(),
		Stream: &tailKeeper{r: r, last: last, explain: explain}}, r.Close)}, nil
}

// holds reports whether the view's registry holds the bytes of the flight.
func (e *Entry) holds(fl *flight) bool {
	return e.Held && e.source.release.Files[0].SHA256 == fl.info.Digest.String()
}

func withheldMeanwhile(req OpenRequest) error {
	return errs.Wrap(errCut, errs.Unavailable, "open", "%s@%s was withheld while it was delivered", req.Package.Name, req.Version)
}

// tailKeeper passes bytes on but for the last read before the end, which waits
// for a final word.
type tailKeeper struct {
	r       io.Reader
	last    func() error
	explain func(error) error // makes a failure of the reader one for the public
	kept    []byte            // read, not passed on yet
	next    []byte            // buffer for the following read
	err     error
}

// Read implements io.Reader.
func (t *tailKeeper) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for t.err == nil {
		if t.next == nil {
			t.next, t.kept = make([]byte, 32<<10), make([]byte, 0, 32<<10)
		}
		n, err := t.r.Read(t.next)
		switch {
		case err == nil && n > 0:
			if out := copy(p, t.kept); out > 0 || len(t.kept) > 0 {
				t.kept = append(t.kept[:copy(t.kept, t.kept[out:])], t.next[:n]...)
				return out, nil
			}
			t.kept = append(t.kept, t.next[:n]...)
		case errors.Is(err, io.EOF):
			t.kept = append(t.kept, t.next[:n]...)
			t.err = io.EOF
			if why := t.last(); why != nil {
				t.err = t.explain(why)
			}
		case err != nil:
			t.err = t.explain(err)
		}
	}
	if !errors.Is(t.err, io.EOF) {
		return 0, t.err
	}
	if len(t.kept) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.kept)
	t.kept = t.kept[n:]
	return n, nil
}
