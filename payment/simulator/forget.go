package simulator

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/payment"
)

const (
	// defaultKeep is some hours of traffic: longer than any callback's ladder.
	defaultKeep = 6 * time.Hour
	// longKeep is for payments that somebody may still come back for: longer
	// than a link can be good, since a link that was closed unseen must not come
	// to life again.
	longKeep = 31 * 24 * time.Hour
	// sweepEvery is how often payments are forgotten.
	sweepEvery = 10 * time.Minute
)

// sweep is the job that forgets what is at rest, again and again.
func (s *Simulator) sweep(context.Context) {
	dropped, err := s.book.forget(s.forgettable())
	switch {
	case err != nil:
		s.log.Error("sandbox channel: write the journal anew", zap.Error(err))
	case dropped > 0:
		s.log.Debug("sandbox channel has forgotten payments at rest", zap.Int("payments", dropped))
	}
	s.queue.push(s.now().Add(sweepEvery), s.sweep)
}

// forgettable says which payments are forgotten now.
func (s *Simulator) forgettable() func(*Payment) bool {
	now := s.now()
	return func(p *Payment) bool { return p.forgettable(now, s.keep) }
}

// forgettable says whether the payment has been at rest for longer than keep.
// One that owes a callback never is; one that is awaited is kept for longer.
func (p *Payment) forgettable(now time.Time, keep time.Duration) bool {
	for i := range p.Callbacks {
		if p.Callbacks[i].owed() {
			return false
		}
	}
	if p.awaited() {
		keep = max(keep, longKeep)
	}
	since := p.Changed
	if p.ExpireAt.After(since) {
		since = p.ExpireAt
	}
	return now.Sub(since) > keep
}

// awaited says whether a buyer or the merchant may still come back for it: its
// link may be good although it was closed, the merchant has not heard that it
// is paid, or a refund has not come to its end.
func (p *Payment) awaited() bool {
	for _, r := range p.Refunds {
		if r.State == payment.RefundPending || r.State == payment.RefundAbnormal {
			return true
		}
	}
	return p.Asked == 0 || p.State == payment.Paid && !p.Told
}
