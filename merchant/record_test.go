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
		"not tried yet":              {NoticeWaiting, "order.paid", false, nil, []Reception{{e.ID, e.URL, NoticeWaiting, 0, Attempt{}}}},
		"refused once":               {NoticeWaiting, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeWaiting, 1, refused}}},
		"taken at last":              {NoticeDelivered, "order.paid", false, []Attempt{taken, refused}, []Reception{{e.ID, e.URL, NoticeDelivered, 2, taken}}},
		"taken, another has yet to":  {NoticeWaiting, "order.paid", false, []Attempt{taken}, []Reception{{e.ID, e.URL, NoticeDelivered, 1, taken}}},
		"taken, another never did":   {NoticeDead, "order.paid", false, []Attempt{taken}, []Reception{{e.ID, e.URL, NoticeDelivered, 1, taken}}},
		"given up":                   {NoticeDead, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeDead, 1, refused}}},
		"pointless by then":          {NoticeDropped, "order.paid", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeDropped, 1, refused}}},
		"taken by another alone":     {NoticeDelivered, "order.paid", false, nil, []Reception{{e.ID, e.URL, NoticeDropped, 0, Attempt{}}}},
		"not subscribed to":          {NoticeWaiting, "order.closed", false, nil, nil},
		"subscribed to until lately": {NoticeWaiting, "order.closed", false, []Attempt{refused}, []Reception{{e.ID, e.URL, NoticeWaiting, 1, refused}}},
		"taken by one that is gone":  {NoticeDelivered, "order.paid", true, []Attempt{taken}, []Reception{{e.ID, "", NoticeDelivered, 1, taken}}},
		"refused by one that is gone": {
			NoticeWaiting, "order.paid", true, []Attempt{refused, refused}, []Reception{{e.ID, "", NoticeDropped, 2, refused}},
		},
		"never heard of by one that is gone": {NoticeWaiting, "order.paid", true, nil, nil},
	} {
		endpoints := []Endpoint{e}
		if c.gone {
			endpoints = nil
		}
		got := Receptions(NoticeRecord{Notice: Notice{Type: c.eventType}, State: c.state}, endpoints, c.attempts)
		require.Equal(t, c.want, got, name)
	}
}
