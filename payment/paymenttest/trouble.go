package paymenttest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
)

// patience is how long a caller waits for a channel that hangs.
const patience = 100 * time.Millisecond

// calls are the calls that go over the network, by name.
func (h Harness) calls(p payment.Payment) map[string]func(context.Context) error {
	r := h.refundOf(p, 1)
	return map[string]func(context.Context) error{
		"query":  func(ctx context.Context) error { _, err := h.Channel.Query(ctx, p.OutTradeNo); return err },
		"close":  func(ctx context.Context) error { _, err := h.Channel.Close(ctx, p.OutTradeNo); return err },
		"refund": func(ctx context.Context) error { _, err := h.Channel.Refund(ctx, r); return err },
		"query refund": func(ctx context.Context) error {
			_, err := h.Channel.QueryRefund(ctx, r.OutTradeNo, r.OutRefundNo)
			return err
		},
	}
}

func testTrouble(t *testing.T, s suite) {
	for _, how := range []Failure{Down, Lost, Reset, Hang} {
		s.run(t, string(how)+" leaves every call undecided", func(t *testing.T, h Harness) {
			for name, call := range h.calls(h.paid(t)) {
				h.Fail(t, how)
				ctx, cancel := context.WithTimeout(t.Context(), patienceFor(how))
				err := call(ctx)
				cancel()
				require.Error(t, err, name)
				require.Equal(t, payment.Unknown, payment.ClassOf(err), "%s: %v", name, err)
				require.True(t, payment.Undecided(err), name)
				require.NoError(t, call(t.Context()), "%s: the next call", name)
			}
		})
	}
	s.run(t, "throttled calls can be made again", func(t *testing.T, h Harness) {
		for name, call := range h.calls(h.paid(t)) {
			h.Fail(t, Throttled)
			err := call(t.Context())
			require.Error(t, err, name)
			require.Equal(t, payment.Retryable, payment.ClassOf(err), "%s: %v", name, err)
			require.NotErrorIs(t, err, payment.ErrBalanceShort, name)
			require.NoError(t, call(t.Context()), "%s: the next call", name)
		}
	})
	s.run(t, "a refund whose answer was lost is made once", func(t *testing.T, h Harness) {
		p := h.paid(t)
		half := h.refundOf(p, amount/2)
		h.Fail(t, Lost)
		_, err := h.Channel.Refund(t.Context(), half)
		require.True(t, payment.Undecided(err), "%v", err)
		h.refunded(t, half)
		h.refunded(t, h.refundOf(p, amount/2))
		require.Equal(t, payment.Refunded, h.query(t, p.OutTradeNo).State)
	})
	s.run(t, "a caller that has given up is heard", func(t *testing.T, h Harness) {
		for name, call := range h.calls(h.paid(t)) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := call(ctx)
			require.ErrorIs(t, err, context.Canceled, name)
			require.True(t, payment.Undecided(err), name)
		}
	})
}

func patienceFor(how Failure) time.Duration {
	if how == Hang {
		return patience
	}
	return time.Minute
}

// crowd is how many goroutines use one adapter at once.
const crowd = 16

func testConcurrency(t *testing.T, s suite) {
	s.run(t, "one refund asked for by many is made once", func(t *testing.T, h Harness) {
		p := h.paid(t)
		half := h.refundOf(p, amount/2)
		inCrowd(func(int) error { _, err := h.Channel.Refund(t.Context(), half); return err })
		h.refunded(t, half)
		require.Equal(t, payment.Paid, h.query(t, p.OutTradeNo).State)
	})
	s.run(t, "many refunds never give back more than was paid", func(t *testing.T, h Harness) {
		p := h.paid(t)
		const part = amount / 5
		errs := inCrowd(func(int) error { _, err := h.Channel.Refund(t.Context(), h.refundOf(p, part)); return err })
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			}
		}
		require.Equal(t, amount/part, made)
	})
	s.run(t, "a buyer who pays while it is closed has paid or has not", func(t *testing.T, h Harness) {
		for range crowd {
			r := h.request()
			a := h.create(t, r)
			h.Open(t, a)
			var took bool
			var closed payment.Payment
			var err error
			var both sync.WaitGroup
			both.Go(func() { took = h.Pay(t, a) })
			both.Go(func() { closed, err = h.Channel.Close(t.Context(), r.OutTradeNo) })
			both.Wait()
			require.NoError(t, err)
			want := payment.Closed
			if took {
				want = payment.Paid
			}
			require.Equal(t, want, closed.State)
			require.Equal(t, want, h.query(t, r.OutTradeNo).State)
		}
	})
	s.run(t, "every caller gets the answer to his own question", func(t *testing.T, h Harness) {
		var paid [crowd]payment.Payment
		for i := range paid {
			paid[i] = h.paid(t)
		}
		var got [crowd]payment.Payment
		errs := inCrowd(func(i int) (err error) { got[i], err = h.Channel.Query(t.Context(), paid[i].OutTradeNo); return err })
		for i := range paid {
			require.NoError(t, errs[i])
			require.Equal(t, paid[i], got[i])
		}
	})
}

// inCrowd calls do from many goroutines at once and waits for all.
func inCrowd(do func(i int) error) []error {
	errs := make([]error, crowd)
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			<-gate
			errs[i] = do(i)
		})
	}
	close(gate)
	all.Wait()
	return errs
}
