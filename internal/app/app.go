// Package app puts the parts together: it turns settings into clients, a
// store, a door, a relay, workers and a monitor, starts those that this process
// plays, and stops them in the reverse order. It is the only place that knows
// all of them.
package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/net/netutil"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer/relay"
	"github.com/orderflow/orderflow/tasks"
	"github.com/orderflow/orderflow/workers"
)

// commitEvery keeps commits, and with them tasks and statements, few while the
// machine is half busy: docs/benchmarks.md has what that brings.
const commitEvery = 8 * time.Millisecond

// fulfilEvery is the same for what merchants acknowledged at once: nobody waits
// for that to be written.
const fulfilEvery = 5 * commitEvery

// watchEvery is how often the log may say that a server is away, or back.
const watchEvery = 5 * time.Second

// App is one running process of Orderflow.
type App struct {
	cfg    config.Config
	log    *zap.Logger
	extras Extras

	db          *db.DB
	store       *db.Store
	redis       redis.UniversalClient // the work's
	giveRedisUp context.CancelFunc    // for when we are stopping and it is away
	probe       redis.UniversalClient // the pages' and probes'
	dispatcher  *relay.Dispatcher
	bell        *workers.Bell // rung by the dispatcher
	metrics     *monitor.Metrics
	health      *monitor.Health
	guard       *access.Guard
	channels    payment.Registry
	notifier    *merchant.Notifier
	pulse       *pulse // of the workers; nil without them

	addr     net.Addr
	failed   chan error // the listener's end, if it ends by itself
	cleanups []cleanup
}

// cleanup undoes one step of starting.
type cleanup struct {
	name string
	run  func()
}

// Extras are what a development server has besides.
type Extras struct {
	// Neighbours are handlers mounted beside our own, by path prefix, such as
	// "/demo/merchant/". They bring their own authentication.
	Neighbours map[string]http.Handler
	// FixedKeys lets the development keys in, which everybody knows.
	FixedKeys bool
	// SandboxJournal keeps the sandbox channel's state over restarts; "" keeps
	// it in memory.
	SandboxJournal string
	// LoopbackOnly answers only to requests for localhost by its own names: any
	// page of the web could have a name of its own lead here, and the development
	// keys are known.
	LoopbackOnly bool
	// PlainNotices sends all notices through one queue that their merchants share,
	// a hanging one's in front of everybody's: what is measured beside, and never
	// served.
	PlainNotices bool
}

// Start opens everything that cfg asks for and listens. Stop the App when done.
// Servers that are away are no error: the App starts, says so at /readyz, and
// goes on when they come.
func Start(ctx context.Context, cfg config.Config, log *zap.Logger, extras Extras) (_ *App, err error) {
	a := &App{cfg: cfg, log: log, extras: extras, failed: make(chan error, 1)}
	defer func() {
		if err != nil {
			a.Stop()
		}
	}()
	if err := a.openServers(ctx); err != nil {
		return nil, err
	}
	a.openStore()
	a.openHealth()
	if err := a.openChannels(); err != nil {
		return nil, err
	}
	a.openNotifier()
	handler, err := a.handler()
	if err != nil {
		return nil, err
	}
	if err := a.listen(ctx, handler); err != nil {
		return nil, err
	}
	a.startRelay()
	if err := a.startWorkers(); err != nil {
		return nil, err
	}
	a.health.Watch(watchEvery)
	a.onStop("readiness", a.health.Stop)
	return a, nil
}

// Addr is where the App listens.
func (a *App) Addr() net.Addr { return a.addr }

// Wait returns when ctx ends, or with an error when the App cannot go on.
func (a *App) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-a.failed:
		return err
	}
}

// Stop ends the App: it says that it is not ready, takes no more tasks, then no
// more requests; what is in hand is finished or given back. Stopping again is
// safe.
func (a *App) Stop() {
	for _, c := range slices.Backward(a.cleanups) {
		began := time.Now()
		c.run()
		a.log.Debug("stopped", zap.String("part", c.name), zap.Duration("took", time.Since(began)))
	}
	a.cleanups = nil
}

