package sandbox

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/orderflow/orderflow/payment"
)

// Event is the body of a callback. Amount is the payment's, or for a
// refund.* event the refund's.
type Event struct {
	EventID     string    `json:"event_id"` // the same on every repeat
	Type        string    `json:"type"`
	OutTradeNo  string    `json:"out_trade_no"`
	OutRefundNo string    `json:"out_refund_no,omitempty"` // of refund.* only
	TradeNo     string    `json:"trade_no"`
	Amount      int64     `json:"amount"` // minor units
	Currency    string    `json:"currency"`
	PaidAt      time.Time `json:"paid_at"`
}

// maxField bounds the channel's own identifiers.
const maxField = 64

// ParseNotice verifies a callback and reads it. Whatever cannot be verified is
// of class Auth; what is verified but cannot be used is Permanent. Fields that
// it does not know are ignored: the channel may add some.
func (c *Channel) ParseNotice(h http.Header, body []byte, now time.Time) (payment.Notice, error) {
	const op = "sandbox notice"
	if len(body) > MaxBody {
		return payment.Notice{}, payment.Errorf(payment.Auth, op, "it is larger than %d bytes", MaxBody)
	}
	if err := Verify(c.secret, h, body, now); err != nil {
		return payment.Notice{}, &payment.Error{Class: payment.Auth, Op: op, Err: err}
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return payment.Notice{}, payment.Errorf(payment.Permanent, op, "read it: %w", err)
	}
	if wrong := e.wrong(); wrong != "" {
		return payment.Notice{}, payment.Errorf(payment.Permanent, op, "its %s is missing or malformed", wrong)
	}
	return e.notice(), nil
}

// wrong names the first field without which nobody could say what e is about.
func (e Event) wrong() string {
	aboutRefund := strings.HasPrefix(e.Type, "refund.")
	switch {
	case !isToken(e.EventID):
		return "event_id"
	case !isToken(e.Type):
		return "type"
	case !IsNumber(e.OutTradeNo):
		return "out_trade_no"
	case (aboutRefund || e.OutRefundNo != "") && !IsNumber(e.OutRefundNo):
		return "out_refund_no"
	case len(e.TradeNo) > maxField:
		return "trade_no"
	}
	return ""
}

// notice is e in the port's words. Only a payment that succeeded, with all that
// a receipt needs, is Complete; everything else makes us ask the channel.
func (e Event) notice() payment.Notice {
	n := payment.Notice{
		EventID:     e.EventID,
		Type:        payment.NoticeType(e.Type),
		OutTradeNo:  e.OutTradeNo,
		OutRefundNo: e.OutRefundNo,
	}
	if n.Type != payment.PaymentSucceeded || !isToken(e.TradeNo) || e.Amount <= 0 || !isCurrency(e.Currency) || e.PaidAt.IsZero() {
		return n
	}
	n.Complete = true
	n.Payment = payment.Payment{
		State: payment.Paid, OutTradeNo: e.OutTradeNo, TradeNo: e.TradeNo,
		Amount: e.Amount, Currency: e.Currency, PaidAt: e.PaidAt.UTC(),
	}
	return n
}

// isToken says whether s is an identifier: 1 to 64 visible ASCII characters.
func isToken(s string) bool {
	visible := func(r rune) bool { return r > ' ' && r <= '~' }
	return s != "" && len(s) <= maxField && strings.IndexFunc(s, func(r rune) bool { return !visible(r) }) < 0
}

// Ack tells the channel that its callback was taken, or that it should come
// again. It never says why: the channel is a stranger.
func (c *Channel) Ack(err error) payment.Answer {
	a := payment.Answer{Status: http.StatusOK, ContentType: "application/json", Body: []byte(`{"code":"SUCCESS"}`)}
	switch {
	case err == nil:
	case payment.ClassOf(err) == payment.Auth:
		a.Status, a.Body = http.StatusInternalServerError, []byte(`{"code":"FAIL","message":"the signature was not accepted"}`)
	default:
		a.Status, a.Body = http.StatusInternalServerError, []byte(`{"code":"FAIL","message":"not taken, please send it again"}`)
	}
	return a
}
