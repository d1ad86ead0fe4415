package merchant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
)

// How a notice stands at an endpoint follows from how it stands as a whole, and
// from what was tried there.
func TestReceptions(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	e := Endpoint{ID: ident.New[Endpoint](), URL: "https://shop.example", Events: []string{"order.paid"}}
	taken, refused := Attempt{EndpointID: e.ID, At: at.Add(time.Minute), OK: true, HTTPStatus: 200}, Attempt{EndpointID: e.ID, At: at, HTTPStatus: 500, Error: "status: it answered 500"}
	for name, c := range map[string]struct {
		state     NoticeState
		eventType string
		gone      bool // the endpoint was deleted
		attempts  []Attempt
		want      []Reception
	}{
		"not tried yet":              {NoticeWaiting, "order.paid", false, nil, []Reception{{e.ID, e.URL, NoticeWaiting, 0, Attempt{}, Delivery{}}}},
		"refused once":               {NoticeWaiting, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeWaiting, 1, refused, Delivery{}}}},
		"taken at last":              {NoticeDelivered, "order.paid", false, []Attempt{taken, refused}, []Reception{{e.ID, e.URL, NoticeDelivered, 2, taken, Delivery{}}}},
		"taken, another has yet to":  {NoticeWaiting, "order.paid", false, []Attempt{taken}, []Reception{{e.ID, e.URL, NoticeDelivered, 1, taken, Delivery{}}}},
		"taken, another never did":   {NoticeDead, "order.paid", false, []Attempt{taken}, []Reception{{e.ID, e.URL, NoticeDelivered, 1, taken, Delivery{}}}},
		"given up":                   {NoticeDead, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeDead, 1, refused, Delivery{}}}},
		"pointless by then":          {NoticeDropped, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeDropped, 1, refused, Delivery{}}}},
		"taken by another alone":     {NoticeDelivered, "order.paid", false, nil, []Reception{{e.ID, e.URL, NoticeDropped, 0, Attempt{}, Delivery{}}}},
		"not subscribed to":          {NoticeWaiting, "order.closed", false, nil, nil},
		"subscribed to until lately": {NoticeWaiting, "order.closed", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeWaiting, 1, refused, Delivery{}}}},
		"taken by one that is gone":  {NoticeDelivered, "order.paid", true, []Attempt{taken}, []Reception{{e.ID, "", NoticeDelivered, 1, taken, Delivery{}}}},
		"refused by one that is gone": {
			NoticeWaiting, "order.paid", true, []Attempt{refused, refused}, []Reception{{e.ID, "", NoticeDropped, 2, refused, Delivery{}}},
		},
		"never heard of by one that is gone": {NoticeWaiting, "order.paid", true, nil, nil},
	} {
		endpoints := []Endpoint{e}
		if c.gone {
			endpoints = nil
		}
		got := Receptions(NoticeRecord{Notice: Notice{Type: c.eventType}, State: c.state, Task: taskOf(c.state)}, endpoints, c.attempts, nil)
		require.Equal(t, c.want, got, name)
	}
}

// taskOf is how the task of a notice stands for which nobody waits.
func taskOf(s NoticeState) NoticeState {
	if s == NoticeWaiting || s == NoticeDead {
		return s
	}
	return ""
}

// What waits for one endpoint says nothing about another.
func TestReceptionsOfWhatWaits(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	one, two, none := Endpoint{ID: ident.New[Endpoint]()}, Endpoint{ID: ident.New[Endpoint]()}, Endpoint{ID: ident.New[Endpoint](), Events: []string{OrderClosed}}
	waits := Delivery{NoticeID: "n", EndpointID: one.ID, DueAt: at, Reason: Held}
	taken := Attempt{EndpointID: one.ID, At: at, OK: true}
	for _, c := range []struct {
		task     NoticeState
		attempts []Attempt
		other    NoticeState
	}{{"", nil, NoticeDropped}, {NoticeDead, nil, NoticeDead}, {NoticeWaiting, nil, NoticeWaiting}, {"", []Attempt{taken}, NoticeDropped}} {
		got := Receptions(NoticeRecord{Notice: Notice{Type: OrderPaid}, State: NoticeWaiting, Task: c.task}, []Endpoint{one, two, none}, c.attempts, []Delivery{waits})
		require.Len(t, got, 2)
		for _, r := range got {
			switch r.EndpointID {
			case one.ID:
				require.Equal(t, NoticeWaiting, r.State, "also what it took before: it is told once more")
				require.Equal(t, waits, r.Waits)
			case two.ID:
				require.Equal(t, c.other, r.State)
			}
		}
	}
}