func (a *App) onStop(name string, run func()) { a.cleanups = append(a.cleanups, cleanup{name, run}) }

func (a *App) openServers(ctx context.Context) (err error) {
	redis.SetLogger(redisLog{a.log.Named("redis").Sugar()})
	if a.db, err = OpenDB(ctx, a.cfg, a.cfg.Database.MaxConns); err != nil {
		return err
	}
	a.onStop("database", func() { _ = a.db.Close() })
	if err := a.checkSecrets(ctx); err != nil {
		return err
	}
	wanted, giveUp := context.WithCancel(context.Background())
	a.giveRedisUp = giveUp
	a.onStop("redis dialling", giveUp)
	if a.redis, err = patient(wanted, a.cfg.Redis); err != nil {
		return fmt.Errorf("redis URL: %w", err)
	}
	a.onStop("redis", func() { _ = a.redis.Close() })
	if a.probe, err = hasty(a.cfg.Redis); err != nil {
		return fmt.Errorf("redis URL: %w", err)
	}
	a.onStop("redis probe", func() { _ = a.probe.Close() })
	return nil
}

func (a *App) openStore() {
	from := monitor.Sources{Log: a.log.Named("metrics")}
	if a.cfg.Roles.Has(config.Monitor) { // one process tells of what all share
		from.Queues, from.Outbox, from.Deliveries = asynq.NewInspectorFromRedisClient(a.probe), a.db, a.db
	}
	a.metrics = monitor.NewMetrics(from)
	a.onStop("metrics", a.metrics.Stop)
	a.bell = workers.NewBell()
	a.dispatcher = relay.NewDispatcher(a.bell.Client(a.redis), a.log.Named("dispatch"))
	a.onStop("dispatcher", a.dispatcher.Stop)
	a.store = db.NewStore(a.db, db.StoreOptions{
		Log: a.log.Named("store"), Terms: a.terms(), Dispatch: a.dispatcher.Dispatch,
		CommitEvery: commitEvery, FulfilEvery: fulfilEvery, EndpointWindow: a.cfg.Workers.EndpointWindow,
		Committed: func(_ string, items int, took time.Duration) { a.metrics.Committed(items, took) },
	})
	a.onStop("store", a.store.Close)
	a.guard = access.NewGuard(a.db, access.Options{Log: a.log.Named("access"), FixedKeys: a.extras.FixedKeys})
}

func (a *App) terms() tasks.Terms { return Terms(a.cfg.Terms) }

// Terms are the settings' terms.
func Terms(t config.Terms) tasks.Terms {
	return tasks.Terms{FirstQuery: t.FirstQuery, CompleteAfter: t.CompleteAfter, PollAfterClose: t.PollAfterClose, ReturnMismatch: t.ReturnMismatch}
}

func (a *App) openHealth() {
	a.health = monitor.NewHealth(a.log.Named("health"),
		monitor.Check{Name: "postgresql", Do: a.db.Reach, Advice: "Is PostgreSQL up, and DATABASE_URL right? `orderflow doctor` tells more."},
		monitor.Check{Name: "migrations", Do: a.db.Ping, Advice: "Run `orderflow migrate up`. While PostgreSQL is away, bring that back first."},
		monitor.Check{
			Name: "redis", Do: func(ctx context.Context) error { return a.probe.Ping(ctx).Err() },
			Spare:  a.cfg.Roles.Has(config.API), // intake goes on: what is due waits in PostgreSQL
			Advice: "Is Redis up, and REDIS_URL right? `orderflow doctor` tells more.",
		},
	)
}

func (a *App) listen(ctx context.Context, handler http.Handler) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", a.cfg.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: is another Orderflow running? choose another address with --http", a.cfg.HTTP.Addr, err)
	}
	a.addr = ln.Addr()
	ln = netutil.LimitListener(ln, a.cfg.HTTP.MaxConns) // each has buffers, whoever is behind it
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: zap.NewStdLog(a.log.Named("http")),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	a.onStop("http", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-ended
	})
	return nil
}
