// Command bare is the order pipeline that a good engineer writes in a day:
// net/http, bun and asynq, a transaction for every step, a task for every job,
// and the libraries' own defaults. Whatever is measured is a ratio to it.
package main

import (
	"context"
	"database/sql"
	"log"
	"net/http"
	"time"

	"github.com/hibiken/asynq"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

// The two sizes that nobody leaves to the libraries: without a limit the pool
// takes more connections than PostgreSQL has, and a worker a core is too few for
// jobs that mostly wait.
const (
	connections = 32
	workers     = 64
)

type service struct {
	db        *bun.DB
	tasks     *asynq.Client
	inspector *asynq.Inspector
	http      *http.Client
}

func main() {
	s := trade.ReadSettings()
	db := openDB(s.Database)
	defer db.Close()
	if s.Migrate {
		must(db.ExecContext(context.Background(), trade.Schema))
		return
	}
	redis := must(asynq.ParseRedisURI(s.Redis))
	svc := &service{db: db, tasks: asynq.NewClient(redis), inspector: asynq.NewInspector(redis), http: &http.Client{Timeout: 5 * time.Second}}
	server := asynq.NewServer(redis, asynq.Config{
		Concurrency: workers, LogLevel: asynq.WarnLevel, Queues: map[string]int{confirmQueue: 6, notifyQueue: 3, closeQueue: 1},
	})
	mux := asynq.NewServeMux()
	mux.HandleFunc(confirmTask, svc.confirm)
	mux.HandleFunc(notifyTask, svc.notify)
	mux.HandleFunc(closeTask, svc.close)
	if err := server.Start(mux); err != nil {
		log.Fatal(err)
	}
	trade.Serve(s.Listen, svc)
	server.Shutdown()
}

func openDB(url string) *bun.DB {
	pool := sql.OpenDB(pgdriver.NewConnector(pgdriver.WithDSN(url)))
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return bun.NewDB(pool, pgdialect.New())
}

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}
