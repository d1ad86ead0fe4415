package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func TestNotice(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	id := ident.New[merchant.Notice]().String()
	for _, missing := range []string{id, "", "not-an-id", "'; DROP TABLE notices"} {
		_, err := d.Notice(ctx, missing)
		require.ErrorIs(t, err, order.ErrNotFound, missing)
	}

	body := []byte("{\"type\":\"order.paid\", \"data\": \"it's \\u0000 ? \xff\"}\n")
	run(t, d, "INSERT INTO notices (id, merchant_id, type, body, created_at) VALUES (?, 'm_demo', 'order.paid', ?, ?)", id, body, nine)
	got, err := d.Notice(ctx, id)
	require.NoError(t, err)
	require.Equal(t, merchant.Notice{ID: id, MerchantID: "m_demo", Type: "order.paid", Body: body}, got, "the body to the byte")
}

func TestNoticeAttempts(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	id, endpoint := ident.New[merchant.Notice]().String(), ident.New[merchant.Endpoint]()

	none, err := d.NoticeAttempts(ctx, id)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = d.NoticeAttempts(ctx, "not-an-id")
	require.ErrorIs(t, err, order.ErrNotFound)

	run(t, d, `INSERT INTO notice_attempts (notice_id, endpoint_id, at, ok, http_status, duration_ms, error) VALUES
		(?0, ?1, ?2, false, 0, 2000, 'connect: no answer within 2s'), (?0, ?1, ?3, true, 204, 31, ''), (?4, ?1, ?3, true, 200, 1, '')`,
		id, endpoint, nine, nine.Add(5*time.Second), ident.New[merchant.Notice]().String())
	got, err := d.NoticeAttempts(ctx, id)
	require.NoError(t, err)
	require.Equal(t, []merchant.Attempt{
		{EndpointID: endpoint, At: nine.Add(5 * time.Second), OK: true, HTTPStatus: 204, Duration: 31 * time.Millisecond},
		{EndpointID: endpoint, At: nine, Duration: 2 * time.Second, Error: "connect: no answer within 2s"},
	}, got, "newest first, and of this notice only")

	run(t, d, `INSERT INTO notice_attempts SELECT ?, ?, ?::timestamptz - n * interval '1 s', false, 500, 1, '' FROM generate_series(1, 2100) n`, id, endpoint, nine)
	got, err = d.NoticeAttempts(ctx, id)
	require.NoError(t, err)
	require.Len(t, got, 2000)
	require.True(t, got[0].OK, "the latest are kept")
}
