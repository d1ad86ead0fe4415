// Command river is the same pipeline on River, which keeps its jobs in
// PostgreSQL: each is inserted in the transaction that makes it necessary, and
// there is no Redis. It is tuned: River's defaults poll too seldom for what is
// measured here.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

// What was found to be best; the comments say what the libraries would take.
const (
	connections   = 32
	workers       = 256 // for confirming and for telling, half each
	closers       = 4
	fetchCooldown = 5 * time.Millisecond  // 100 ms
	fetchPoll     = 50 * time.Millisecond // 1 s
	merchantConns = 256                   // 2 kept open to one host
)

type service struct {
	pool *pgxpool.Pool
	jobs *river.Client[pgx.Tx]
	http *http.Client
}

func main() {
	s := trade.ReadSettings()
	ctx := context.Background()
	pool := openPool(ctx, s.Database)
	defer pool.Close()
	if s.Migrate {
		migrate(ctx, pool)
		return
	}
	svc := &service{pool: pool, http: merchantClient()}
	svc.start(ctx)
	trade.Serve(s.Listen, svc)
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := svc.jobs.Stop(limited); err != nil {
		log.Print(err)
	}
}

func openPool(ctx context.Context, url string) *pgxpool.Pool {
	cfg := must(pgxpool.ParseConfig(url))
	cfg.MaxConns, cfg.MinConns = connections, connections
	return must(pgxpool.NewWithConfig(ctx, cfg))
}

func migrate(ctx context.Context, pool *pgxpool.Pool) {
	must(pool.Exec(ctx, trade.Schema))
	must(pool.Exec(ctx, "ALTER TABLE orders ADD COLUMN close_job_id bigint"))
	m := must(rivermigrate.New(riverpgxv5.New(pool), nil))
	must(m.Migrate(ctx, rivermigrate.DirectionUp, nil))
}

func merchantClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = merchantConns, merchantConns
	return &http.Client{Timeout: 5 * time.Second, Transport: t}
}

// start begins to work on jobs.
func (s *service) start(ctx context.Context) {
	list := river.NewWorkers()
	river.AddWorker(list, river.WorkFunc(s.confirm))
	river.AddWorker(list, river.WorkFunc(s.notify))
	river.AddWorker(list, river.WorkFunc(s.close))
	s.jobs = must(river.NewClient(riverpgxv5.New(s.pool), &river.Config{
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Workers:       list,
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll,
		Queues: map[string]river.QueueConfig{"critical": {MaxWorkers: workers / 2}, "default": {MaxWorkers: workers / 2}, "low": {MaxWorkers: closers}},
	}))
	if err := s.jobs.Start(ctx); err != nil {
		log.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
