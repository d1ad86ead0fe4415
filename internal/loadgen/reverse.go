package loadgen

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/orderflow/orderflow/producer/api"
)

// The steps of orders that are called off, and of money that goes back.

// fromSlow has a script's order made with the merchant whose times are short.
func fromSlow(steps func(*buyer) error) func(*buyer) error {
	return func(b *buyer) error {
		b.seller = b.t.o.SlowMerchantID
		return steps(b)
	}
}

// callsOff pays, waits until the order stands somewhere before its delivery,
// and calls it off.
func callsOff(demo, where string) func(*buyer) error {
	return func(b *buyer) error {
		if err := pays(demo, "")(b); err != nil {
			return err
		}
		if err := b.awaits(where, 0); err != nil {
			return err
		}
		return b.cancels()
	}
}

// tooLate calls off what is delivered already, and confirms it then.
func tooLate(b *buyer) error {
	if err := callsOff("deny", "delivering")(b); err != nil {
		return err
	}
	if err := b.awaits("delivered", 0); err != nil {
		return err
	}
	return b.confirms()
}

// whilePaying cancels when the buyer has paid and nobody has heard of it: the
// channel tells when it is asked to close the payment.
func whilePaying(b *buyer) error {
	if err := pays("deliver", "fault=drop")(b); err != nil {
		return err
	}
	return b.cancels()
}

// race cancels, and pays before the answer or hardly later. Each may come too
// late for the other; neither may be lost.
func race(b *buyer) error {
	if err := b.orders("deliver", 0); err != nil {
		return err
	}
	var (
		cancelled error
		both      sync.WaitGroup
	)
	hesitates := time.Duration(b.rng.IntN(20)) * time.Millisecond
	both.Go(func() { cancelled = b.cancels() })
	paid := b.waits(hesitates)
	if paid == nil {
		paid = b.pays(b.order.Payment, "")
	}
	both.Wait()
	if paid != nil && !isGone(paid) {
		return paid
	}
	if isProblem(cancelled, api.NotAllowed) {
		return nil
	}
	return cancelled
}

func refundsPart(b *buyer) error {
	if err := isDelivered(b); err != nil {
		return err
	}
	return b.asksBack(1 + b.rng.Int64N(b.order.Amount-1))
}

// refundsTwice asks for two parts side by side, which together are more than
// there is: one must be refused, and only one.
func refundsTwice(b *buyer) error {
	if err := isDelivered(b); err != nil {
		return err
	}
	var (
		part = b.order.Amount/2 + 1
		errs [2]error
		both sync.WaitGroup
	)
	for i := range errs {
		both.Go(func() { errs[i] = b.asksBack(part) })
	}
	both.Wait()
	switch {
	case errs[0] == nil && errs[1] == nil:
		return fmt.Errorf("refund order %s: %d was given back twice, of %d", b.order.ID, part, b.order.Amount)
	case errs[0] == nil && isProblem(errs[1], api.NotAllowed), errs[1] == nil && isProblem(errs[0], api.NotAllowed):
		return nil
	}
	return errors.Join(errs[:]...)
}

func refundsAll(b *buyer) error {
	if err := isDelivered(b); err != nil {
		return err
	}
	return b.asksBack(b.order.Amount)
}

func refundsAllLater(b *buyer) error {
	if err := confirmed(b); err != nil {
		return err
	}
	return b.asksBack(b.order.Amount)
}
