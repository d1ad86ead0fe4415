// Package db is the store: orders and all that must change with them, in one
// transaction, on PostgreSQL.
//
// The hot path is the group commit of group.go, create.go, change.go, settle.go
// and receive.go, which speaks to pgx in batches of multi-row statements. All
// else, lists and single rows, goes through bun on the same pool.
package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/orderflow/orderflow/internal/seal"
)

// DB is two pools on one database: one for bun, and one for the few statements
// that run all the time and are prepared once. Close it when done.
type DB struct {
	*bun.DB
	hot     *pgxpool.Pool
	reading *pgxpool.Pool // bun's
	keys    *seal.Keyring
}

// Option is what not every user of the database needs.
type Option func(*DB)

// SealedBy has merchants' secrets encrypted by these keys. Without it they can
// be neither written nor read; all else can.
func SealedBy(keys *seal.Keyring) Option { return func(d *DB) { d.keys = keys } }

// hotConns is enough for every group commit to be in flight at once, with some
// to spare for reading orders.
const hotConns = 12

// byKey are the planner's settings for statements that name all their rows by
// key. A plan that was made while a table was small, or before anybody counted
// its rows, would read the whole of it for ever after. Nor is a bitmap made: it
// visits rows that are gone again and again until the next vacuum, where a plain
// scan marks them in the index for all who come later.
var byKey = map[string]string{
	"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
	"plan_cache_mode": "force_generic_plan",
}

// readingAll takes byKey back for a transaction that reads whole tables.
func readingAll(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
		set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true), set_config('plan_cache_mode', 'auto', true)`)
	return err
}

// Open makes the pools for a PostgreSQL URL. It does not connect yet.
// maxConns is of bun's pool; 0 means 16.
func Open(ctx context.Context, url string, maxConns int, options ...Option) (*DB, error) {
	if maxConns <= 0 {
		maxConns = 16
	}
	// bun writes its arguments into the text: to prepare each would only fill the
	// server's memory.
	reading, err := openPool(ctx, url, maxConns, pgx.QueryExecModeExec, nil)
	if err != nil {
		return nil, err
	}
	hot, err := openPool(ctx, url, hotConns, pgx.QueryExecModeCacheStatement, byKey)
	if err != nil {
		reading.Close()
		return nil, err
	}
	d := &DB{DB: bun.NewDB(stdlib.OpenDBFromPool(reading), pgdialect.New()), hot: hot, reading: reading}
	for _, set := range options {
		set(d)
	}
	return d, nil
}

func openPool(ctx context.Context, url string, maxConns int, mode pgx.QueryExecMode, planner map[string]string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	cfg.MaxConns = int32(min(maxConns, 10_000))
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.DefaultQueryExecMode = mode
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["jit"] = "off" // compiling costs more than any statement of ours
	maps.Copy(cfg.ConnConfig.RuntimeParams, planner)
	if cfg.ConnConfig.RuntimeParams["application_name"] == "" {
		cfg.ConnConfig.RuntimeParams["application_name"] = "orderflow"
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	return pool, nil
}

// Close ends both pools; connections in use are waited for.
func (d *DB) Close() error {
	err := d.DB.Close()
	d.reading.Close()
	d.hot.Close()
	return err
}

// Unreachable says that err is of reaching the database at all.
func Unreachable(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}
