package simulator

import (
	"net/http"

	"github.com/orderflow/orderflow/payment"
)

// Mending is the body of POST /mend. Without a refund's number the buyer's
// account is mended; with one the provider brings that refund home as well.
type Mending struct {
	OutTradeNo  string `json:"out_trade_no"`
	OutRefundNo string `json:"out_refund_no,omitempty"`
}

// Mend mends the account of a payment's buyer: from now on its refunds end
// well, whatever the faults say. An abnormal one stays so until the merchant
// sends its number again. It says whether there is such a payment.
func (s *Simulator) Mend(outTradeNo string) bool {
	_, err := s.update(outTradeNo, (*Payment).mend)
	return err == nil
}

// BringHome mends the account and pays an abnormal refund out without the
// merchant's doing; its callback leaves. It says whether there was one.
func (s *Simulator) BringHome(outTradeNo, outRefundNo string) bool {
	return s.bringHome(outTradeNo, outRefundNo) == nil
}

func (s *Simulator) bringHome(outTradeNo, outRefundNo string) error {
	_, err := s.update(outTradeNo, func(p *Payment) error {
		if err := p.mend(); err != nil {
			return err
		}
		r := p.findRefund(outRefundNo)
		if r == nil || r.State != payment.RefundAbnormal {
			return &refused{http.StatusConflict, "NOT_ABNORMAL", "there is no such refund that is abnormal"}
		}
		r.State, r.Reason, r.Ending = payment.RefundPending, "", payment.RefundDone
		p.settle(r, s.Faults(), s.now())
		return nil
	})
	return err
}

func (p *Payment) mend() error {
	if p.State != payment.Paid {
		return &refused{http.StatusNotFound, "NOT_PAID", "there is no such payment that is paid"}
	}
	p.Mended = true
	return nil
}

// serveMend mends what a signed body names, and answers with it.
func (s *Simulator) serveMend(w http.ResponseWriter, r *http.Request) {
	var m Mending
	err := s.readSigned(w, r, &m)
	switch {
	case err != nil:
	case m.OutRefundNo != "":
		err = s.bringHome(m.OutTradeNo, m.OutRefundNo)
	default:
		_, err = s.update(m.OutTradeNo, (*Payment).mend)
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.answerSigned(w, http.StatusOK, m)
}
