package workers

import (
	"context"
	"errors"
	"fmt"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// refundSubmit asks the channel to give money back. The claim is committed
// before the channel is called, and every retry carries the same number: asked
// twice, it pays once. A refund that was claimed before may have arrived: the
// channel is queried first (R3).
type refundSubmit struct{ Deps }

func (refundSubmit) Kind() tasks.Kind { return tasks.RefundSubmit }

func (w refundSubmit) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	return w.onRefunds(ctx, rows, w.submit)
}

func (w refundSubmit) submit(ctx context.Context, row tasks.Row, r *order.Refund, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	if r.Status != order.RefundCreated && r.Status != order.RefundProcessing {
		return done(row, nil)
	}
	held, err := w.claim(ctx, row, r.ID)
	switch {
	case err != nil:
		return later(row, err)
	case held == order.RefundCreated:
		return w.send(ctx, row, r, a, ch)
	case held == order.RefundProcessing:
		return w.retry(ctx, row, r, a, ch)
	}
	return done(row, nil) // settled or called off since the row was read
}

// claim commits that the channel may be asked, and says where the refund stood
// when it was locked: created when it is now claimed for the first time.
func (w refundSubmit) claim(ctx context.Context, row tasks.Row, id order.RefundID) (held order.RefundStatus, err error) {
	err = w.Store.Update(ctx, row.Order(), nil, func(o *order.Order) error {
		if r := o.Refund(id); r != nil {
			held = r.Status
		}
		return o.SubmitRefund(id, w.Now())
	})
	if errors.Is(err, order.ErrAlready) {
		err = nil
	}
	return held, err
}

// retry asks what became of a submission that was claimed before, and sends the
// same number again only when the channel has not got it, or when an operator
// has said that an abnormal refund shall be tried once more.
func (w refundSubmit) retry(ctx context.Context, row tasks.Row, r *order.Refund, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	answer, err := ch.QueryRefund(ctx, a.ID.Compact(), r.ID.Compact())
	switch {
	case err != nil:
		return later(row, err)
	case answer.State == payment.RefundNotFound, answer.State == payment.RefundAbnormal && row.Resubmits():
		return w.send(ctx, row, r, a, ch)
	}
	return w.settled(row, r, a, answer)
}

func (w refundSubmit) send(ctx context.Context, row tasks.Row, r *order.Refund, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	answer, err := ch.Refund(ctx, payment.RefundRequest{
		OutTradeNo: a.ID.Compact(), OutRefundNo: r.ID.Compact(), TradeNo: a.TradeNo,
		Amount: r.Amount, Total: a.PaidAmount, Currency: a.PaidCurrency, Reason: r.Reason, NotifyURL: w.NotifyURL(a.Channel),
	})
	switch {
	case err != nil && payment.ClassOf(err) == payment.Permanent:
		return w.settled(row, r, a, payment.Refund{State: payment.RefundAbnormal, Reason: err.Error()})
	case errors.Is(err, payment.ErrBalanceShort): // no try helps before somebody has put money there
		s := later(row, err)
		if !row.Said(err) { // every further try would say the same
			s.Owes = []tasks.Message{tasks.BalanceShort(r, a, w.Now())}
		}
		return s
	case err != nil:
		return later(row, err)
	case answer.State == payment.RefundNotFound:
		return later(row, fmt.Errorf("refund %s: the channel was asked for it and says that it is not found", r.ID.Compact()))
	}
	return w.settled(row, r, a, answer)
}

// refundQuery asks the channel what became of a refund that it accepted. An
// abnormal one can still come home: a callback says so, and then it is asked.
type refundQuery struct{ Deps }

func (refundQuery) Kind() tasks.Kind { return tasks.RefundQuery }

func (w refundQuery) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	return w.onRefunds(ctx, rows, w.query)
}

func (w refundQuery) query(ctx context.Context, row tasks.Row, r *order.Refund, a *order.Attempt, ch payment.Channel) tasks.Settlement {
	byHand := r.Voucher != "" // it went past the channel, and the channel had its say after that
	if r.Status != order.RefundProcessing && r.Status != order.RefundAbnormal && !byHand {
		return done(row, nil)
	}
	answer, err := ch.QueryRefund(ctx, a.ID.Compact(), r.ID.Compact())
	switch {
	case err != nil:
		return later(row, err)
	case answer.State == payment.RefundPending && r.Status == order.RefundAbnormal:
		return later(row, w.resume(ctx, row, r.ID))
	case answer.State == payment.RefundPending:
		return later(row, nil)
	case byHand:
		s := done(row, nil)
		if answer.State == payment.RefundDone {
			s.Owes = []tasks.Message{tasks.RefundTwice(r, a, answer.Amount, w.Now())}
		}
		return s
	case answer.State == payment.RefundAbnormal:
		asks, err := w.asksAgain(ctx, r.ID)
		if err != nil || asks {
			return later(row, err)
		}
	}
	return w.settled(row, r, a, answer)
}

// resume notes that the channel is at an abnormal refund again.
func (w refundQuery) resume(ctx context.Context, row tasks.Row, id order.RefundID) error {
	err := w.Store.Update(ctx, row.Order(), nil, func(o *order.Order) error { return o.ResumeRefund(id, w.Now()) })
	if errors.Is(err, order.ErrAlready) {
		return nil
	}
	return err
}

// asksAgain says that the channel is about to be asked for a refund: what it said of
// it before that is out of date.
func (w refundQuery) asksAgain(ctx context.Context, id order.RefundID) (bool, error) {
	submit := tasks.About(tasks.RefundSubmit, id)
	owed, err := w.Store.Owed(ctx, submit.Kind, []tasks.Subject{submit.Subject}, w.Now().AddDate(1, 0, 0)) // whenever it is due
	return len(owed) > 0, err
}

// settled is what a channel's answer about a refund means.
func (d Deps) settled(row tasks.Row, r *order.Refund, a *order.Attempt, answer payment.Refund) tasks.Settlement {
	id, now := r.ID, d.Now()
	if answer.State == payment.RefundDone && answer.Amount != r.Amount { // what came home is not what was asked for
		answer.State, answer.Reason = payment.RefundAbnormal, fmt.Sprintf("the channel says that it gave back %s of %s: look at the channel",
			order.Money(answer.Amount, a.PaidCurrency), order.Money(r.Amount, a.PaidCurrency))
	}
	switch answer.State {
	case payment.RefundDone:
		return done(row, func(o *order.Order) error { return o.SucceedRefund(id, now) })
	case payment.RefundFailed:
		return done(row, func(o *order.Order) error { return o.CloseRefund(id, answer.Reason, now) })
	case payment.RefundAbnormal:
		return done(row, func(o *order.Order) error { return o.AbnormalRefund(id, answer.Reason, now) })
	case payment.RefundNotFound: // it never arrived: the same number again
		s := done(row, nil)
		s.Owes = []tasks.Message{{Key: tasks.About(tasks.RefundSubmit, id), Due: now}}
		return s
	}
	s := done(row, nil)
	first, _ := mustSpec(tasks.RefundQuery).Retry.After(1, 0.5)
	s.Owes = []tasks.Message{{Key: tasks.About(tasks.RefundQuery, id), Due: now.Add(first)}}
	return s
}

func mustSpec(k tasks.Kind) tasks.Spec {
	spec, err := tasks.SpecOf(k)
	if err != nil {
		panic(err) // every Kind constant has a Spec; a test sees to it
	}
	return spec
}
