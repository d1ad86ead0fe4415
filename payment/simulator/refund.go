package simulator

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// Refund is what the channel knows of one refund.
type Refund struct {
	OutRefundNo string              `json:"out_refund_no"`
	State       payment.RefundState `json:"state"`
	Amount      int64               `json:"amount"` // minor units
	Reason      string              `json:"reason,omitempty"`
	DoneAt      time.Time           `json:"done_at,omitzero"`

	// While it is pending: how it will end, and what it waits for.
	Ending    payment.RefundState `json:"ending,omitempty"`
	Asks      int                 `json:"asks,omitempty"`       // more questions
	SettleAt  time.Time           `json:"settle_at,omitzero"`   // a time
	NotifyURL string              `json:"notify_url,omitempty"` // where its callback goes
}

func (r *Refund) waitsForTime() bool {
	return r.State == payment.RefundPending && !r.SettleAt.IsZero()
}

// refund gives money back, once for each number. Money of refunds that failed
// is free again; money of pending and abnormal ones is not.
func (p *Payment) refund(c sandbox.Call, general Faults, now time.Time) error {
	if r := p.findRefund(c.OutRefundNo); r != nil {
		if r.Amount != c.Amount || c.Currency != p.Currency {
			return &refused{http.StatusConflict, "REFUND_DIFFERS", "this out_refund_no was used for another refund"}
		}
		return p.askRefund(c.OutRefundNo, general, now)
	}
	if err := p.mayRefund(c); err != nil {
		return err
	}
	faults := p.Faults.with(general)
	r := Refund{
		OutRefundNo: c.OutRefundNo, State: payment.RefundPending, Amount: c.Amount,
		Ending: faults.ending(), Asks: faults.RefundAsks, NotifyURL: c.NotifyURL,
	}
	if faults.RefundDelay > 0 {
		r.SettleAt = now.Add(time.Duration(faults.RefundDelay))
	}
	p.Refunds = append(p.Refunds, r)
	p.settle(&p.Refunds[len(p.Refunds)-1], general, now)
	return nil
}

// mayRefund says why a new refund is refused.
func (p *Payment) mayRefund(c sandbox.Call) error {
	var reserved int64
	for _, r := range p.Refunds {
		if r.State != payment.RefundFailed {
			reserved += r.Amount
		}
	}
	switch {
	case p.State == "":
		return &refused{http.StatusNotFound, "PAYMENT_NOT_FOUND", "there is no such payment"}
	case p.State != payment.Paid:
		return &refused{http.StatusConflict, "NOT_PAID", "the payment is not paid"}
	case c.TradeNo != "" && c.TradeNo != p.TradeNo:
		return &refused{http.StatusConflict, "TRADE_DIFFERS", "trade_no is another payment's"}
	case c.Amount <= 0 || c.Currency != p.Currency:
		return &refused{http.StatusBadRequest, "BAD_AMOUNT", "a refund is a positive amount in the payment's currency"}
	case c.Amount > p.Amount-reserved:
		return &refused{http.StatusUnprocessableEntity, "REFUND_EXCEEDS", "all refunds together would exceed the payment"}
	}
	return nil
}

// askRefund is a question about a refund: pending ones may wait for some.
func (p *Payment) askRefund(outRefundNo string, general Faults, now time.Time) error {
	r := p.findRefund(outRefundNo)
	if r == nil || r.State != payment.RefundPending {
		return errAsIs
	}
	r.Asks = max(0, r.Asks-1)
	p.settle(r, general, now)
	return nil
}

// settle ends a pending refund that waits for nothing any more.
func (p *Payment) settle(r *Refund, general Faults, now time.Time) {
	if r.State != payment.RefundPending || r.Asks > 0 || now.Before(r.SettleAt) {
		return
	}
	r.State = r.Ending
	switch r.State {
	case payment.RefundFailed:
		r.Reason = "the buyer's bank refused the money"
	case payment.RefundAbnormal:
		r.Reason = "the buyer's account cannot be reached"
	case payment.RefundDone:
		r.DoneAt = now.UTC().Truncate(time.Millisecond)
		p.emit(sandbox.Event{
			EventID: newNumber(), Type: string(payment.RefundSucceeded), OutTradeNo: p.OutTradeNo,
			OutRefundNo: r.OutRefundNo, TradeNo: p.TradeNo, Amount: r.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
		}, firstOf(r.NotifyURL, p.NotifyURL), p.Faults.with(general), now)
	}
}

func (p *Payment) findRefund(outRefundNo string) *Refund {
	for i := range p.Refunds {
		if p.Refunds[i].OutRefundNo == outRefundNo {
			return &p.Refunds[i]
		}
	}
	return nil
}

// settling is the job that ends a refund when its time has come.
func (s *Simulator) settling(outTradeNo, outRefundNo string) func(context.Context) {
	return func(context.Context) {
		_, err := s.update(outTradeNo, func(p *Payment) error {
			r := p.findRefund(outRefundNo)
			if r == nil || !r.waitsForTime() {
				return errAsIs
			}
			p.settle(r, s.Faults(), s.now())
			return nil
		})
		if err != nil {
			s.log.Error("sandbox channel: settle a refund", zap.String("out_refund_no", outRefundNo), zap.Error(err))
		}
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
