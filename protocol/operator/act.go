package operator

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"sluice.dev/sluice/tenants/access"
	"sluice.dev/sluice/tenants/errs"
	"sluice.dev/sluice/tenants/org"
	"sluice.dev/sluice/tenants/platform"
	"sluice.dev/sluice/tenants/scope"
)

// Act is what an operator may do to an organization. Each asks for a reason on a
// page of its own first, and is audited in the organization's trail.
type Act struct {
	Name   string // in its address
	Title  string
	What   string // what it does, and how it is undone
	Done   string
	Danger bool
	// Repeat asks for the slug once more.
	Repeat  bool
	offered func(platform.Organization) bool
	do      func(context.Context, *Handler, url.Values) error
}

func active(o platform.Organization) bool    { return o.SuspendedAt == nil && o.DeletedAt == nil }
func suspended(o platform.Organization) bool { return o.SuspendedAt != nil && o.DeletedAt == nil }
func deleted(o platform.Organization) bool   { return o.DeletedAt != nil }
func there(o platform.Organization) bool     { return o.DeletedAt == nil }

// breakGlass is the act that answers with a link.
const breakGlass = "break-glass"

var acts = []Act{
	{Name: "quota", Title: "Set quotas", What: "What is over a quota stays; more does not come in. Empty or 0 is no bound.", Done: "The quotas are set.", offered: there,
		do: func(ctx context.Context, h *Handler, form url.Values) error {
			q, err := quotaOf(form)
			if err == nil {
				_, err = h.Orgs.SetQuota(ctx, q)
			}
			return err
		}},
	{Name: "suspend", Title: "Suspend", What: "Every node refuses all its requests from now on. Nothing is lost, and reinstating ends it.", Done: "The organization is suspended.", Danger: true, offered: active,
		do: func(ctx context.Context, h *Handler, _ url.Values) error { _, err := h.Orgs.Suspend(ctx); return err }},
	{Name: "reinstate", Title: "Reinstate", What: "Ends the suspension at once.", Done: "The organization is active again.", offered: suspended,
		do: func(ctx context.Context, h *Handler, _ url.Values) error { _, err := h.Orgs.Resume(ctx); return err }},
	{Name: breakGlass, Title: "Break the glass", What: "Makes a link that lets an owner in without the identity provider, once, within 15 minutes, for a session of an hour.", offered: active},
	{Name: "delete", Title: "Delete", What: "All access ends now. For 30 days undeleting brings everything back; then it is erased for good.", Done: "The organization is deleted.", Danger: true, Repeat: true, offered: there,
		do: func(ctx context.Context, h *Handler, _ url.Values) error { _, err := h.Orgs.Delete(ctx); return err }},
	{Name: "undelete", Title: "Undelete", What: "Brings the organization back as it was.", Done: "The organization is back.", offered: deleted,
		do: func(ctx context.Context, h *Handler, _ url.Values) error { _, err := h.Orgs.Undelete(ctx); return err }},
}

// asked finds the organization and the act of a request; it has answered when it
// returns false.
func (h *Handler) asked(w http.ResponseWriter, r *http.Request) (o platform.Organization, a Act, ok bool) {
	for _, known := range acts {
		if known.Name == r.PathValue("do") {
			a = known
		}
	}
	o, err := h.Platform.Organization(r.Context(), r.PathValue("slug"))
	switch {
	case err != nil:
	case a.Name == "":
		err = errs.New(errs.NotFound, "operator.act", "there is no such page")
	case !a.offered(o):
		err = errs.New(errs.Conflict, "operator.act", "the organization is %s, where that cannot be done", stateOf(o))
	}
	if err != nil {
		h.fail(w, r, err)
	}
	return o, a, err == nil
}

// ask shows the page that asks for a reason.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request) {
	if o, a, ok := h.asked(w, r); ok {
		h.confirm(w, r, http.StatusOK, o, a, nil)
	}
}

