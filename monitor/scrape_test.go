package monitor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/orderflow/orderflow/tasks"
	"github.com/stretchr/testify/require"
)

type fakeQueues struct {
	names []string
	list  func() ([]string, error)
}

func (f fakeQueues) Queues() ([]string, error) {
	if f.list != nil {
		return f.list()
	}
	return f.names, nil
}

func (fakeQueues) GetQueueInfo(string) (*asynq.QueueInfo, error) { return &asynq.QueueInfo{}, nil }
func (fakeQueues) Servers() ([]*asynq.ServerInfo, error)         { return nil, nil }

type fakeOutbox struct {
	counts []TaskCount
	count  func(context.Context) ([]TaskCount, error)
}

func (f fakeOutbox) TaskCounts(ctx context.Context) ([]TaskCount, error) {
	if f.count != nil {
		return f.count(ctx)
	}
	return f.counts, nil
}

func TestQueuesAreReported(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	inspector := asynq.NewInspectorFromRedisClient(client)
	enqueue(t, client, tasks.Critical, "order:close", tasks.Encode(subjects(2)))
	enqueue(t, client, tasks.Critical, "order:close", tasks.Encode(subjects(1)), asynq.ProcessIn(time.Hour))
	enqueue(t, client, tasks.Low, "order:complete", tasks.Encode(subjects(1)))
	require.NoError(t, inspector.PauseQueue("low"))

	m := NewMetrics(Sources{Queues: inspector})
	defer m.Stop()
	got := gathered(t, m)
	for series, want := range map[string]float64{
		`orderflow_asynq_up`:                                        1,
		`orderflow_asynq_queue_up{queue="critical"}`:                1,
		`orderflow_asynq_tasks{queue="critical",state="pending"}`:   1,
		`orderflow_asynq_tasks{queue="critical",state="scheduled"}`: 1,
		`orderflow_asynq_tasks{queue="critical",state="archived"}`:  0,
		`orderflow_asynq_queue_paused{queue="critical"}`:            0,
		`orderflow_asynq_queue_paused{queue="low"}`:                 1,
		`orderflow_asynq_tasks_processed_total{queue="low"}`:        0,
		`orderflow_asynq_servers`:                                   0,
	} {
		value, ok := got[series]
		require.True(t, ok, series)
		require.InDelta(t, want, value, 0, series)
	}
	require.Positive(t, got[`orderflow_asynq_queue_memory_bytes{queue="critical"}`])
	require.Positive(t, got[`orderflow_asynq_queue_latency_seconds{queue="critical"}`])
}

// A task whose hash is gone while its id is still queued makes MEMORY USAGE
// answer nil, and asynq's script fails on it.
func TestOneQueueThatCannotBeReadHidesNoOther(t *testing.T) {
	t.Parallel()
	server, client := newRedis(t)
	enqueue(t, client, tasks.Critical, "order:close", tasks.Encode(subjects(1)))
	enqueue(t, client, tasks.Low, "order:complete", tasks.Encode(subjects(1)), asynq.TaskID("lost"))
	require.True(t, server.Del("asynq:{low}:t:lost"))

	m := NewMetrics(Sources{Queues: asynq.NewInspectorFromRedisClient(client)})
	defer m.Stop()
	got := gathered(t, m)
	require.InDelta(t, 1, got[`orderflow_asynq_up`], 0)
	require.InDelta(t, 0, got[`orderflow_asynq_queue_up{queue="low"}`], 0)
	require.NotContains(t, got, `orderflow_asynq_queue_memory_bytes{queue="low"}`)
	require.InDelta(t, 1, got[`orderflow_asynq_queue_up{queue="critical"}`], 0)
	require.InDelta(t, 1, got[`orderflow_asynq_tasks{queue="critical",state="pending"}`], 0)
}

func TestAScrapeOutlivesItsSources(t *testing.T) {
	t.Parallel()

	t.Run("Redis is gone", func(t *testing.T) {
		t.Parallel()
		server, client := newRedis(t)
		server.Close()
		m := NewMetrics(Sources{Queues: asynq.NewInspectorFromRedisClient(client)})
		defer m.Stop()
		got := gathered(t, m)
		require.InDelta(t, 0, got["orderflow_asynq_up"], 0)
		require.Contains(t, got, "orderflow_relay_promoted_total")
	})

	t.Run("Redis hangs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			m := NewMetrics(Sources{Queues: fakeQueues{list: func() ([]string, error) { <-release; return nil, nil }}})
			start := time.Now()
			got := gathered(t, m)
			require.Equal(t, scrapeLimit, time.Since(start))
			require.InDelta(t, 0, got["orderflow_asynq_up"], 0)
			close(release)
			m.Stop()
		})
	})

	t.Run("the outbox cannot be counted, then can", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			err := errors.New("connection refused")
			m := NewMetrics(Sources{Outbox: fakeOutbox{count: func(context.Context) ([]TaskCount, error) { return nil, err }}})
			got := gathered(t, m)
			require.InDelta(t, 0, got["orderflow_outbox_up"], 0)
			require.NotContains(t, got, `orderflow_outbox_dead_rows{kind="order:close"}`)
			err = nil
			require.InDelta(t, 0, gathered(t, m)["orderflow_outbox_up"], 0, "the last reading is kept for five seconds")
			time.Sleep(scrapeFresh)
			got = gathered(t, m)
			require.InDelta(t, 1, got["orderflow_outbox_up"], 0)
			require.Contains(t, got, `orderflow_outbox_dead_rows{kind="order:close"}`)
			m.Stop()
		})
	})
}

func TestOutboxIsReported(t *testing.T) {
	t.Parallel()
	due := time.UnixMilli(1_700_000_000_500)
	m := NewMetrics(Sources{Outbox: fakeOutbox{counts: []TaskCount{
		{Kind: tasks.OrderClose, Waiting: 5, Promoted: 4, Overdue: 3, Dead: 2, OldestDue: due},
		{Kind: "from:tomorrow", Waiting: 1, OldestDue: due.Add(time.Second)},
		{Kind: "from:yesterday", Waiting: 1, OldestDue: due},
		{Kind: "from:nowhere", Dead: 1},
	}}})
	defer m.Stop()
	got := gathered(t, m)
	for series, want := range map[string]float64{
		`orderflow_outbox_up`:                                               1,
		`orderflow_outbox_waiting_rows{kind="order:close"}`:                 5,
		`orderflow_outbox_promoted_rows{kind="order:close"}`:                4,
		`orderflow_outbox_overdue_rows{kind="order:close"}`:                 3,
		`orderflow_outbox_dead_rows{kind="order:close"}`:                    2,
		`orderflow_outbox_oldest_due_timestamp_seconds{kind="order:close"}`: 1_700_000_000.5,
		`orderflow_outbox_dead_rows{kind="refund:query"}`:                   0,
		`orderflow_outbox_waiting_rows{kind="other"}`:                       2,
		`orderflow_outbox_dead_rows{kind="other"}`:                          1,
		`orderflow_outbox_oldest_due_timestamp_seconds{kind="other"}`:       1_700_000_000.5,
	} {
		value, ok := got[series]
		require.True(t, ok, series)
		require.InDelta(t, want, value, 0, series)
	}
	require.NotContains(t, got, `orderflow_outbox_oldest_due_timestamp_seconds{kind="refund:query"}`)
}
