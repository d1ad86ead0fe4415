package sandbox

import (
	"context"

	"github.com/orderflow/orderflow/payment"
)

// Refund gives money back. The same number asks for the same refund again and
// answers where it stands; the same number with another amount is a Conflict.
func (c *Channel) Refund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error) {
	return c.refund(ctx, "sandbox refund "+r.OutRefundNo, Call{
		Method:      MethodRefund,
		OutTradeNo:  r.OutTradeNo,
		OutRefundNo: r.OutRefundNo,
		TradeNo:     r.TradeNo,
		Amount:      r.Amount,
		Currency:    r.Currency,
		Reason:      clip(r.Reason, maxSubject),
		NotifyURL:   r.NotifyURL,
	})
}

// QueryRefund asks what became of a refund.
func (c *Channel) QueryRefund(ctx context.Context, outTradeNo, outRefundNo string) (payment.Refund, error) {
	return c.refund(ctx, "sandbox query refund "+outRefundNo, Call{
		Method: MethodQueryRefund, OutTradeNo: outTradeNo, OutRefundNo: outRefundNo,
	})
}

func (c *Channel) refund(ctx context.Context, op string, call Call) (payment.Refund, error) {
	reply, err := c.call(ctx, op, call)
	if err != nil {
		return payment.Refund{}, err
	}
	r := payment.Refund{
		State:       payment.RefundState(reply.State),
		OutRefundNo: reply.OutRefundNo,
		Amount:      reply.Amount,
		DoneAt:      reply.DoneAt,
		Reason:      clip(reply.Reason, 200),
	}
	switch r.State {
	case payment.RefundNotFound:
		return r, nil
	case payment.RefundPending, payment.RefundDone, payment.RefundFailed, payment.RefundAbnormal:
		if call.Amount != 0 && r.Amount != call.Amount {
			return payment.Refund{}, payment.Errorf(payment.Conflict, op, "asked for %d, the channel holds %d under this number", call.Amount, r.Amount)
		}
		return r, nil
	}
	return payment.Refund{}, payment.Errorf(payment.Unknown, op, "the channel answers with state %q, which its manual does not have", clip(reply.State, 32))
}
