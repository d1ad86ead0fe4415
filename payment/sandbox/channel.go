// Package sandbox is the adapter of the sandbox channel: a channel of our own
// that takes no real money and in every other way behaves as the real ones do.
//
// The channel is an HTTP neighbour (package simulator). This adapter reaches
// it as the adapters of real channels reach theirs, and knows of it only what
// a channel publishes in its manual:
//
//   - A payment begins as a signed link to the pay page, made here without a
//     call (Ticket). The channel knows of the payment once the buyer opens it.
//   - Everything else is a signed JSON call to POST {base}/gateway (Call), and
//     a signed answer (Reply).
//   - Callbacks are signed JSON (Event).
//   - Signatures are the header Sandbox-Signature (Sign, Verify).
//
// # Refunds
//
// A refund is one out_refund_no for ever, and all of them together never exceed
// what was paid. refund.create and refund.query answer with its state:
//
//	pending    the money is on its way: ask again
//	done       it is with the buyer; a callback refund.succeeded says so too
//	failed     the channel closed the refund, no money moved: its number stays
//	           failed, and what it held can be given back under another number
//	abnormal   the money cannot reach the buyer's account and stays reserved
//	not_found  the channel was never asked, or refused
//
// An abnormal refund is tried again when refund.create comes with the same
// number and amount: it is done once the buyer's account has been mended, else
// abnormal again. The channel can also bring it home by itself; then the
// callback says so. Until either happens it stays abnormal.
//
// When the merchant's balance is short, refund.create is refused with the code
// BALANCE_SHORT: nothing happened, refund.query does not find it, and the same
// number is accepted once there is money.
//
// # Closing
//
// payment.close answers with the payment's state, and that is final: closed
// also when the buyer had not opened the link yet, paid when he was faster.
//
// Files are named by purpose, the same in every adapter: channel.go the port,
// refund.go money going back, notice.go callbacks, sign.go signatures,
// gateway.go the wire.
package sandbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orderflow/orderflow/payment"
)

// Name is the channel's name in the API and in the ledger.
const Name = "sandbox"

// callTimeout limits a call of the default HTTP client.
const callTimeout = 10 * time.Second

// Options are what the adapter needs.
type Options struct {
	BaseURL string // where the channel is: http://127.0.0.1:8080/sandbox
	Secret  string // shared with the channel
	HTTP    *http.Client
	Now     func() time.Time // stamps signatures; nil: the clock
}

// Channel is the sandbox channel. It keeps nothing and may be used from many
// goroutines.
type Channel struct {
	base   string
	secret string
	http   *http.Client
	now    func() time.Time
}

var _ payment.Channel = (*Channel)(nil)

// New makes the adapter. It makes no call: the channel may be away.
func New(o Options) (*Channel, error) {
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil || !absolute(u) || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, errors.New("sandbox channel: the base URL must be a plain http or https URL, such as http://127.0.0.1:8080/sandbox")
	case o.Secret == "":
		return nil, errors.New("sandbox channel: the secret is empty; set the one that the channel signs with")
	}
	c := &Channel{base: strings.TrimRight(o.BaseURL, "/"), secret: o.Secret, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	client := http.Client{Timeout: callTimeout}
	if o.HTTP != nil {
		client = *o.HTTP
	}
	// A signed call is meant for the channel alone: it is never redirected.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &client
	return c, nil
}

// Name is "sandbox".
func (c *Channel) Name() string { return Name }

// Create makes the link to the pay page. It is made here, without a call, and
// is the same for the same request.
func (c *Channel) Create(_ context.Context, r payment.Request) (payment.Action, error) {
	t := Ticket{
		OutTradeNo: r.OutTradeNo,
		Amount:     r.Amount,
		Currency:   r.Currency,
		Subject:    clip(r.Subject, maxSubject),
		ExpireAt:   r.ExpireAt.UnixMilli(), // rounds down: never later than ours
		NotifyURL:  r.NotifyURL,
	}
	token, err := t.Seal(c.secret)
	if err != nil {
		return payment.Action{}, &payment.Error{Class: payment.Permanent, Op: "sandbox create " + r.OutTradeNo, Err: err}
	}
	return payment.Action{Type: "redirect", URL: c.base + "/pay/" + token}, nil
}

// Query asks what became of a payment. One that the buyer has not opened yet is
// not found.
func (c *Channel) Query(ctx context.Context, outTradeNo string) (payment.Payment, error) {
	return c.payment(ctx, "sandbox query "+outTradeNo, Call{Method: MethodQuery, OutTradeNo: outTradeNo})
}

// Close makes sure that a payment cannot be made any more, also one that the
// buyer has not opened yet.
func (c *Channel) Close(ctx context.Context, outTradeNo string) (payment.Payment, error) {
	return c.payment(ctx, "sandbox close "+outTradeNo, Call{Method: MethodClose, OutTradeNo: outTradeNo})
}

func (c *Channel) payment(ctx context.Context, op string, call Call) (payment.Payment, error) {
	reply, err := c.call(ctx, op, call)
	if err != nil {
		return payment.Payment{}, err
	}
	p := payment.Payment{State: payment.State(reply.State), OutTradeNo: reply.OutTradeNo}
	switch p.State {
	case payment.Pending, payment.Closed, payment.NotFound:
		return p, nil
	case payment.Paid, payment.Refunded:
		p.TradeNo, p.Amount, p.Currency, p.PaidAt = reply.TradeNo, reply.Amount, reply.Currency, reply.PaidAt
		if p.TradeNo != "" && p.Amount > 0 && isCurrency(p.Currency) && !p.PaidAt.IsZero() {
			return p, nil
		}
		return payment.Payment{}, payment.Errorf(payment.Unknown, op, "the channel says %s but not what was paid: ask again", p.State)
	}
	return payment.Payment{}, payment.Errorf(payment.Unknown, op, "the channel answers with state %q, which its manual does not have", clip(reply.State, 32))
}
