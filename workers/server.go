package workers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/tasks"
)

// Options are what a Server is made of. Zero values mean the defaults named.
type Options struct {
	Redis redis.UniversalClient // stays the caller's
	Bell  *Bell                 // that this process rings; nil: it enqueues nothing
	Log   *zap.Logger
	Now   func() time.Time

	Concurrency        int           // bundles at once of payments to confirm, and as many of all else but notices; 16
	NoticesConcurrency int           // bundles of notices at once; 16
	BacklogConcurrency int           // bundles of endpoints' backlogs at once; a quarter of the notices'
	CheckInterval      time.Duration // how often an idle lane looks for work that nobody rang for; 20 ms
	DelayedInterval    time.Duration // how often delayed work is looked for; 200 ms
	ShutdownTimeout    time.Duration // for what is in hand when we stop; 20 s

	// Tried is told of each try: its kind, its outcome, how long it took and how
	// long after its time it was settled. May be nil.
	Tried func(k tasks.Kind, outcome string, took, late time.Duration)
}

// Server runs the workers, each lane an asynq server of its own: payments are
// confirmed in one, merchants told in another, endpoints' backlogs looked after in
// a third, and everything else done in a fourth. None can hold up another.
type Server struct {
	servers  []*asynq.Server
	watchers []*watcher
	deafen   func()
	patience time.Duration
	after    []stopper
	stop     sync.Once
}

// stopper is a worker who has more under way than his bundles.
type stopper interface{ stop(most time.Duration) }

// Start checks that every kind of task has a worker and starts taking bundles.
func Start(o Options, store Store, list []Worker) (*Server, error) {
	o = o.withDefaults()
	workers, err := byKind(list)
	if err != nil {
		return nil, err
	}
	mux := asynq.NewServeMux()
	taken := newBusy()
	for _, spec := range tasks.Specs() {
		mux.Handle(string(spec.Kind), &runner{
			worker: workers[spec.Kind], spec: spec, store: store,
			now: o.Now, log: o.Log, tried: o.Tried, busy: taken,
		})
	}
	s := &Server{patience: o.ShutdownTimeout, deafen: o.Bell.listen(o.Redis)}
	for _, w := range list {
		if w, ok := w.(stopper); ok {
			s.after = append(s.after, w)
		}
	}
	for _, c := range o.lanes() {
		watcher := o.Bell.watch(o.Redis, c.queues, o.CheckInterval)
		s.watchers = append(s.watchers, watcher)
		server := asynq.NewServerFromRedisClient(watcher, o.config(c.concurrency, c.queues))
		if err := server.Start(unknownKinds(mux, o.Log)); err != nil {
			s.Stop()
			return nil, fmt.Errorf("start workers: %w", err)
		}
		s.servers = append(s.servers, server)
	}
	return s, nil
}

// Stop takes no more work, lets what is in hand finish for up to
// ShutdownTimeout and gives back the rest. Stopping again is safe.
func (s *Server) Stop() {
	s.stop.Do(func() {
		began := time.Now()
		for _, w := range s.watchers {
			w.bell.dismiss(w)
		}
		var wg sync.WaitGroup
		wg.Go(s.deafen)
		for _, server := range s.servers {
			wg.Go(server.Shutdown)
		}
		wg.Wait()
		for _, w := range s.after {
			w.stop(s.patience - time.Since(began))
		}
	})
}

// lane is one asynq server: how many bundles it takes at once, and from which
// queues, by their weight.
type lane struct {
	concurrency int
	queues      map[string]int
}

func (o Options) lanes() []lane {
	return []lane{
		{o.Concurrency, map[string]int{string(tasks.Critical): 1}}, // a payment waits for nothing else to end
		{o.Concurrency, map[string]int{string(tasks.Closing): 3, string(tasks.Default): 3, string(tasks.Low): 1}},
		{o.NoticesConcurrency, map[string]int{string(tasks.Notices): 6, string(tasks.News): 1}},
		{o.BacklogConcurrency, map[string]int{string(tasks.Backlog): 1}},
	}
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Bell == nil {
		o.Bell = NewBell()
	}
	if o.Tried == nil {
		o.Tried = func(tasks.Kind, string, time.Duration, time.Duration) {}
	}
	for _, d := range []struct {
		value *time.Duration
		or    time.Duration
	}{
		{&o.CheckInterval, 20 * time.Millisecond}, {&o.DelayedInterval, 200 * time.Millisecond}, {&o.ShutdownTimeout, 20 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.or
		}
	}
	if o.Concurrency == 0 {
		o.Concurrency = 16
	}
	if o.NoticesConcurrency == 0 {
		o.NoticesConcurrency = 16
	}
	if o.BacklogConcurrency == 0 {
		o.BacklogConcurrency = max(o.NoticesConcurrency/4, 2)
	}
	return o
}

func (o Options) config(concurrency int, queues map[string]int) asynq.Config {
	return asynq.Config{
		Concurrency: concurrency, Queues: queues,
		TaskCheckInterval: blink, DelayedTaskCheckInterval: o.DelayedInterval,
		ShutdownTimeout: o.ShutdownTimeout,
		Logger:          o.Log.WithOptions(zap.AddCallerSkip(1)).Sugar(),
		LogLevel:        asynq.WarnLevel,
		RetryDelayFunc:  retryDelay,
		// A bundle fails only when our own servers do: it must not panic, and it
		// need not say more than one line.
		ErrorHandler: asynq.ErrorHandlerFunc(func(_ context.Context, t *asynq.Task, err error) {
			if !errors.Is(err, asynq.SkipRetry) {
				o.Log.Warn("bundle failed and is tried again", zap.String("kind", t.Type()), zap.Error(err))
			}
		}),
	}
}

// retryDelay is for what is wrong with us, a database that is away: full
// jitter up to 1, 2, 4 … 30 seconds.
func retryDelay(n int, _ error, _ *asynq.Task) time.Duration {
	most := min(time.Second<<min(n, 5), 30*time.Second)
	return time.Duration(rand.Int64N(int64(most)))
}

// unknownKinds archives tasks of a kind that this release does not know, where
// an operator sees them, instead of trying them again and again.
func unknownKinds(mux *asynq.ServeMux, log *zap.Logger) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		if _, err := tasks.SpecOf(tasks.Kind(t.Type())); err != nil {
			log.Error("task of an unknown kind archived", zap.String("kind", t.Type()))
			return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
		}
		return mux.ProcessTask(ctx, t)
	})
}
