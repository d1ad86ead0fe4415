package simulator

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

const (
	maxSending = 64              // jobs that run at once
	stopGrace  = 3 * time.Second // how long Stop lets them end by themselves
	idle       = time.Hour       // how long the queue sleeps when nothing is due
)

// queue runs jobs when they are due, at most maxSending at once. One goroutine
// picks them; it owns those that run them, and stop waits for all.
type queue struct {
	now  func() time.Time
	wake chan struct{} // something was pushed

	mu      sync.Mutex // guards what follows
	jobs    jobs
	started bool
	stopped bool

	running sync.WaitGroup
	quit    chan struct{} // closed: pick no more
	ctx     context.Context
	cancel  context.CancelFunc // ends jobs that still hang
}

type job struct {
	due time.Time
	run func(context.Context)
}

func newQueue(now func() time.Time) *queue {
	q := &queue{now: now, wake: make(chan struct{}, 1), quit: make(chan struct{})}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	return q
}

func (q *queue) push(due time.Time, run func(context.Context)) {
	q.mu.Lock()
	heap.Push(&q.jobs, job{due, run})
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// start says whether it was the first time.
func (q *queue) start() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started || q.stopped {
		return false
	}
	q.started = true
	q.running.Go(q.pick)
	return true
}

func (q *queue) stop() {
	q.mu.Lock()
	first := !q.stopped
	q.stopped = true
	q.mu.Unlock()
	if first {
		close(q.quit)
		grace := time.AfterFunc(stopGrace, q.cancel)
		defer grace.Stop()
		defer q.cancel()
	}
	q.running.Wait()
}

// pick starts the jobs that are due until quit.
func (q *queue) pick() {
	slots := make(chan struct{}, maxSending)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		due, wait := q.next()
		if due == nil {
			timer.Reset(wait)
			select {
			case <-q.wake:
			case <-timer.C:
			case <-q.quit:
				return
			}
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-q.quit:
			return
		}
		q.running.Go(func() {
			defer func() { <-slots }()
			due(q.ctx)
		})
	}
}

// next takes the first job that is due, or says how long to wait for one.
func (q *queue) next() (func(context.Context), time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return nil, idle
	}
	if wait := q.jobs[0].due.Sub(q.now()); wait > 0 {
		return nil, min(wait, idle)
	}
	return heap.Pop(&q.jobs).(job).run, 0
}

// jobs is a heap: the first due comes first.
type jobs []job

func (j jobs) Len() int           { return len(j) }
func (j jobs) Less(a, b int) bool { return j[a].due.Before(j[b].due) }
func (j jobs) Swap(a, b int)      { j[a], j[b] = j[b], j[a] }
func (j *jobs) Push(x any)        { *j = append(*j, x.(job)) }

func (j *jobs) Pop() any {
	last := len(*j) - 1
	x := (*j)[last]
	(*j)[last] = job{} // lets it be collected
	*j = (*j)[:last]
	return x
}
