package advisory

import (
	"context"
	"embed"
	"io/fs"
	"time"

	"sluice.dev/sluice/tenants/errs"
)

// demo has the demonstration advisories: facts about well-known packages, in
// words of our own. A record that is edited needs a newer "modified".
//
//go:embed demo/*.json
var demo embed.FS

// ImportDemo stores the bundled demonstration advisories, so that a first look
// shows what Sluice does. They are the feed [DemoFeed], which never counts as
// one (P3); a real feed's record of the same id replaces them. Doing it again
// writes nothing but the snapshot's time.
func (im *Importer) ImportDemo(ctx context.Context, now time.Time) (Report, error) {
	if now.IsZero() {
		return Report{}, errs.New(errs.Invalid, "advisory.ImportDemo", "an import needs the time")
	}
	return im.load(ctx, "demo", embedded(demo), Options{Feed: DemoFeed, Now: now})
}

func embedded(files fs.FS) source {
	return func(_ context.Context, yield func(item) error) error {
		return fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			data, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			return yield(item{file: name, data: data})
		})
	}
}
