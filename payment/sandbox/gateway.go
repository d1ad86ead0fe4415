package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/orderflow/orderflow/payment"
)

// MaxBody is the largest body that either side reads.
const MaxBody = 64 << 10

// The methods of the gateway. The method is part of the signed body, so a call
// cannot be turned into another one.
const (
	MethodQuery       = "payment.query"
	MethodClose       = "payment.close"
	MethodRefund      = "refund.create"
	MethodQueryRefund = "refund.query"
)

// CodeBalanceShort is the Code of a signed 403 to refund.create: the merchant's
// balance at the channel is too small for the refund. Nothing happened, and the
// same number may be sent again.
const CodeBalanceShort = "BALANCE_SHORT"

// Call is the body of a call to the gateway. Every method names the payment;
// those of refunds name the refund, and refund.create says the rest.
type Call struct {
	Method      string `json:"method"`
	OutTradeNo  string `json:"out_trade_no"`
	OutRefundNo string `json:"out_refund_no,omitempty"`
	TradeNo     string `json:"trade_no,omitempty"`
	Amount      int64  `json:"amount,omitempty"` // minor units
	Currency    string `json:"currency,omitempty"`
	Reason      string `json:"reason,omitempty"`
	NotifyURL   string `json:"notify_url,omitempty"`
}

// Reply is the gateway's answer. A status of 200 carries a State in the port's
// words, of the payment or of the refund; not_found is one of them. A signed
// 4xx carries a Code and a Message instead: the call was refused.
type Reply struct {
	OutTradeNo  string    `json:"out_trade_no,omitempty"`
	OutRefundNo string    `json:"out_refund_no,omitempty"`
	State       string    `json:"state,omitempty"`
	TradeNo     string    `json:"trade_no,omitempty"`
	Amount      int64     `json:"amount,omitempty"`
	Currency    string    `json:"currency,omitempty"`
	PaidAt      time.Time `json:"paid_at,omitzero"`
	DoneAt      time.Time `json:"done_at,omitzero"`
	Reason      string    `json:"reason,omitempty"`

	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// call makes one signed call and believes only a signed answer to it.
func (c *Channel) call(ctx context.Context, op string, call Call) (Reply, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return Reply{}, &payment.Error{Class: payment.Permanent, Op: op, Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/gateway", bytes.NewReader(body))
	if err != nil {
		return Reply{}, &payment.Error{Class: payment.Permanent, Op: op, Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(c.secret, body, c.now()))
	resp, err := c.http.Do(req)
	if err != nil {
		return Reply{}, &payment.Error{Class: payment.Unknown, Op: op, Err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return Reply{}, &payment.Error{Class: payment.Unknown, Op: op, Err: err}
	}
	reply, err := c.judge(op, resp, answer)
	if err == nil && (reply.OutTradeNo != call.OutTradeNo || reply.OutRefundNo != call.OutRefundNo) {
		return Reply{}, payment.Errorf(payment.Unknown, op, "the answer is about something else: ask again")
	}
	return reply, err
}

// judge says what an answer means for the money. A refusal counts only when it
// is signed: a proxy's 404 says nothing about what the channel did.
func (c *Channel) judge(op string, resp *http.Response, answer []byte) (Reply, error) {
	switch {
	case resp.StatusCode == http.StatusUnauthorized:
		return Reply{}, payment.Errorf(payment.Auth, op, "the channel does not accept our signature: compare the secrets and the clocks")
	case resp.StatusCode == http.StatusTooManyRequests:
		return Reply{}, payment.Errorf(payment.Retryable, op, "the channel asks us to slow down")
	case resp.StatusCode != http.StatusOK && resp.StatusCode/100 != 4:
		return Reply{}, payment.Errorf(payment.Unknown, op, "the channel answers %d", resp.StatusCode)
	case len(answer) > MaxBody:
		return Reply{}, payment.Errorf(payment.Unknown, op, "the answer is larger than %d bytes", MaxBody)
	}
	if err := Verify(c.secret, resp.Header, answer, c.now()); err != nil {
		return Reply{}, payment.Errorf(payment.Unknown, op, "believe the answer %d: %w", resp.StatusCode, err)
	}
	var r Reply
	if err := json.Unmarshal(answer, &r); err != nil {
		return Reply{}, payment.Errorf(payment.Unknown, op, "read the answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return r, nil
	}
	return Reply{}, refusal(op, resp.StatusCode, r)
}

// refusal is the error of a signed 4xx: the channel stands elsewhere than we
// think, has not enough money of ours, or will never do this.
func refusal(op string, status int, r Reply) *payment.Error {
	e := payment.Errorf(payment.Permanent, op, "refused: %s", clip(r.Message, 200))
	e.Code = clip(r.Code, 64)
	switch {
	case r.Code == CodeBalanceShort:
		e.Class, e.Err = payment.Retryable, payment.ErrBalanceShort
	case status == http.StatusConflict || status == http.StatusNotFound:
		e.Class = payment.Conflict
	}
	return e
}
