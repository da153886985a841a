package gate

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
)

// Renders keeps rendered bodies under a byte budget, shared by all views of a
// node. A view's print is part of the key, so nothing needs to be invalidated.
type Renders struct {
	cache *otter.Cache[string, Rendered]
	group singleflight.Group
}

// NewRenders returns an empty place for renderings; the budget is in bytes.
func NewRenders(budget int64) *Renders {
	return &Renders{cache: otter.Must(&otter.Options[string, Rendered]{
		MaximumWeight: uint64(budget),
		Weigher:       func(k string, r Rendered) uint32 { return uint32(len(k) + len(r.Body) + 128) },
	})}
}

func (rs *Renders) get(v *View, key string, make func() ([]byte, error)) (Rendered, error) {
	k := v.Org.String() + "\x00" + v.Registry.String() + "\x00" + v.Package.Name + "\x00" + v.Print + "\x00" + key
	if r, ok := rs.cache.GetIfPresent(k); ok {
		return r, nil
	}
	got, err, _ := rs.group.Do(k, func() (any, error) {
		body, err := make()
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		r := Rendered{Body: body, ETag: `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`}
		rs.cache.Set(k, r)
		return r, nil
	})
	if err != nil {
		return Rendered{}, err
	}
	return got.(Rendered), nil
}
