package monitor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

type fakeDeliveries struct {
	counts tasks.DeliveryCounts
	err    error
}

func (f fakeDeliveries) DeliveryCounts(context.Context) (tasks.DeliveryCounts, error) {
	return f.counts, f.err
}

func TestDeliveriesAreReported(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{Deliveries: fakeDeliveries{counts: tasks.DeliveryCounts{
		Waiting:   map[merchant.Reason]tasks.Waits{merchant.Held: {Count: 3, Oldest: time.Unix(1_700_000_000, 0)}},
		Endpoints: map[merchant.State]int{merchant.Healthy: 7, tasks.HeldByHand: 1},
	}}})
	defer m.Stop()
	got := gathered(t, m)
	for series, want := range map[string]float64{
		`orderflow_deliveries_up`:                                      1,
		`orderflow_deliveries_waiting{reason="held"}`:                  3,
		`orderflow_deliveries_waiting{reason="queued"}`:                0,
		`orderflow_deliveries_oldest_timestamp_seconds{reason="held"}`: 1_700_000_000,
		`orderflow_endpoints{state="healthy"}`:                         7,
		`orderflow_endpoints{state="held"}`:                            1,
		`orderflow_endpoints{state="disabled"}`:                        0,
	} {
		value, ok := got[series]
		require.True(t, ok, series)
		require.InDelta(t, want, value, 0, series)
	}
	require.NotContains(t, got, `orderflow_deliveries_oldest_timestamp_seconds{reason="queued"}`)
}

func TestDeliveriesThatCannotBeCounted(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{Deliveries: fakeDeliveries{err: errors.New("away")}})
	defer m.Stop()
	got := gathered(t, m)
	require.InDelta(t, 0, got[`orderflow_deliveries_up`], 0)
	require.NotContains(t, got, `orderflow_deliveries_waiting{reason="held"}`)
}

func TestNoticesInFlightAreCountedByLane(t *testing.T) {
	t.Parallel()
	m := NewMetrics(Sources{})
	defer m.Stop()
	m.NoticesInFlight(tasks.DirectLane, 1)
	m.NoticesInFlight(tasks.DirectLane, 1)
	m.NoticesInFlight(tasks.DirectLane, -1)
	m.NoticesInFlight(tasks.DetachedLane, 1)
	got := gathered(t, m)
	require.InDelta(t, 1, got[`orderflow_notices_in_flight{lane="direct"}`], 0)
	require.InDelta(t, 1, got[`orderflow_notices_in_flight{lane="detached"}`], 0)
	require.InDelta(t, 0, got[`orderflow_notices_in_flight{lane="backlog"}`], 0)
	m.NoticesInFlight(tasks.DetachedLane, -1)
	require.InDelta(t, 1, gathered(t, m)[`orderflow_notices_detached_total`], 0, "it has been")
}
