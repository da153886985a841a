package operator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/platform"
	"sluice.dev/sluice/tenants/scope"
)

// perPage is how many organizations a page lists.
const perPage = 25

// row is an organization as a list shows it.
type row struct {
	platform.Organization
	State    string // active, suspended or deleted
	Warnings []string
}

func rowOf(o platform.Organization) row { return row{o, stateOf(o), o.Warnings()} }

func stateOf(o platform.Organization) string {
	switch {
	case o.DeletedAt != nil:
		return "deleted"
	case o.SuspendedAt != nil:
		return "suspended"
	}
	return "active"
}

// Bar is what is used of a quota.
type Bar struct {
	Name, Used, Most string
	Value, Max, High float64 // Max is 0 without a quota
	Percent          int64
}

func barOf(name string, used, most int64, text func(int64) string) Bar {
	b := Bar{Name: name, Used: text(used), Most: "no bound"}
	if most > 0 {
		b.Most, b.Value, b.Max, b.High = text(most), float64(used), float64(most), float64(most)*org.WarnAt/100
		b.Percent = int64(b.Value / b.Max * 100)
	}
	return b
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func barsOf(o platform.Organization) []Bar {
	return []Bar{barOf("Registries", int64(o.Registries), int64(o.Quota.Registries), number), barOf("Storage", o.Storage, o.Quota.Storage, size)}
}

func (h *Handler) organizations(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	text, order := strings.TrimSpace(asked.Get("search")), asked.Get("order")
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "")
	}
	if !slices.Contains(platform.Orders, order) {
		order = platform.BySlug
	}
	page, err := strconv.Atoi(asked.Get("page"))
	if err != nil || page < 1 || page > 1<<20 {
		page = 1
	}
	list, total, err := h.Platform.Organizations(r.Context(), platform.Query{Text: strings.ReplaceAll(text, "\x00", ""), Order: order, Offset: (page - 1) * perPage, Limit: perPage})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	data := map[string]any{"Text": text, "Order": order, "Orders": orders, "Total": total, "Page": page}
	rows := make([]row, len(list))
	for i, o := range list {
		rows[i] = rowOf(o)
	}
	data["Rows"] = rows
	if page > 1 {
		data["Before"] = number(int64(page - 1))
	}
	if page*perPage < total {
		data["After"] = number(int64(page + 1))
	}
	h.show(w, r, http.StatusOK, "organizations", data)
}

// orders are the choices of the list.
var orders = []struct{ Value, Title string }{
	{platform.BySlug, "slug"}, {platform.ByShare, "share of quota used"}, {platform.ByStorage, "storage"}, {platform.ByRegistries, "registries"},
	{platform.ByMembers, "members"}, {platform.ByNewest, "newest first"},
}

func (h *Handler) organization(w http.ResponseWriter, r *http.Request) {
	o, err := h.Platform.Organization(r.Context(), r.PathValue("slug"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	contact, err := h.Platform.Contact(scope.With(r.Context(), o.ID))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	data := map[string]any{"O": rowOf(o), "Bars": barsOf(o), "Owners": contact.Owners, "At": h.LoginAt(o.Slug, contact.Host)}
	if o.DeletedAt != nil {
		data["Erased"] = o.DeletedAt.Add(org.EraseAfter)
	}
	var offered []Act
	for _, a := range acts {
		if a.offered(o) {
			offered = append(offered, a)
		}
		if a.Name == r.URL.Query().Get("done") {
			data["Done"] = a.Done
		}
	}
	data["Acts"] = offered
	h.show(w, r, http.StatusOK, "organization", data)
}
