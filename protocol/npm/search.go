package npm

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"sluice.dev/sluice/protocol"
	"sluice.dev/sluice/tenants/catalog"
	"sluice.dev/sluice/tenants/coord"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/gate"
)

// Search finds packages by words; [gate.Gate] does.
type Search interface {
	Search(ctx context.Context, req gate.SearchRequest) (gate.SearchAnswer, error)
}

var _ Search = (*gate.Gate)(nil)

var searchPaths = []*endpoint{{"/-/v1/search", map[string]action{"GET": (*Handler).search}}}

// searchAnswer is the answer to GET /-/v1/search.
type searchAnswer struct {
	Objects []searchObject `json:"objects"`
	Total   int            `json:"total"`
	Time    string         `json:"time"`
}

type searchObject struct {
	Package     searchPackage `json:"package"`
	Score       searchScore   `json:"score"`
	SearchScore float64       `json:"searchScore"`
}

type searchScore struct {
	Final  float64 `json:"final"`
	Detail struct {
		Quality     float64 `json:"quality"`
		Popularity  float64 `json:"popularity"`
		Maintenance float64 `json:"maintenance"`
	} `json:"detail"`
}

// search answers GET /-/v1/search. Everything that it says about a package is
// said by the newest version that lists show (P2). The score tells the rank of
// a hit and nothing else: this registry does not know how popular a package is.
func (h *Handler) search(w http.ResponseWriter, r *http.Request, t protocol.Target, _ params) {
	q, err := parseSearch(r.URL.Query())
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	got, err := h.Search.Search(r.Context(), gate.SearchRequest{Registry: t.Registry, Ecosystem: coord.NPM, Text: q.text, Words: q.words, Scopes: q.scopes,
		Fits: q.fits(), From: q.from, Size: q.size})
	if err != nil {
		protocol.Problem(w, r, err)
		return
	}
	out := searchAnswer{Objects: make([]searchObject, 0, len(got.Hits)), Total: got.Total, Time: stamp(got.At)}
	for _, hit := range got.Hits {
		o := searchObject{Package: packageOf(hit, t)}
		o.Score.Final = scores[hit.Rank]
		o.Score.Detail.Quality, o.Score.Detail.Popularity, o.Score.Detail.Maintenance = o.Score.Final, o.Score.Final, o.Score.Final
		o.SearchScore = o.Score.Final
		out.Objects = append(out.Objects, o)
	}
	body, err := json.Marshal(out)
	if err != nil {
		protocol.Problem(w, r, errs.Wrap(err, errs.Internal, "npm.search", "the answer cannot be written"))
		return
	}
	if len(got.Warnings) > 0 {
		w.Header()["Warning"] = got.Warnings
	}
	w.Header()["Content-Type"] = typeJSON
	write(w, r, body)
}

// scores are what the ranks are worth.
var scores = map[catalog.Rank]float64{catalog.RankExact: 1, catalog.RankPrefix: 0.8, catalog.RankName: 0.6, catalog.RankAbout: 0.4, catalog.RankRemote: 0.2}

// searchNumber reads a parameter that is a whole number.
func searchNumber(text, name string, otherwise, most int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0, errs.New(errs.Invalid, "npm.search", "%s is %.40q; it must be a whole number from 0 on", name, text).On(name)
	}
	return min(n, most), nil
}
