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

// errand is a notice to act upon.
type errand struct {
	noticeType string
	order      Order
}

// courier runs errands: a few workers behind a bounded queue.
type courier struct {
	api     string
	key     string
	behave  func(Order) Behaviour
	count   func(func(*Stats))
	log     *zap.Logger
	client  *http.Client
	pause   time.Duration
	workers int
	queue   chan errand

	ctx     context.Context // ends with stop
	end     context.CancelFunc
	started sync.Once
	running sync.WaitGroup
}

func newCourier(o Options, count func(func(*Stats)), log *zap.Logger) *courier {
	c := &courier{
		api: strings.TrimSuffix(o.API, "/"), key: o.Key, behave: o.Behave, count: count, log: log,
		pause: firstPause, workers: cmp.Or(o.Workers, 8), queue: make(chan errand, cmp.Or(o.Queue, 1024)),
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

// offer queues an errand; false: there is no room, or we are stopping.
func (c *courier) offer(e errand) bool {
	if c.ctx.Err() != nil {
		return false
	}
	select {
	case c.queue <- e:
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
		case e := <-c.queue:
			c.run(e)
		}
	}
}

// run makes the reports of an errand, each only when the API took the one before.
func (c *courier) run(e errand) {
	for _, r := range chosen(e.order, c.behave).reports(e.noticeType, e.order) {
		if !c.report(e.order, r) {
			return
		}
	}
}

// report is the body of POST /v1/orders/{id}/delivery.
type report struct {
	Status string `json:"status"`
	Proof  string `json:"proof,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// countIn counts a report that the API took.
func (r report) countIn(s *Stats) {
	switch r.Status {
	case "accepted":
		s.Accepted++
	case "delivered":
		s.Delivered++
	case "failed":
		s.Failed++
	case "revoked":
		s.Revoked++
	}
}

// report makes the call, a few times if need be, and counts how it ended; true:
// the API took it.
func (c *courier) report(o Order, r report) bool {
	pause := c.pause
	for try := 1; ; try++ {
		status, err := c.call(o.ID, r)
		switch {
		case err == nil && status < 300:
			c.count(r.countIn)
			return true
		case c.ctx.Err() != nil:
			return false
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			c.count(func(s *Stats) { s.Refused++ })
			c.log.Info("demo merchant's report was refused", zap.String("order_id", o.ID), zap.String("status", r.Status), zap.Int("http_status", status))
			return false
		case try == tries:
			c.count(func(s *Stats) { s.GaveUp++ })
			c.log.Warn("demo merchant gave up", zap.String("order_id", o.ID), zap.String("status", r.Status), zap.Int("http_status", status), zap.Error(err))
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

func (c *courier) call(orderID string, r report) (status int, err error) {
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("report on order %s: %w", orderID, err)
	}
	target := c.api + "/v1/orders/" + url.PathEscape(orderID) + "/delivery"
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("report on order %s: %w", orderID, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("report on order %s: %w", orderID, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, nil
}
