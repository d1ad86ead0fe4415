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
// is free again; money of pending and abnormal ones is not. An abnormal one is
// tried again when its number comes again.
func (p *Payment) refund(c sandbox.Call, general Faults, now time.Time) error {
	r := p.findRefund(c.OutRefundNo)
	switch {
	case r == nil:
		if err := p.mayRefund(c); err != nil {
			return err
		}
		p.Refunds = append(p.Refunds, Refund{OutRefundNo: c.OutRefundNo, Amount: c.Amount})
		r = &p.Refunds[len(p.Refunds)-1]
	case r.Amount != c.Amount || c.Currency != p.Currency:
		return &refused{http.StatusConflict, "REFUND_DIFFERS", "this out_refund_no was used for another refund"}
	case r.State != payment.RefundAbnormal:
		return p.askRefund(c.OutRefundNo, general, now)
	}
	r.NotifyURL, p.Told = c.NotifyURL, true
	p.begin(r, general, now)
	return nil
}

// begin sends a refund on its way.
func (p *Payment) begin(r *Refund, general Faults, now time.Time) {
	faults := p.Faults.with(general)
	r.State, r.Reason, r.SettleAt = payment.RefundPending, "", time.Time{}
	r.Ending, r.Asks = p.ending(faults), faults.RefundAsks
	if faults.RefundDelay > 0 {
		r.SettleAt = now.Add(time.Duration(faults.RefundDelay))
	}
	p.settle(r, general, now)
}

// ending is how a refund that begins now will end; it counts those that end
// badly.
func (p *Payment) ending(f Faults) payment.RefundState {
	spent := f.RefundTimes > 0 && p.Spoilt >= f.RefundTimes
	if f.Refund == "" || p.Mended || spent {
		return payment.RefundDone
	}
	p.Spoilt++
	return f.Refund
}

// balanceShort says whether a new refund that would be made is refused for want
// of money, and counts it.
func (p *Payment) balanceShort(c sandbox.Call, general Faults) bool {
	if p.Shorts >= p.Faults.with(general).BalanceShort || p.findRefund(c.OutRefundNo) != nil || p.mayRefund(c) != nil {
		return false
	}
	p.Shorts++
	return true
}

func balanceShort() error {
	return &refused{http.StatusForbidden, sandbox.CodeBalanceShort, "the merchant's balance is too small for this refund, by request"}
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
