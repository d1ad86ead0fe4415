package workers

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// courier carries notices to endpoints. An attempt that is under way for longer
// than its slot may be held goes on without it.
type courier struct {
	Deps
	endpoints *endpointCache
	gate      *gate
	pool      *pool
}

func newCourier(d Deps) *courier {
	if d.SlotFor == 0 {
		d.SlotFor = merchant.SlowAfter
	}
	if d.EndpointWindow == 0 {
		d.EndpointWindow = merchant.UsualWindow
	}
	for _, told := range []*func(time.Duration){&d.Begun, &d.Acknowledged} {
		if *told == nil {
			*told = func(time.Duration) {}
		}
	}
	if d.InFlight == nil {
		d.InFlight = func(tasks.Lane, int) {}
	}
	return &courier{Deps: d, endpoints: newEndpointCache(d.Store, d.Now), gate: newGate(d.EndpointWindow, d.Now), pool: newPool(d.EndpointWindow)}
}

// stop implements stopper.
func (c *courier) stop(most time.Duration) { c.pool.stop(most) }

// flight is an attempt under way. attempt is read only after landed is closed.
type flight struct {
	endpoint merchant.EndpointID
	notice   merchant.Notice
	began    time.Time
	landed   chan struct{}
	attempt  merchant.Attempt
	cancel   context.CancelFunc
}

// begin begins an attempt.
func (c *courier) begin(e merchant.Endpoint, n merchant.Notice) *flight {
	ctx, cancel := context.WithCancel(c.pool.ctx)
	f := &flight{endpoint: e.ID, notice: n, began: c.Now(), landed: make(chan struct{}), cancel: cancel}
	go func() {
		defer cancel()
		defer close(f.landed)
		f.attempt = merchant.Attempt{EndpointID: e.ID, At: time.Now().UTC(), Error: string(merchant.Stopped) + ": we failed while sending"}
		defer func() {
			if p := recover(); p != nil { // ours, not the merchant's
				c.Log.Error("sending panicked; the notice is sent again later", zap.Stringer("endpoint_id", e.ID), zap.String("notice_id", n.ID), zap.Any("panic", p), zap.Stack("stack"))
			}
		}()
		f.attempt = c.Sender.Send(ctx, e, n)
	}()
	return f
}

// wait waits for an attempt while it holds a slot: until it has landed, or may
// leave. One that finds no room outside keeps its slot to the end. When ctx ends
// the attempt is cut short.
func (c *courier) wait(ctx context.Context, f *flight, lane tasks.Lane, leaves <-chan time.Time) (left bool) {
	c.InFlight(lane, 1)
	defer c.InFlight(lane, -1)
	select {
	case <-f.landed:
		return false
	case <-leaves:
		if c.pool.take(f.endpoint) {
			c.InFlight(tasks.DetachedLane, 1)
			return true
		}
	case <-ctx.Done():
	}
	select {
	case <-f.landed:
	case <-ctx.Done():
		f.cancel()
		<-f.landed
	}
	return false
}

// outside waits for an attempt that has left its slot, and does what is to be done
// at its end.
func (c *courier) outside(f *flight, then func()) {
	defer c.pool.give(f.endpoint)
	<-f.landed
	c.InFlight(tasks.DetachedLane, -1)
	then()
}

// land writes what became of an attempt. When that fails the delivery's lease
// ends by itself, and it is tried again.
func (c *courier) land(l tasks.Landing) (written bool) {
	err := c.Store.Land(context.WithoutCancel(c.pool.ctx), l)[0]
	if err != nil && !isGone(err) {
		c.Log.Warn("what became of a delivery is not written; it is tried again",
			zap.Stringer("endpoint_id", l.Delivery.EndpointID), zap.String("notice_id", l.Delivery.NoticeID), zap.Error(err))
	}
	return err == nil
}

// concludes lands an attempt at its end.
func (c *courier) concludes(f *flight, l tasks.Landing) {
	l.Sight.Attempt = f.attempt
	if c.land(l) && f.attempt.OK {
		c.Acknowledged(c.Now().Sub(f.notice.CreatedAt))
	}
}

// leaving says that an attempt of a delivery has left its slot: its endpoint is
// slow, whatever it will answer.
func (c *courier) leaving(d merchant.Delivery) {
	c.gate.shut(d.EndpointID)
	c.land(tasks.Landing{Delivery: d, Sight: merchant.Sight{NoticeID: d.NoticeID, Leaving: true}})
}
