package main

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

// CreateOrder writes the order and the job that closes it.
func (s *service) CreateOrder(w http.ResponseWriter, r *http.Request) {
	in, err := trade.ReadOrder(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var id int64
	err = pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) (err error) {
		id, err = s.insert(r.Context(), tx, in)
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	trade.Created(w, id)
}

func (s *service) insert(ctx context.Context, tx pgx.Tx, in trade.NewOrder) (id int64, err error) {
	closing, err := s.jobs.InsertTx(ctx, tx, closeArgs{in.MerchantID, in.OutTradeNo}, &river.InsertOpts{ScheduledAt: time.Now().Add(trade.CloseAfter)})
	if err != nil {
		return 0, err
	}
	err = tx.QueryRow(ctx, `INSERT INTO orders (merchant_id, out_trade_no, amount, currency, notify_url, close_job_id) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		in.MerchantID, in.OutTradeNo, in.Amount, in.Currency, in.NotifyURL, closing.Job.ID).Scan(&id)
	if err != nil {
		return 0, err
	}
	sku, qty, price := columns(in.Items)
	_, err = tx.Exec(ctx, `INSERT INTO order_items (order_id, sku, qty, price) SELECT $1, * FROM unnest($2::text[], $3::int[], $4::bigint[])`, id, sku, qty, price)
	return id, err
}

func columns(items []trade.Item) (sku []string, qty []int32, price []int64) {
	for _, it := range items {
		sku, qty, price = append(sku, it.SKU), append(qty, int32(it.Qty)), append(price, it.Price)
	}
	return sku, qty, price
}

// Callback hands the payment on to a worker.
func (s *service) Callback(w http.ResponseWriter, r *http.Request) {
	c, _, ok := trade.ReadCallback(w, r)
	if !ok {
		return
	}
	if _, err := s.jobs.Insert(r.Context(), confirmArgs(c), nil); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "success")
}
