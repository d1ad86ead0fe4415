package demo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// How a call to the API is tried.
const (
	callTimeout = 10 * time.Second
	tries       = 5
	firstPause  = 100 * time.Millisecond // doubles from try to try
)

// courier works paid orders off: a few workers behind a bounded queue.
type courier struct {
	api     string
	key     string
	behave  func(Order) Behaviour
	count   func(func(*Stats))
	log     *zap.Logger
	client  *http.Client
	pause   time.Duration
	workers int
	queue   chan Order

	ctx     context.Context // ends with stop
	end     context.CancelFunc
	started sync.Once
	running sync.WaitGroup
}

func newCourier(o Options, count func(func(*Stats)), log *zap.Logger) *courier {
	c := &courier{
		api: strings.TrimSuffix(o.API, "/"), key: o.Key, behave: o.Behave, count: count, log: log,
		pause: firstPause, workers: cmp.Or(o.Workers, 8), queue: make(chan Order, cmp.Or(o.Queue, 1024)),
	}
	if c.behave == nil {
		c.behave = Usual
	}
	c.client = &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: c.workers}}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

func (c *courier) start() {
	c.started.Do(func() {
		for range c.workers {
			c.running.Go(c.work)
		}
	})
}

func (c *courier) stop() {
	c.end()
	c.started.Do(func() {}) // a later start starts nothing
	c.running.Wait()
	c.client.CloseIdleConnections()
}

// offer queues an order; false: there is no room, or we are stopping.
func (c *courier) offer(o Order) bool {
	if c.ctx.Err() != nil {
		return false
	}
	select {
	case c.queue <- o:
		return true
	default:
		return false
	}
}

func (c *courier) work() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case o := <-c.queue:
			c.handle(o)
		}
	}
}

func (c *courier) handle(o Order) {
	switch chosen(o, c.behave) {
	case Deliver:
		if c.report(o, update{Status: "accepted"}, func(s *Stats) { s.Accepted++ }) {
			c.report(o, update{Status: "delivered", Proof: "DEMO-" + o.ID}, func(s *Stats) { s.Delivered++ })
		}
	case Accept:
		c.report(o, update{Status: "accepted"}, func(s *Stats) { s.Accepted++ })
	case Fail:
		c.report(o, update{Status: "failed", Reason: "the demo merchant ran out of it"}, func(s *Stats) { s.Failed++ })
	case Ignore:
	}
}

// update is the body of POST /v1/orders/{id}/delivery.
type update struct {
	Status string `json:"status"`
	Proof  string `json:"proof,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// report makes the call, a few times if need be, and counts how it ended; true:
// the API took it.
func (c *courier) report(o Order, u update, done func(*Stats)) bool {
	pause := c.pause
	for try := 1; ; try++ {
		status, err := c.call(o.ID, u)
		switch {
		case err == nil && status < 300:
			c.count(done)
			return true
		case c.ctx.Err() != nil:
			return false
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			c.count(func(s *Stats) { s.Refused++ })
			c.log.Info("demo merchant's update was refused", zap.String("order_id", o.ID), zap.String("status", u.Status), zap.Int("http_status", status))
			return false
		case try == tries:
			c.count(func(s *Stats) { s.GaveUp++ })
			c.log.Warn("demo merchant gave up", zap.String("order_id", o.ID), zap.String("status", u.Status), zap.Int("http_status", status), zap.Error(err))
			return false
		}
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
			return false
		}
		pause *= 2
	}
}

func (c *courier) call(orderID string, u update) (status int, err error) {
	body, err := json.Marshal(u)
	if err != nil {
		return 0, fmt.Errorf("update order %s: %w", orderID, err)
	}
	target := c.api + "/v1/orders/" + url.PathEscape(orderID) + "/delivery"
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("update order %s: %w", orderID, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("update order %s: %w", orderID, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, nil
}
