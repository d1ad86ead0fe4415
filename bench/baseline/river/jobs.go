package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

// confirmArgs are a callback: one job per transaction of the channel's.
type confirmArgs struct {
	OrderID int64  `json:"order_id"`
	TxnID   string `json:"txn_id" river:"unique"`
	Amount  int64  `json:"amount"`
	Channel string `json:"channel"`
}

type notifyArgs struct {
	OrderID int64 `json:"order_id"`
}

// closeArgs name the order by its number: the job is there before the row, so
// that the row can hold the job's id.
type closeArgs struct {
	MerchantID int64  `json:"merchant_id"`
	OutTradeNo string `json:"out_trade_no"`
}

func (confirmArgs) Kind() string { return "payment:confirm" }
func (notifyArgs) Kind() string  { return "delivery:notify" }
func (closeArgs) Kind() string   { return "order:close" }

func (confirmArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: "critical", UniqueOpts: river.UniqueOpts{ByArgs: true}}
}
func (closeArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: "low"} }

// confirm books a payment, owes the notice and takes the closing back, all in
// one transaction.
func (s *service) confirm(ctx context.Context, job *river.Job[confirmArgs]) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		c := job.Args
		var closing int64
		err := tx.QueryRow(ctx, `UPDATE orders SET state = 'paid', paid_at = now(), updated_at = now()
			WHERE id = $1 AND state = 'pending' RETURNING close_job_id`, c.OrderID).Scan(&closing)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // it came twice, or too late
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO payments (order_id, txn_id, channel, amount) VALUES ($1, $2, $3, $4)`, c.OrderID, c.TxnID, c.Channel, c.Amount); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO order_events (order_id, from_state, to_state) VALUES ($1, 'pending', 'paid')`, c.OrderID); err != nil {
			return err
		}
		if _, err := s.jobs.InsertTx(ctx, tx, notifyArgs{c.OrderID}, nil); err != nil {
			return err
		}
		if _, err := s.jobs.JobDeleteTx(ctx, tx, closing); err != nil && !errors.Is(err, river.ErrNotFound) {
			return err
		}
		return nil
	})
}

// notify tells the merchant and writes down how that went.
func (s *service) notify(ctx context.Context, job *river.Job[notifyArgs]) error {
	var n trade.Notice
	var url string
	err := s.pool.QueryRow(ctx, `SELECT id, out_trade_no, amount, currency, state, coalesce(paid_at, now()), notify_url FROM orders WHERE id = $1`, job.Args.OrderID).
		Scan(&n.OrderID, &n.OutTradeNo, &n.Amount, &n.Currency, &n.State, &n.PaidAt, &url)
	if err != nil {
		return err
	}
	told := trade.Tell(ctx, s.http, url, n)
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if told.Status == http.StatusOK {
			_, err := tx.Exec(ctx, `UPDATE orders SET state = 'delivered', delivered_at = now(), updated_at = now() WHERE id = $1 AND state = 'paid'`, n.OrderID)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO delivery_attempts (order_id, attempt, status, duration_ms) VALUES ($1, $2, $3, $4)`,
			n.OrderID, job.Attempt, told.Status, told.Took.Milliseconds())
		return err
	})
	return errors.Join(told.Failed(), err)
}

// close closes what is not paid.
func (s *service) close(ctx context.Context, job *river.Job[closeArgs]) error {
	_, err := s.pool.Exec(ctx, `UPDATE orders SET state = 'closed', updated_at = now() WHERE merchant_id = $1 AND out_trade_no = $2 AND state = 'pending'`,
		job.Args.MerchantID, job.Args.OutTradeNo)
	return err
}
