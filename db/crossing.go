package db

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
)

// crossing runs a transaction, and again when it has met another's at a crossing.
// fn may run more than once.
func (d *DB) crossing(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	return across(ctx, func() error { return d.RunInTx(ctx, nil, fn) })
}

// again is crossing on the connections of the hot path.
func (d *DB) again(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return across(ctx, func() error { return pgx.BeginFunc(ctx, d.hot, fn) })
}

// across tries again after a deadlock: of two that wait for each other PostgreSQL
// ends one, which has done nothing. It stands back first, longer each time: who
// is let through must wake before the row is taken from under him once more.
func across(ctx context.Context, try func() error) error {
	err := try()
	for rest := 10 * time.Millisecond; deadlocked(err) && rest < time.Second; rest *= 3 {
		select {
		case <-ctx.Done():
			return err
		case <-time.After(rest):
			err = try()
		}
	}
	return err
}

func deadlocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}
