package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/bench/baseline/trade"
)

// The tasks, and the queue of each.
const (
	confirmTask, confirmQueue = "payment:confirm", "critical"
	notifyTask, notifyQueue   = "delivery:notify", "default"
	closeTask, closeQueue     = "order:close", "low"
)

// about is a task's payload.
type about struct {
	OrderID int64 `json:"order_id"`
}

func payloadOf(id int64) []byte {
	b, _ := json.Marshal(about{id}) // a number always has a JSON form
	return b
}

func closeID(id int64) string { return "close:" + strconv.FormatInt(id, 10) }

// CreateOrder writes the order and plans its closing.
func (s *service) CreateOrder(w http.ResponseWriter, r *http.Request) {
	in, err := trade.ReadOrder(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o := newOrder(in, time.Now())
	err = s.db.RunInTx(r.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.NewInsert().Model(o).Exec(ctx); err != nil {
			return err
		}
		items := itemsOf(o.ID, in)
		_, err := tx.NewInsert().Model(&items).Returning("NULL").Exec(ctx)
		return err
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, err = s.tasks.EnqueueContext(r.Context(), asynq.NewTask(closeTask, payloadOf(o.ID)),
		asynq.Queue(closeQueue), asynq.ProcessIn(trade.CloseAfter), asynq.TaskID(closeID(o.ID)))
	if err != nil {
		log.Printf("plan the closing of order %d: %v", o.ID, err)
	}
	trade.Created(w, o.ID)
}

// Callback hands the payment on to a worker.
func (s *service) Callback(w http.ResponseWriter, r *http.Request) {
	c, body, ok := trade.ReadCallback(w, r)
	if !ok {
		return
	}
	_, err := s.tasks.EnqueueContext(r.Context(), asynq.NewTask(confirmTask, body), asynq.Queue(confirmQueue), asynq.TaskID("pay:"+c.TxnID))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "success")
}
