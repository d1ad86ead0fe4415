package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// outcome is what a buyer is told, as JSON to programs.
type outcome struct {
	Status     payment.State `json:"status"`
	OutTradeNo string        `json:"out_trade_no,omitempty"`
	TradeNo    string        `json:"trade_no,omitempty"`
	Amount     int64         `json:"amount,omitempty"` // minor units
	Currency   string        `json:"currency,omitempty"`
	PaidAt     time.Time     `json:"paid_at,omitzero"`
	Code       string        `json:"code,omitempty"` // why it was refused
	Message    string        `json:"message,omitempty"`
}

// serveOpen shows the pay page and makes the payment known.
func (s *Simulator) serveOpen(w http.ResponseWriter, r *http.Request) {
	t, err := sandbox.OpenTicket(s.secret, r.PathValue("token"))
	if err != nil {
		s.tell(w, r, Payment{}, badLink())
		return
	}
	p, err := s.update(t.OutTradeNo, func(p *Payment) error {
		known := p.State != ""
		if err := p.open(t, s.now()); err != nil {
			return err
		}
		if known {
			return errAsIs
		}
		return nil
	})
	p.fill(t) // so that an expired or closed link still says what it was for
	s.tell(w, r, p, err)
}

// servePay takes the buyer's money.
func (s *Simulator) servePay(w http.ResponseWriter, r *http.Request) {
	t, err := sandbox.OpenTicket(s.secret, r.PathValue("token"))
	if err != nil {
		s.tell(w, r, Payment{}, badLink())
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, sandbox.MaxBody)
	faults, err := chosen(r)
	if err != nil {
		s.tell(w, r, Payment{}, &refused{http.StatusBadRequest, "BAD_FAULT", fmt.Sprintf("The chosen fault is not understood: %v.", err)})
		return
	}
	p, err := s.update(t.OutTradeNo, func(p *Payment) error { return p.pay(t, faults, s.Faults(), s.now()) })
	p.fill(t)
	s.tell(w, r, p, err)
}

func badLink() error {
	return &refused{http.StatusNotFound, "BAD_LINK", "This payment link is not valid. Please follow it again from the shop."}
}

// isGone says whether a payment is refused because it was closed or has expired.
func isGone(err error) bool {
	var no *refused
	return errors.As(err, &no) && no.status == http.StatusGone
}

// tell answers a buyer: with a page to a browser, else with JSON.
func (s *Simulator) tell(w http.ResponseWriter, r *http.Request, p Payment, err error) {
	status := http.StatusOK
	o := outcome{
		Status: p.StateAt(s.now()), OutTradeNo: p.OutTradeNo, TradeNo: p.TradeNo,
		Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
	}
	if o.Amount == 0 {
		o.Amount = p.Asked
	}
	var no *refused
	switch {
	case errors.As(err, &no):
		status, o.Code, o.Message = no.status, no.code, no.message
	case err != nil:
		s.log.Error("sandbox channel: pay page", zap.String("out_trade_no", p.OutTradeNo), zap.Error(err))
		status, o.Code, o.Message = http.StatusInternalServerError, "INTERNAL", "The sandbox channel has failed. Please try again."
	}
	if wantsPage(r) {
		s.page.write(w, status, p, o)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(o) // a buyer who has gone opens the link again
}

// wantsPage tells browsers from programs. Looking at the link shows the page
// unless JSON is asked for; paying answers JSON unless a page is asked for.
func wantsPage(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/html") {
		return true
	}
	return r.Method != http.MethodPost && !strings.Contains(accept, "application/json")
}
