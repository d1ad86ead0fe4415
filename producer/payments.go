package producer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer/api"
)

// createTime bounds a channel's answer to a new payment.
const createTime = 10 * time.Second

type createPaymentInput struct {
	OrderPath
	Idempotent
	Body api.NewPayment
}

// createPayment opens an attempt, commits it, and only then asks channels.
func (s *server) createPayment(ctx context.Context, in *createPaymentInput) (*created[api.Payment], error) {
	c := callOf(ctx)
	id, err := in.orderID(c)
	if err != nil {
		return nil, err
	}
	if err := s.knowsChannel(in.Body.Channel); err != nil {
		return nil, err
	}
	var (
		o *order.Order
		a *order.Attempt
	)
	req, err := c.once(201, func() any { return paymentView(a) })
	if err != nil {
		return nil, err
	}
	err = s.opt.Store.Update(ctx, id, req, func(locked *order.Order) (err error) {
		if err := c.sees(locked.MerchantID); err != nil {
			return err
		}
		o = locked
		a, err = o.Pay(in.Body.Channel, c.principal.Actor(), s.now())
		return err
	})
	var before *once.Replay
	switch {
	case errors.As(err, &before):
		return s.replayPayment(ctx, before)
	case err != nil:
		return nil, fmt.Errorf("open a payment of order %s: %w", id, err)
	}
	v, err := s.payable(ctx, o, a.ID)
	if err != nil {
		return nil, err
	}
	return &created[api.Payment]{Body: verbatim[api.Payment]{value: *v}}, nil
}

func (s *server) replayPayment(ctx context.Context, before *once.Replay) (*created[api.Payment], error) {
	var kept api.Payment
	if err := json.Unmarshal(before.Body, &kept); err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	v, err := s.paymentNow(ctx, kept.ID)
	if err != nil {
		return nil, err
	}
	return &created[api.Payment]{Replayed: "true", Body: verbatim[api.Payment]{value: *v}}, nil
}

// paymentNow is a payment as it stands, with the action while it can still be
// paid: channels give the same one again.
func (s *server) paymentNow(ctx context.Context, compact string) (*api.Payment, error) {
	id, err := ident.Parse[order.Attempt](compact)
	if err != nil {
		return nil, fmt.Errorf("read a kept answer: %w", err)
	}
	o, err := s.opt.Store.Order(ctx, order.Family(id))
	if err != nil {
		return nil, fmt.Errorf("show payment %s: %w", compact, err)
	}
	if o.Attempt(id) == nil {
		return nil, fmt.Errorf("show payment %s: %w", compact, order.ErrNotFound)
	}
	return s.payable(ctx, o, id)
}

// payable shows a payment as it stands, with the action while it can still be
// paid. One that is init was let in while others were open: it is claimed
// before, and refused when one of those turns out to be paid.
func (s *server) payable(ctx context.Context, o *order.Order, id order.AttemptID) (*api.Payment, error) {
	if o.Attempt(id).Status == order.AttemptInit {
		var err error
		if o, err = s.claim(ctx, o, id); err != nil {
			return nil, err
		}
	}
	a := o.Attempt(id)
	if a.Status == order.AttemptVoid {
		return nil, void(o)
	}
	v := paymentView(a)
	if a.Status == order.AttemptPaying && o.Status == order.PendingPay && s.now().Before(a.ExpireAt) {
		s.start(ctx, o, a, &v)
	}
	return &v, nil
}

func (s *server) knowsChannel(name string) error {
	if _, err := s.opt.Channels.Channel(name); err == nil {
		return nil
	}
	names := s.opt.Channels.Names()
	if len(names) == 0 {
		return invalid("body.channel", "no payment channel is set up here; the settings sandbox.enabled and sandbox.secret set up one that moves no money")
	}
	return invalid("body.channel", "want one of: "+strings.Join(names, ", "))
}

// start asks the channel for a payment that is already committed, and puts
// into v what the buyer must do. Whatever the channel says, the payment is
// there: what is undecided is found out by asking the channel later.
func (s *server) start(ctx context.Context, o *order.Order, a *order.Attempt, v *api.Payment) {
	ch, err := s.opt.Channels.Channel(a.Channel)
	if err == nil {
		var action payment.Action
		if action, err = s.ask(ctx, ch, o, a); err == nil {
			v.Action = &api.Action{Type: action.Type, URL: action.URL}
			return
		}
	}
	callOf(ctx).failed(err)
	v.Hint = "The channel has not answered yet. Send the same request with the same Idempotency-Key again, or open another payment."
	if payment.ClassOf(err) == payment.Permanent && s.fail(ctx, o.ID, a.ID, err) {
		v.Status, v.Reason = string(order.AttemptFailed), why(err)
		v.Hint = "The channel refused this payment. Open another one, perhaps through another channel."
	}
}

func (s *server) ask(ctx context.Context, ch payment.Channel, o *order.Order, a *order.Attempt) (payment.Action, error) {
	ctx, cancel := context.WithTimeout(ctx, createTime)
	defer cancel()
	return ch.Create(ctx, payment.Request{
		OutTradeNo: a.ID.Compact(), Amount: a.Amount, Currency: a.Currency, ExpireAt: a.ExpireAt,
		Subject: subject(o), Description: "order " + o.ID.String(), BuyerID: o.BuyerID,
		NotifyURL: s.opt.PublicURL + "/v1/channels/" + url.PathEscape(a.Channel) + "/callbacks",
	})
}

// fail books the channel's refusal, even when the caller has gone away in the
// meantime. It says whether the attempt is failed now.
func (s *server) fail(ctx context.Context, id order.ID, attempt order.AttemptID, refused error) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), createTime)
	defer cancel()
	err := s.opt.Store.Update(ctx, id, nil, func(o *order.Order) error {
		return o.FailAttempt(attempt, why(refused), s.now())
	})
	if err != nil {
		callOf(ctx).failed(fmt.Errorf("fail payment %s: %w", attempt.Compact(), err))
	}
	return err == nil
}

// why is a channel's refusal in one short line that can be kept and shown.
func why(err error) string {
	var e *payment.Error
	if errors.As(err, &e) && e.Code != "" {
		return clip("refused by the channel: "+e.Code, 120)
	}
	return "refused by the channel"
}

// subject is what the buyer reads at the channel.
func subject(o *order.Order) string {
	first := o.Items[0]
	name := clip(cmp.Or(first.Name, first.SKU), 100)
	if more := len(o.Items) - 1; more > 0 {
		name += fmt.Sprintf(" (+%d)", more)
	}
	return name
}

// clip keeps at most n bytes of whole characters, none of them NUL.
func clip(s string, n int) string {
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
