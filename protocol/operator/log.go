package operator

import (
	"net/http"

	"github.com/google/uuid"

	"sluice.dev/sluice/tenants/errs"
)

// Change is something that an operator does to the platform, for its audit log.
type Change struct {
	Action, Object string
	Detail         any
}

// LogPage selects events of the platform.
type LogPage struct {
	Behind uuid.UUID // uuid.Nil: from the newest
	Limit  int
}

// logPage is how many events a page shows.
const logPage = 50

// log shows what was done to the platform. What was done to an organization is
// in the organization's own trail.
func (h *Handler) log(w http.ResponseWriter, r *http.Request) {
	behind, err := uuid.Parse(r.URL.Query().Get("behind"))
	if err != nil {
		behind = uuid.Nil
	}
	events, err := h.Events(r.Context(), LogPage{Behind: behind, Limit: logPage + 1})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	data := map[string]any{}
	if len(events) > logPage {
		events = events[:logPage]
		data["After"] = events[logPage-1].ID.String()
	}
	data["Events"] = events
	h.show(w, r, http.StatusOK, "log", data)
}

// sessions lists those of all operators.
func (h *Handler) sessions(w http.ResponseWriter, r *http.Request) {
	list, err := h.Login.OperatorSessions(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.show(w, r, http.StatusOK, "sessions", map[string]any{"Sessions": list, "Current": who(r).ID})
}

// end ends the session of any operator.
func (h *Handler) end(w http.ResponseWriter, r *http.Request) {
	if !h.read(w, r) {
		return
	}
	id, err := uuid.Parse(r.PostForm.Get("session"))
	if err == nil {
		err = h.Login.EndOperator(as(r, ""), id)
	}
	if err != nil && errs.KindOf(err) != errs.NotFound && id != uuid.Nil {
		h.fail(w, r, err)
		return
	}
	send(w, Path+"/sessions")
}

// leave ends one's own session.
func (h *Handler) leave(w http.ResponseWriter, r *http.Request) {
	if !h.read(w, r) {
		return
	}
	if err := h.Login.EndOperator(as(r, ""), who(r).ID); err != nil && !errs.Is(err, errs.NotFound) {
		h.fail(w, r, err)
		return
	}
	h.Sessions.ForgetOperator(w, r)
	send(w, "/login")
}
