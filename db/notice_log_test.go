package db_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// A merchant's notices are found by what is known of them, newest first, and
// nobody else's are among them.
func TestNoticeRecords(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	first, second := ident.New[order.Order](), ident.New[order.Order]()
	paid := func(id order.ID) string { return order.DeliveryID(id).String() }
	closed := order.ClosedNoticeID(second).String()
	one, two := ident.New[merchant.Endpoint](), ident.New[merchant.Endpoint]()
	late := ident.New[merchant.Notice]().String()
	run(t, d, `INSERT INTO notices (id, merchant_id, type, body, created_at) VALUES
		(?0, 'm_1', 'order.paid', '{"a":1}', ?5), (?1, 'm_1', 'order.paid', '{}', ?6), (?2, 'm_1', 'order.closed', '{}', ?7),
		(?3, 'm_1', 'endpoint.failing', '{}', ?7), (?4, 'm_2', 'order.paid', '{}', ?7)`,
		paid(first), paid(second), closed, late, ident.New[merchant.Notice]().String(), nine, nine.Add(time.Minute), nine.Add(time.Hour))
	run(t, d, `INSERT INTO outbox (kind, subject, due_at, created_at, dead_at, last_error) VALUES
		('delivery:notify', ?0, ?2, ?2, NULL, 'status: it answered 500'), ('merchant:notify', ?1, ?2, ?2, ?2, 'refused: nobody'),
		('merchant:notify', ?0, ?2, ?2, NULL, 'of another kind'), ('delivery:deadline', ?3, ?2, ?2, NULL, '')`,
		paid(second), closed, nine.Add(2*time.Hour), paid(first))
	run(t, d, `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms) VALUES
		(?0, ?2, ?4, true, 200, 1), (?1, ?2, ?4, true, 200, 1), (?1, ?3, ?4, false, 500, 1)`, paid(first), paid(second), one, two, nine)

	all := []string{late, closed, paid(second), paid(first)}
	if closed > late { // written in the same moment
		all[0], all[1] = closed, late
	}
	for name, c := range map[string]struct {
		filter merchant.NoticeFilter
		want   []string
	}{
		"all":                            {merchant.NoticeFilter{}, all},
		"of another merchant":            {merchant.NoticeFilter{MerchantID: "m_3"}, nil},
		"since":                          {merchant.NoticeFilter{Since: nine.Add(time.Minute)}, all[:3]},
		"until":                          {merchant.NoticeFilter{Until: nine.Add(time.Minute)}, []string{paid(first)}},
		"of a type":                      {merchant.NoticeFilter{Type: "order.paid"}, []string{paid(second), paid(first)}},
		"about an order":                 {merchant.NoticeFilter{Order: second}, []string{closed, paid(second)}},
		"tried at an endpoint":           {merchant.NoticeFilter{Endpoint: two}, []string{paid(second)}},
		"delivered":                      {merchant.NoticeFilter{Delivered: true}, []string{paid(first)}},
		"undelivered":                    {merchant.NoticeFilter{Undelivered: true}, []string{closed, paid(second)}},
		"taken by an endpoint":           {merchant.NoticeFilter{Delivered: true, Endpoint: one}, []string{paid(second), paid(first)}},
		"not taken by an endpoint":       {merchant.NoticeFilter{Undelivered: true, Endpoint: two}, []string{paid(second)}},
		"not taken by one that took all": {merchant.NoticeFilter{Undelivered: true, Endpoint: one}, nil},
	} {
		if c.filter.MerchantID == "" {
			c.filter.MerchantID = "m_1"
		}
		var got []string
		for c.filter.Limit = 1; ; { // page by page
			list, err := d.NoticeRecords(ctx, c.filter)
			require.NoError(t, err, name)
			if len(list) == 0 {
				break
			}
			require.Empty(t, list[0].Body, name)
			got, c.filter.Before = append(got, list[0].ID), list[0].Place()
		}
		require.Equal(t, c.want, got, name)
		c.filter.Before, c.filter.Limit = merchant.Place{}, 0
		whole, err := d.NoticeRecords(ctx, c.filter)
		require.NoError(t, err, name)
		require.Len(t, whole, len(c.want), name)
	}

	for id, want := range map[string]merchant.NoticeRecord{
		paid(first):  {Notice: merchant.Notice{Type: "order.paid", Body: []byte(`{"a":1}`)}, CreatedAt: nine, State: merchant.NoticeDelivered},
		paid(second): {Notice: merchant.Notice{Type: "order.paid", Body: []byte(`{}`)}, CreatedAt: nine.Add(time.Minute), State: merchant.NoticeWaiting, NextTryAt: nine.Add(2 * time.Hour), LastError: "status: it answered 500"},
		closed:       {Notice: merchant.Notice{Type: "order.closed", Body: []byte(`{}`)}, CreatedAt: nine.Add(time.Hour), State: merchant.NoticeDead, LastError: "refused: nobody"},
		late:         {Notice: merchant.Notice{Type: "endpoint.failing", Body: []byte(`{}`)}, CreatedAt: nine.Add(time.Hour), State: merchant.NoticeDropped},
	} {
		if want.ID, want.MerchantID = id, "m_1"; want.State == merchant.NoticeWaiting || want.State == merchant.NoticeDead {
			want.Task = want.State
		}
		got, err := d.NoticeRecord(ctx, id)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, missing := range []string{"", "x", ident.New[merchant.Notice]().String()} {
		_, err := d.NoticeRecord(ctx, missing)
		require.ErrorIs(t, err, order.ErrNotFound)
	}
}

// A notice whose task is fulfilled, and that waits for an endpoint, waits; and it
// is found among what the endpoint has not taken.
func TestNoticesThatWaitForEndpoints(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	one, two := ident.New[merchant.Endpoint](), ident.New[merchant.Endpoint]()
	fresh, again, dead := ident.New[merchant.Notice]().String(), ident.New[merchant.Notice]().String(), ident.New[merchant.Notice]().String()
	run(t, d, `INSERT INTO notices (id, merchant_id, type, body, created_at) VALUES (?, 'm_1', 'order.paid', '{}', ?), (?, 'm_1', 'order.paid', '{}', ?), (?, 'm_1', 'order.paid', '{}', ?)`,
		fresh, nine, again, nine.Add(time.Minute), dead, nine.Add(time.Hour))
	run(t, d, `INSERT INTO deliveries (notice_id, endpoint_id, type, due_at, reason, last_error, created_at, asked) VALUES
		(?0, ?3, 'order.paid', ?5, 'retry', 'status: it answered 500', ?5, false), (?1, ?3, 'order.paid', ?5, 'queued', '', ?5, true), (?2, ?4, 'order.paid', ?5, 'queued', '', ?5, true)`,
		fresh, again, dead, one, two, nine.Add(time.Hour))
	run(t, d, `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms) VALUES (?0, ?2, ?3, true, 200, 1), (?1, ?2, ?3, false, 500, 1)`, again, dead, one, nine)
	run(t, d, `INSERT INTO outbox (kind, subject, due_at, created_at, dead_at) VALUES ('delivery:notify', ?0, ?1, ?1, ?1)`, dead, nine)
	for id, task := range map[string]merchant.NoticeState{fresh: "", again: "", dead: merchant.NoticeDead} {
		r, err := d.NoticeRecord(ctx, id)
		require.NoError(t, err)
		require.Equal(t, merchant.NoticeWaiting, r.State)
		require.Equal(t, task, r.Task)
		require.Equal(t, nine.Add(time.Hour), r.NextTryAt)
	}
	for name, c := range map[string]struct {
		filter merchant.NoticeFilter
		want   []string
	}{
		"undelivered":                 {merchant.NoticeFilter{Undelivered: true}, []string{dead, again, fresh}},
		"delivered":                   {merchant.NoticeFilter{Delivered: true}, nil},
		"undelivered at one":          {merchant.NoticeFilter{Undelivered: true, Endpoint: one}, []string{dead, again, fresh}},
		"undelivered at the other":    {merchant.NoticeFilter{Undelivered: true, Endpoint: two}, []string{dead}},
		"taken once by one":           {merchant.NoticeFilter{Delivered: true, Endpoint: one}, []string{again}},
		"tried at one, or waits":      {merchant.NoticeFilter{Endpoint: one}, []string{dead, again, fresh}},
		"tried at the other or waits": {merchant.NoticeFilter{Endpoint: two}, []string{dead}},
	} {
		c.filter.MerchantID = "m_1"
		list, err := d.NoticeRecords(ctx, c.filter)
		require.NoError(t, err, name)
		var got []string
		for _, r := range list {
			got = append(got, r.ID)
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestAttemptLogGoesByPages(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	id, endpoints := ident.New[merchant.Notice]().String(), []merchant.EndpointID{ident.New[merchant.Endpoint](), ident.New[merchant.Endpoint]()}
	for i := range 5 {
		run(t, d, `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms) VALUES (?0, ?1, ?3, false, 500, 1), (?0, ?2, ?3, false, 500, 1)`,
			id, endpoints[0], endpoints[1], nine.Add(time.Duration(i)*time.Second))
	}
	var got []merchant.Place
	for f := (merchant.AttemptFilter{NoticeID: id, Limit: 3}); ; {
		list, err := d.AttemptLog(ctx, f)
		require.NoError(t, err)
		if len(list) == 0 {
			break
		}
		for _, a := range list {
			got = append(got, a.Place())
		}
		f.Before = got[len(got)-1]
	}
	require.Len(t, got, 10)
	require.True(t, slices.IsSortedFunc(got, func(x, y merchant.Place) int { return y.At.Compare(x.At) }), "newest first")
	slices.SortFunc(got, func(x, y merchant.Place) int { return slices.Compare([]byte(x.ID), []byte(y.ID)) })
	require.Len(t, slices.Compact(got), 10, "each once")
	_, err := d.AttemptLog(ctx, merchant.AttemptFilter{NoticeID: "x"})
	require.ErrorIs(t, err, order.ErrNotFound)
}