func (h *Handler) confirm(w http.ResponseWriter, r *http.Request, status int, o platform.Organization, a Act, wrong error) {
	data := map[string]any{"O": rowOf(o), "Act": a, "Bars": barsOf(o), "Given": r.PostForm}
	if wrong != nil {
		data["Problem"] = errs.Public(wrong)
	}
	if a.Name == breakGlass {
		c, err := h.Platform.Contact(scope.With(r.Context(), o.ID))
		if err != nil {
			h.fail(w, r, err)
			return
		}
		data["Owners"] = c.Owners
	}
	if a.Name == "quota" && r.PostForm == nil {
		data["Given"] = url.Values{"registries": {number(int64(o.Quota.Registries))}, "storage": {number(o.Quota.Storage >> 20)}, "requests": {number(int64(o.Quota.Requests))}}
	}
	h.show(w, r, status, "ask", data)
}

// act does what was confirmed.
func (h *Handler) act(w http.ResponseWriter, r *http.Request) {
	if !h.read(w, r) {
		return
	}
	o, a, ok := h.asked(w, r)
	if !ok {
		return
	}
	reason, err := reasonOf(r.PostForm)
	if err == nil && a.Repeat && strings.TrimSpace(r.PostForm.Get("slug")) != o.Slug {
		err = errs.New(errs.Invalid, "operator.act", "repeat the slug %s", o.Slug).On("slug")
	}
	ctx := scope.With(as(r, reason), o.ID)
	if err == nil && a.Name == breakGlass {
		err = h.breakGlass(ctx, w, r, o)
		if err == nil {
			return
		}
	} else if err == nil {
		err = a.do(ctx, h, r.PostForm)
	}
	switch {
	case err == nil:
		send(w, Path+"/organizations/"+o.Slug+"?done="+a.Name)
	case errs.Is(err, errs.Internal), errs.Is(err, errs.Unavailable):
		h.fail(w, r, err)
	default:
		h.confirm(w, r, http.StatusUnprocessableEntity, o, a, err)
	}
}

// maxReason bounds a reason, in characters.
const maxReason = 500

func reasonOf(form url.Values) (string, error) {
	reason := strings.TrimSpace(form.Get("reason"))
	if reason == "" || utf8.RuneCountInString(reason) > maxReason {
		return "", errs.New(errs.Invalid, "operator.act", "say why, in at most %d characters; the organization's audit log shows it", maxReason).On("reason")
	}
	return reason, nil
}

func quotaOf(form url.Values) (q org.Quota, err error) {
	for _, f := range []struct {
		name string
		most int64
		set  func(int64)
	}{
		{"registries", 1 << 30, func(n int64) { q.Registries = int(n) }},
		{"storage", 1 << 40, func(n int64) { q.Storage = n << 20 }},
		{"requests", 1 << 30, func(n int64) { q.Requests = int(n) }},
	} {
		text := strings.TrimSpace(form.Get(f.name))
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > f.most {
			return q, errs.New(errs.Invalid, "operator.quota", "the quota of %s is %.40q; want a whole number from 0, which is no bound, to %d", f.name, text, f.most).On(f.name)
		}
		f.set(n)
	}
	return q, nil
}

// breakGlass shows a link that lets an owner in, on the answer itself: it is
// stored nowhere.
func (h *Handler) breakGlass(ctx context.Context, w http.ResponseWriter, r *http.Request, o platform.Organization) error {
	v := who(r)
	reason := scope.ActorOf(ctx).Reason
	// Links are made by Sluice itself; the audit log says for whom.
	own := v.As(access.As(ctx, access.System("operator"), v.ip), v.ip, reason)
	owner := strings.TrimSpace(r.PostForm.Get("owner"))
	secret, until, err := h.Login.BreakGlass(own, owner, reason)
	if err != nil {
		return err
	}
	c, err := h.Platform.Contact(ctx)
	if err != nil {
		return err
	}
	h.show(w, r, http.StatusOK, "link", map[string]any{"O": rowOf(o), "Owner": owner, "Until": until,
		"Link": h.LoginAt(o.Slug, c.Host) + "/login/break-glass?link=" + secret, "Whole": h.LoginAt(o.Slug, c.Host) != ""})
	return nil
}
