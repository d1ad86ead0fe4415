package workers

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// Every worker may run twice, late, or beside itself in another process: what
// follows for the order follows once.
func TestEveryWorkerHasItsEffectOnce(t *testing.T) {
	shared := newBench(t)
	for kind, given := range map[tasks.Kind]func(b *bench) (tasks.Key, order.EventType){
		tasks.PaymentConfirm: func(b *bench) (tasks.Key, order.EventType) {
			_, a := b.created()
			b.receive(callback(a, "e1", b.clock.now()))
			return confirmOf(a), order.EventPaid
		},
		tasks.PaymentQuery: func(b *bench) (tasks.Key, order.EventType) {
			_, a := b.created()
			b.due(queryOf(a))
			b.channel.query = func(context.Context, string) (payment.Payment, error) {
				return answer(a, payment.Paid, b.clock.now()), nil
			}
			return queryOf(a), order.EventPaid
		},
		tasks.ChannelClose: func(b *bench) (tasks.Key, order.EventType) {
			_, a := b.closing()
			b.channel.close = func(context.Context, string) (payment.Payment, error) {
				return answer(a, payment.Closed, b.clock.now()), nil
			}
			return closeOf(a), order.EventClosed
		},
		tasks.OrderClose: func(b *bench) (tasks.Key, order.EventType) {
			o := b.bare()
			b.clock.set(o.ExpireAt)
			return expiryOf(o), order.EventClosed
		},
		tasks.OrderComplete: func(b *bench) (tasks.Key, order.EventType) {
			o, _ := b.paid()
			b.step(o.ID, func(o *order.Order) error { return o.Deliver("", "merchant:m_1", b.clock.now()) })
			b.due(tasks.About(tasks.OrderComplete, o.ID))
			return tasks.About(tasks.OrderComplete, o.ID), order.EventCompleted
		},
		tasks.DeliveryNotify: func(b *bench) (tasks.Key, order.EventType) {
			b.endpoint()
			o, _ := b.paid()
			return notifyOf(o), order.EventPaid // which it does not repeat
		},
		tasks.MerchantNotify: func(b *bench) (tasks.Key, order.EventType) {
			b.endpoint()
			o, _ := b.calledOff()
			return tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(o.ID)), order.EventReturning // which it does not repeat
		},
		tasks.PaymentReturn: func(b *bench) (tasks.Key, order.EventType) {
			_, a := b.mismatched()
			k := tasks.About(tasks.PaymentReturn, a.ID)
			b.due(k)
			return k, order.EventRefundCreated
		},
		tasks.DeliveryDeadline: func(b *bench) (tasks.Key, order.EventType) {
			o, _ := b.paid()
			k := deadlineOf(o)
			for range 2 {
				b.due(k)
				require.Equal(b.t, []string{"delivery:deadline done"}, b.ran(k))
			}
			b.due(k)
			return k, order.EventReturning
		},
		tasks.DeliveryRevoke: func(b *bench) (tasks.Key, order.EventType) {
			o, _ := b.calledOff()
			k := tasks.About(tasks.DeliveryRevoke, order.DeliveryID(o.ID))
			b.due(k)
			return k, order.EventRevoked
		},
		tasks.RefundSubmit: func(b *bench) (tasks.Key, order.EventType) {
			_, a, r := b.refunding()
			b.follow(a, r, payment.RefundNotFound) // whoever comes second asks, and has come before the first has sent
			b.channel.refund = func(_ context.Context, req payment.RefundRequest) (payment.Refund, error) {
				if req.OutRefundNo != r.ID.Compact() {
					b.t.Errorf("a number of its own: %s", req.OutRefundNo)
				}
				return payment.Refund{State: payment.RefundDone, OutRefundNo: req.OutRefundNo, Amount: req.Amount}, nil
			}
			return submitOf(r), order.EventRefundSucceeded
		},
		tasks.RefundQuery: func(b *bench) (tasks.Key, order.EventType) {
			o, a, r := b.refunding()
			b.refunds(o, a, r, payment.RefundPending)
			require.NoError(b.t, b.run(submitOf(r)))
			b.due(followUpOf(r))
			b.follow(a, r, payment.RefundDone)
			return followUpOf(r), order.EventRefundSucceeded
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := shared.fresh(t)
			k, effect := given(b)
			ready := make(chan struct{})
			var wg sync.WaitGroup
			for range 4 {
				elsewhere := b.runner(kind, newBusy())
				wg.Go(func() {
					<-ready
					for range 2 {
						if err := elsewhere.ProcessTask(b.ctx, bundleOf(k)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			close(ready)
			wg.Wait()
			require.NoError(t, b.run(k), "and once more, late")
			b.gone(k)
			require.Equal(t, 1, b.happened(ident.WithPart[order.Order](k.Subject, 0), effect))
		})
	}
}
