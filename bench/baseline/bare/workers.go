package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/hibiken/asynq"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

func read[T any](t *asynq.Task) (v T, err error) {
	if err := json.Unmarshal(t.Payload(), &v); err != nil {
		return v, fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	return v, nil
}

// confirm books a payment and has the merchant told.
func (s *service) confirm(ctx context.Context, t *asynq.Task) error {
	c, err := read[trade.Callback](t)
	if err != nil {
		return err
	}
	if err := s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return pay(ctx, tx, c, time.Now()) }); err != nil {
		return err
	}
	_, err = s.tasks.EnqueueContext(ctx, asynq.NewTask(notifyTask, payloadOf(c.OrderID)), asynq.Queue(notifyQueue), asynq.TaskID(fmt.Sprintf("notify:%d", c.OrderID)))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return err
	}
	if err := s.inspector.DeleteTask(closeQueue, closeID(c.OrderID)); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		log.Printf("take back the closing of order %d, which changes nothing any more: %v", c.OrderID, err)
	}
	return nil
}

// pay changes nothing of an order that does not wait for its payment: the
// callback came twice, or too late.
func pay(ctx context.Context, tx bun.Tx, c trade.Callback, now time.Time) error {
	res, err := tx.NewUpdate().Model((*order)(nil)).Set("state = 'paid'").Set("paid_at = ?", now).Set("updated_at = ?", now).
		Where("id = ?", c.OrderID).Where("state = 'pending'").Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	p := &payment{OrderID: c.OrderID, TxnID: c.TxnID, Channel: c.Channel, Amount: c.Amount, CreatedAt: now}
	if _, err := tx.NewInsert().Model(p).Returning("NULL").Exec(ctx); err != nil {
		return err
	}
	e := &event{OrderID: c.OrderID, FromState: "pending", ToState: "paid", CreatedAt: now}
	_, err = tx.NewInsert().Model(e).Returning("NULL").Exec(ctx)
	return err
}

// notify tells the merchant and writes down how that went.
func (s *service) notify(ctx context.Context, t *asynq.Task) error {
	a, err := read[about](t)
	if err != nil {
		return err
	}
	o := new(order)
	if err := s.db.NewSelect().Model(o).Where("id = ?", a.OrderID).Scan(ctx); err != nil {
		return err
	}
	told := trade.Tell(ctx, s.http, o.NotifyURL, o.notice())
	retried, _ := asynq.GetRetryCount(ctx)
	err = s.db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return note(ctx, tx, o.ID, retried+1, told, time.Now()) })
	return errors.Join(told.Failed(), err)
}

func note(ctx context.Context, tx bun.Tx, id int64, try int, told trade.Told, now time.Time) error {
	if told.Status == http.StatusOK {
		_, err := tx.NewUpdate().Model((*order)(nil)).Set("state = 'delivered'").Set("delivered_at = ?", now).Set("updated_at = ?", now).
			Where("id = ?", id).Where("state = 'paid'").Exec(ctx)
		if err != nil {
			return err
		}
	}
	a := &attempt{OrderID: id, Attempt: try, Status: told.Status, DurationMs: int(told.Took.Milliseconds()), CreatedAt: now}
	_, err := tx.NewInsert().Model(a).Returning("NULL").Exec(ctx)
	return err
}

// close closes what is not paid.
func (s *service) close(ctx context.Context, t *asynq.Task) error {
	a, err := read[about](t)
	if err != nil {
		return err
	}
	_, err = s.db.NewUpdate().Model((*order)(nil)).Set("state = 'closed'").Set("updated_at = now()").
		Where("id = ?", a.OrderID).Where("state = 'pending'").Exec(ctx)
	return err
}
