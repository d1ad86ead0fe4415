package monitor

import (
	"context"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
)

// Queues reads asynq's queues; *asynq.Inspector is one. It takes no context,
// so give it a Redis client that gives up soon: few retries, short timeouts.
type Queues interface {
	Queues() ([]string, error)
	GetQueueInfo(queue string) (*asynq.QueueInfo, error)
	Servers() ([]*asynq.ServerInfo, error)
}

const (
	scrapeFresh = 5 * time.Second
	scrapeLimit = 3 * time.Second // well under a scrape's own time
)

// queueCollector reports asynq's queues. Reading one can fail by itself, for
// instance where a managed Redis forbids MEMORY USAGE, or a task's hash has
// gone; the others are reported all the same.
type queueCollector struct {
	reading[queueState]
	troubles *troubles

	up, queueUp, tasks, latency, memory, paused *prometheus.Desc
	processed, failed, servers, workers, busy   *prometheus.Desc
}

type queueState struct {
	queues  map[string]*asynq.QueueInfo // nil: it could not be read
	servers []*asynq.ServerInfo
}

func newQueueCollector(q Queues, t *troubles) *queueCollector {
	return &queueCollector{
		reading: reading[queueState]{
			fresh: scrapeFresh, limit: scrapeLimit,
			ask: func(context.Context) (queueState, error) { return readQueues(q, t) },
		},
		troubles:  t,
		up:        desc("asynq_up", "Whether Redis answered the last reading."),
		queueUp:   desc("asynq_queue_up", "Whether this queue could be read.", "queue"),
		tasks:     desc("asynq_tasks", "Tasks in a queue.", "queue", "state"),
		latency:   desc("asynq_queue_latency_seconds", "Age of the oldest pending task.", "queue"),
		memory:    desc("asynq_queue_memory_bytes", "Redis memory, estimated by sampling.", "queue"),
		paused:    desc("asynq_queue_paused", "Whether an operator holds the queue.", "queue"),
		processed: desc("asynq_tasks_processed_total", "Tasks tried, failed ones included.", "queue"),
		failed:    desc("asynq_tasks_failed_total", "Tasks that failed.", "queue"),
		servers:   desc("asynq_servers", "Servers alive."),
		workers:   desc("asynq_workers", "Tasks that the servers can do at once."),
		busy:      desc("asynq_workers_busy", "Tasks that the servers are doing."),
	}
}

func readQueues(q Queues, t *troubles) (queueState, error) {
	names, err := q.Queues()
	if err != nil {
		return queueState{}, fmt.Errorf("list queues: %w", err)
	}
	state := queueState{queues: make(map[string]*asynq.QueueInfo, len(names))}
	for _, name := range names {
		info, err := q.GetQueueInfo(name)
		t.note("asynq queue "+name, err)
		if err != nil {
			info = nil
		}
		state.queues[name] = info
	}
	if state.servers, err = q.Servers(); err != nil {
		return queueState{}, fmt.Errorf("list servers: %w", err)
	}
	return state, nil
}

// Describe is of prometheus.Collector.
func (c *queueCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.up, c.queueUp, c.tasks, c.latency, c.memory, c.paused,
		c.processed, c.failed, c.servers, c.workers, c.busy,
	} {
		to <- d
	}
}

// Collect is of prometheus.Collector.
func (c *queueCollector) Collect(to chan<- prometheus.Metric) {
	state, err := c.get()
	c.troubles.note("asynq", err)
	gauge(to, c.up, truth(err == nil))
	if err != nil {
		return
	}
	for name, info := range state.queues {
		c.queue(to, name, info)
	}
	var workers, busy int
	for _, s := range state.servers {
		workers += s.Concurrency
		busy += len(s.ActiveWorkers)
	}
	gauge(to, c.servers, float64(len(state.servers)))
	gauge(to, c.workers, float64(workers))
	gauge(to, c.busy, float64(busy))
}

func (c *queueCollector) queue(to chan<- prometheus.Metric, name string, q *asynq.QueueInfo) {
	gauge(to, c.queueUp, truth(q != nil), name)
	if q == nil {
		return
	}
	for state, n := range map[string]int{
		"pending": q.Pending, "active": q.Active, "scheduled": q.Scheduled,
		"retry": q.Retry, "archived": q.Archived, "completed": q.Completed,
	} {
		gauge(to, c.tasks, float64(n), name, state)
	}
	gauge(to, c.latency, q.Latency.Seconds(), name)
	gauge(to, c.memory, float64(q.MemoryUsage), name)
	gauge(to, c.paused, truth(q.Paused), name)
	total(to, c.processed, float64(q.ProcessedTotal), name)
	total(to, c.failed, float64(q.FailedTotal), name)
}
