package db_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func asRefusal(err error, target **order.Refusal) bool { return errors.As(err, target) }

func endpoint(merchantID, secret string) merchant.Endpoint {
	return merchant.Endpoint{
		ID: ident.New[merchant.Endpoint](), MerchantID: merchantID, URL: "https://shop.example/hooks?a=1",
		Events: []string{"order.paid", `say "hi", {you}`}, Secrets: []string{secret}, Ack: merchant.Ack2xx, CreatedAt: nine, Verifies: merchant.NotKnown,
	}
}

func rotation(secret string) merchant.Rotation {
	return merchant.Rotation{Secret: secret, Overlap: merchant.DefaultOverlap, At: nine}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	shop(t, d, "m_other")

	first, second := endpoint("m_demo", "whsec_1"), endpoint("m_demo", "whsec_x")
	second.Events = nil
	second.Ack, second.Schedule = merchant.AckSuccess, []time.Duration{time.Second, 24 * time.Hour}
	require.NoError(t, d.CreateEndpoint(ctx, first))
	require.NoError(t, d.CreateEndpoint(ctx, second))
	require.ErrorIs(t, d.CreateEndpoint(ctx, endpoint("m_none", "s")), order.ErrNotFound)

	list, err := d.SigningEndpoints(ctx, "m_demo", nine)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, first, list[0])
	require.True(t, list[1].Subscribes("order.closed"), "no events listed: all are wanted")
	require.Equal(t, []any{second.Ack, second.Schedule}, []any{list[1].Ack, list[1].Schedule})
	alone, err := d.SigningEndpoint(ctx, "m_demo", first.ID, nine)
	require.NoError(t, err)
	require.Equal(t, first, alone)
	_, err = d.SigningEndpoint(ctx, "m_other", first.ID, nine)
	require.ErrorIs(t, err, order.ErrNotFound)
	listed, err := d.Endpoints(ctx, "m_demo")
	require.NoError(t, err)
	require.Empty(t, listed[0].Secrets, "a list has no secrets")
	listed[0].Secrets = first.Secrets
	require.Equal(t, first, listed[0])

	t.Run("belong to one merchant", func(t *testing.T) {
		theirs, err := d.Endpoints(ctx, "m_other")
		require.NoError(t, err)
		require.Empty(t, theirs)
		require.ErrorIs(t, d.RotateEndpoint(ctx, "m_other", first.ID, rotation("whsec_stolen")), order.ErrNotFound)
		require.ErrorIs(t, d.PauseEndpoint(ctx, "m_other", first.ID, true, nine), order.ErrNotFound)
		require.ErrorIs(t, d.DeleteEndpoint(ctx, "m_other", first.ID, nine), order.ErrNotFound)
		list, err := d.SigningEndpoints(ctx, "m_demo", nine)
		require.NoError(t, err)
		require.Equal(t, first, list[0], "nothing was changed")
	})
	t.Run("keep three secrets, the newest first", func(t *testing.T) {
		for _, s := range []string{"whsec_2", "whsec_3", "whsec_'4"} {
			require.NoError(t, d.RotateEndpoint(ctx, "m_demo", first.ID, rotation(s)))
		}
		list, err := d.SigningEndpoints(ctx, "m_demo", nine)
		require.NoError(t, err)
		require.Equal(t, []string{"whsec_'4", "whsec_3", "whsec_2"}, list[0].Secrets)
		require.Equal(t, []string{"whsec_x"}, list[1].Secrets, "of that endpoint only")
	})
	t.Run("are changed, all but their secrets", func(t *testing.T) {
		before, err := d.SigningEndpoints(ctx, "m_demo", nine)
		require.NoError(t, err)
		changed := merchant.Endpoint{
			ID: first.ID, MerchantID: "m_demo", URL: "https://shop.example/other", Events: []string{"refund.*"}, Ack: merchant.AckCodeSuccess,
			Schedule: merchant.Schedule{time.Minute},
		}
		require.NoError(t, d.ChangeEndpoint(ctx, changed, nine))
		after, err := d.SigningEndpoints(ctx, "m_demo", nine)
		require.NoError(t, err)
		before[0].URL, before[0].Events, before[0].Ack, before[0].Schedule = changed.URL, changed.Events, changed.Ack, changed.Schedule
		require.Equal(t, before, after)
		changed.Ack, changed.Schedule = "", nil
		require.NoError(t, d.ChangeEndpoint(ctx, changed, nine))
		usual, err := d.Endpoints(ctx, "m_demo")
		require.NoError(t, err)
		require.Equal(t, []any{merchant.Ack2xx, merchant.Schedule(nil)}, []any{usual[0].Ack, usual[0].Schedule})
		n, err := d.NewSelect().Table("endpoints").Where("retry_schedule IS NULL").Count(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		changed.MerchantID = "m_other"
		require.ErrorIs(t, d.ChangeEndpoint(ctx, changed, nine), order.ErrNotFound)
	})
	t.Run("are paused and resumed", func(t *testing.T) {
		for _, paused := range []bool{true, false} {
			require.NoError(t, d.PauseEndpoint(ctx, "m_demo", first.ID, paused, nine))
			list, err := d.Endpoints(ctx, "m_demo")
			require.NoError(t, err)
			require.Equal(t, paused, list[0].Paused)
		}
	})
	t.Run("are deleted once", func(t *testing.T) {
		require.NoError(t, d.DeleteEndpoint(ctx, "m_demo", first.ID, nine))
		require.ErrorIs(t, d.DeleteEndpoint(ctx, "m_demo", first.ID, nine), order.ErrNotFound)
		list, err := d.Endpoints(ctx, "m_demo")
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
}

func TestAMerchantHasAtMostTwentyEndpoints(t *testing.T) {
	t.Parallel()
	d, ctx := dbtest.New(t), t.Context()
	shop(t, d, "m_demo")
	for range 18 {
		require.NoError(t, d.CreateEndpoint(ctx, endpoint("m_demo", "s")))
	}
	var wg sync.WaitGroup
	for range 6 { // two find room, whoever they are
		wg.Go(func() {
			var refusal *order.Refusal
			if err := d.CreateEndpoint(ctx, endpoint("m_demo", "s")); err != nil && !asRefusal(err, &refusal) {
				t.Errorf("want a refusal, got %v", err)
			}
		})
	}
	wg.Wait()
	list, err := d.Endpoints(ctx, "m_demo")
	require.NoError(t, err)
	require.Len(t, list, 20)
	n, err := d.NewSelect().Table("endpoints").Count(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 20, n)
}

// Whoever changes orders locks what waits for an endpoint in an order of his own:
// who meets him at a crossing tries again.
func TestAnEndpointIsDeletedAcrossAnother(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := url.Parse(dbtest.URL(t))
	require.NoError(t, err)
	settings := server.Query()
	settings.Set("deadlock_timeout", "5s") // it is looked for once, after that long, and who looks is ended: by then they wait for each other
	server.RawQuery = settings.Encode()
	d, err := db.Open(ctx, server.String(), 4, db.SealedBy(dbtest.Keys(t)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	shop(t, d, "m_demo")
	e := endpoint("m_demo", "whsec_1")
	require.NoError(t, d.CreateEndpoint(ctx, e))
	first, second := ident.New[merchant.Notice](), ident.New[merchant.Notice]()
	run(t, d, `INSERT INTO deliveries (notice_id, endpoint_id, type, due_at, reason, created_at) VALUES (?0, ?2, 'order.closed', ?3, 'queued', ?3), (?1, ?2, 'order.closed', ?4, 'queued', ?3)`,
		first, second, e.ID, nine, nine.Add(time.Hour))
	tx, err := d.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.NewRaw("SET LOCAL deadlock_timeout = '1min'").Exec(ctx) // not we
	require.NoError(t, err)
	hold := func(notice ident.Of[merchant.Notice]) {
		_, err := tx.NewRaw("SELECT FROM deliveries WHERE notice_id = ? FOR UPDATE", notice).Exec(ctx)
		require.NoError(t, err)
	}
	hold(second)
	deleted := make(chan error, 1)
	go func() { deleted <- d.DeleteEndpoint(ctx, "m_demo", e.ID, nine) }()
	dbtest.Waits(t, d)
	hold(first)
	require.NoError(t, tx.Commit())
	require.NoError(t, <-deleted)
	var left int
	require.NoError(t, d.NewRaw("SELECT count(*) FROM deliveries").Scan(ctx, &left))
	require.Zero(t, left)
}
