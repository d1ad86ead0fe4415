package merchant

import (
	"net/http"
	"time"
)

// The sizes of a window: how many attempts may be under way to one endpoint.
const (
	firstWindow = 2  // of one that nothing is known about
	slowWindow  = 1  // in turn, oldest first
	UsualWindow = 16 // of one that answers well, where nothing else is set
	MaxWindow   = 64 // the most that can be set
)

// SlowAfter is when an attempt is slow: it leaves its worker's slot, and its
// endpoint is told in the slow lane from then on.
const SlowAfter = time.Second

// Window is how many attempts may be under way to an endpoint at once; the zero
// value is that of one that nothing is known about.
type Window int

// Size is never less than one: whether an endpoint is told at all is its Health's.
func (w Window) Size() int {
	if w <= 0 {
		return firstWindow
	}
	return min(int(w), MaxWindow)
}

// Within is the window where none is to be wider than most.
func (w Window) Within(most int) Window { return Window(min(w.Size(), most)) }

// After is the window after an attempt: one more for a quick success, half of it
// when whoever stands before the endpoint has too much to do, one when it is slow.
func (w Window) After(a Attempt) Window {
	switch {
	case a.Class() == Stopped || a.Class() == Secret:
		return w
	case a.Duration >= SlowAfter:
		return slowWindow
	case a.OK:
		return Window(min(w.Size()+1, MaxWindow))
	case a.HTTPStatus == http.StatusTooManyRequests || a.HTTPStatus == http.StatusBadGateway || a.HTTPStatus == http.StatusGatewayTimeout:
		return Window(max(w.Size()/2, slowWindow))
	}
	return w
}
