package merchant

import (
	"slices"
	"strings"
	"time"

	"github.com/orderflow/orderflow/order"
)

// NoticeState is how far a notice has got.
type NoticeState string

// The states.
const (
	NoticeWaiting   NoticeState = "waiting"   // somebody has yet to take it
	NoticeDead      NoticeState = "dead"      // its tries are at their end: an operator decides
	NoticeDelivered NoticeState = "delivered" // whoever was to take it did
	NoticeDropped   NoticeState = "dropped"   // nobody took it, and it is told no more: it became pointless, or nobody wants it
)

// NoticeStates lists every state.
func NoticeStates() []NoticeState {
	return []NoticeState{NoticeWaiting, NoticeDead, NoticeDelivered, NoticeDropped}
}

// NoticeRecord is a notice and how far it has got.
type NoticeRecord struct {
	Notice    // in a list it has no body
	CreatedAt time.Time
	State     NoticeState
	Task      NoticeState // of the task that tells it: waiting, dead, or "" when it is owed no more
	NextTryAt time.Time   // of one that waits
	LastError string      // of one that waits, or is dead
}

// NoticeFilter chooses notices of a merchant; what is zero does not narrow.
type NoticeFilter struct {
	MerchantID   string
	Since, Until time.Time // when it was written; Until is not in it
	Type         string
	Order        order.ID   // what it is about
	Endpoint     EndpointID // it was tried there, waits for it, or is to be told to it
	// Undelivered are those that wait or are dead; with Endpoint, those that it
	// has not taken. Delivered with Endpoint are those that it has taken.
	Undelivered, Delivered bool
	Before                 Place // the next page, after this one
	Limit                  int
}

// AttemptFilter chooses attempts of a notice, newest first.
type AttemptFilter struct {
	NoticeID string
	Before   Place // the next page, after this one
	Limit    int
}

// Place is where a page of a log ends that is read newest first. The zero value
// is the log's beginning.
type Place struct {
	At time.Time
	ID string // of the notice, or of the attempt's endpoint
}

// IsZero says whether it is the log's beginning.
func (p Place) IsZero() bool { return p == Place{} }

// Place is where the record stands in the log of its merchant.
func (r NoticeRecord) Place() Place { return Place{r.CreatedAt, r.ID} }

// Place is where the attempt stands in the log of its notice.
func (a Attempt) Place() Place { return Place{a.At, a.EndpointID.String()} }

// Reception is how an endpoint has taken a notice so far.
type Reception struct {
	EndpointID EndpointID
	URL        string // "" when the endpoint is not there any more
	State      NoticeState
	Tries      int
	Last       Attempt  // zero when it was not tried
	Waits      Delivery // zero when it does not wait for the endpoint
}

// Receptions are those of a notice, at each endpoint that subscribes to it, was
// tried, or for which it waits. attempts are the notice's, newest first.
func Receptions(r NoticeRecord, endpoints []Endpoint, attempts []Attempt, waits []Delivery) (list []Reception) {
	for _, e := range endpoints {
		seen := reception(r, e.ID, attempts)
		if i := slices.IndexFunc(waits, func(d Delivery) bool { return d.EndpointID == e.ID }); i >= 0 {
			seen.State, seen.Waits = NoticeWaiting, waits[i]
		}
		if seen.URL = e.URL; seen.Tries > 0 || !seen.Waits.DueAt.IsZero() || e.Subscribes(r.Type) {
			list = append(list, seen)
		}
	}
	for _, a := range attempts {
		if !slices.ContainsFunc(endpoints, func(e Endpoint) bool { return e.ID == a.EndpointID }) &&
			!slices.ContainsFunc(list, func(x Reception) bool { return x.EndpointID == a.EndpointID }) {
			list = append(list, reception(r, a.EndpointID, attempts).bygone())
		}
	}
	slices.SortFunc(list, func(x, y Reception) int { return strings.Compare(x.EndpointID.String(), y.EndpointID.String()) })
	return list
}

// reception is that at one endpoint, which still takes notices, and for which it
// does not wait.
func reception(r NoticeRecord, id EndpointID, attempts []Attempt) Reception {
	seen := Reception{EndpointID: id, State: r.Task}
	if r.Task == "" { // whoever else has taken it, or has yet to
		seen.State = NoticeDropped
	}
	for _, a := range attempts {
		if a.EndpointID != id {
			continue
		}
		if seen.Tries++; seen.Tries == 1 {
			seen.Last = a
		}
		if a.OK {
			seen.State = NoticeDelivered
		}
	}
	return seen
}

// bygone is the reception at an endpoint that was taken away since: nothing is
// sent there any more.
func (seen Reception) bygone() Reception {
	if seen.State != NoticeDelivered {
		seen.State = NoticeDropped
	}
	return seen
}
