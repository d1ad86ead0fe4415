package app

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/producer/intake"
	"github.com/orderflow/orderflow/tasks"
)

// confirmedKey counts the payments that all workers together have confirmed. A
// door, which may be a process of its own, learns their pace from it. The count
// begins anew when Redis is emptied.
const confirmedKey = "orderflow:confirmed"

// startIntake watches how much there is to do, so that the door can refuse new
// orders before it is too much.
func (a *App) startIntake() *intake.Limiter {
	c := a.cfg.Intake
	a.metrics.IntakeLimits(c.Within, c.Behind)
	l := intake.Start(intake.Options{
		Wait: a.store.CreateWait, Look: a.confirming, Within: c.Within, Behind: c.Behind, Log: a.log.Named("intake"),
		Refused: func(r intake.Reason) { a.metrics.OrderRefused(monitor.Refusal(r)) },
		Seen:    func(s intake.State) { a.metrics.Intake(s.Wait, s.Lag, s.Share) },
	})
	a.onStop("intake", l.Stop)
	return l
}

// confirming looks how the confirmation of payments is doing. Of all that is
// owed it stands for the rest: every paid order goes through it, and it calls
// nobody, so that only we ourselves can be the cause when it is late.
func (a *App) confirming(ctx context.Context) (w intake.Work, err error) {
	if w.Done, err = a.probe.Get(ctx, confirmedKey).Int64(); err != nil && !errors.Is(err, redis.Nil) {
		return w, fmt.Errorf("read the pace of confirmation: %w", err)
	}
	w.Owed, err = a.db.CountDue(ctx, tasks.PaymentConfirm)
	return w, err
}

// pulse tells what this process's workers have confirmed.
type pulse struct {
	confirmed atomic.Int64
	redis     redis.UniversalClient
	cancel    context.CancelFunc
	done      chan struct{}
}

func startPulse(client redis.UniversalClient) *pulse {
	ctx, cancel := context.WithCancel(context.Background())
	p := &pulse{redis: client, cancel: cancel, done: make(chan struct{})}
	go p.loop(ctx)
	return p
}

func (p *pulse) stop() {
	p.cancel()
	<-p.done
}

// loop tells ten times a second at most, and nothing when nothing was done.
// What Redis does not take is told the next time.
func (p *pulse) loop(ctx context.Context) {
	defer close(p.done)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if n := p.confirmed.Swap(0); n > 0 && p.redis.IncrBy(ctx, confirmedKey, n).Err() != nil {
			p.confirmed.Add(n)
		}
	}
}
