package db

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
)

// crossing runs a transaction, and once more when it has met another's at a
// crossing: of two that wait for each other PostgreSQL ends one, which has done
// nothing. fn may run twice.
func (d *DB) crossing(ctx context.Context, fn func(ctx context.Context, tx bun.Tx) error) error {
	err := d.RunInTx(ctx, nil, fn)
	if deadlocked(err) {
		err = d.RunInTx(ctx, nil, fn)
	}
	return err
}

// again is crossing on the connections of the hot path.
func (d *DB) again(ctx context.Context, fn func(tx pgx.Tx) error) error {
	err := pgx.BeginFunc(ctx, d.hot, fn)
	if deadlocked(err) {
		err = pgx.BeginFunc(ctx, d.hot, fn)
	}
	return err
}

func deadlocked(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40P01" || pg.Code == "40001")
}
