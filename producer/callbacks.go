package producer

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer/api"
)

type channelPath struct {
	Channel string `path:"channel" maxLength:"64" example:"sandbox"`
}

// addCallbacks adds the one route that speaks the channels' language: raw
// bytes in, and an answer in the form that the channel wants.
func (s *server) addCallbacks(r route) {
	op := s.operation(r)
	op.RequestBody = &huma.RequestBody{
		Description: "As the channel sends it, at most 64 KiB.",
		Content:     map[string]*huma.MediaType{"*/*": {}},
	}
	huma.Register(s.api, op, func(_ context.Context, in *channelPath) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			c := callOf(r.Context())
			answer, p := s.callback(ctx.Context(), c, w, in.Channel)
			if p != nil {
				c.refuse(w, p)
				return
			}
			w.Header().Set("Content-Type", answer.ContentType)
			w.WriteHeader(answer.Status)
			_, _ = w.Write(answer.Body)
		}}, nil
	})
}

// callback verifies what a channel sends, keeps it, and only then says so.
// What does not come from the channel leaves no trace.
func (s *server) callback(ctx context.Context, c *call, w http.ResponseWriter, name string) (payment.Answer, *problem) {
	ch, err := s.opt.Channels.Channel(name)
	if err != nil {
		return payment.Answer{}, fault(api.NotFound, "There is no such channel here.")
	}
	if p := c.read(w, maxCallback, s.opt.BodyTime); p != nil {
		return payment.Answer{}, p
	}
	now := s.now()
	n, err := ch.ParseNotice(c.request.Header, c.body, now)
	if err == nil {
		err = c.about(n)
	}
	if err != nil {
		c.err = err
		s.opt.CalledBack(name, "refused")
		return refusal(ch, err), nil
	}
	if err := s.opt.Store.Receive(ctx, name, n, c.body, now); err != nil {
		c.err = fmt.Errorf("keep callback %s of %s: %w", n.EventID, name, err)
		s.opt.CalledBack(name, "not_kept")
		return again(ch), nil
	}
	s.opt.CalledBack(name, "kept")
	return ch.Ack(nil), nil
}

// about finds the order of a callback. Numbers that cannot be ours are refused:
// another system shares the account at the channel.
func (c *call) about(n payment.Notice) error {
	no := n.OutTradeNo
	if n.OutRefundNo != "" {
		no = n.OutRefundNo
	}
	id, err := ident.Parse[order.Attempt](no)
	if err != nil {
		return errors.New("the callback is about a payment that is not ours")
	}
	c.order = order.Family(id)
	return nil
}

// refusal says no in the channel's form. 401 is for what is not the channel's
// at all: forged, or too old.
func refusal(ch payment.Channel, err error) payment.Answer {
	a := ch.Ack(err)
	a.Status = http.StatusBadRequest
	if payment.ClassOf(err) == payment.Auth {
		a.Status = http.StatusUnauthorized
	}
	return a
}

// again asks the channel to come back: the fault is ours.
func again(ch payment.Channel) payment.Answer {
	a := ch.Ack(errors.New("not kept: send it again"))
	if a.Status < 500 {
		a.Status = http.StatusServiceUnavailable
	}
	return a
}
