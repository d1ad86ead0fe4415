package simulation

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
)

// history is one order and its people.
type history struct {
	*world
	number int
	dice   dice
	shop   *shop
	wants  api.NewOrder
	app    *api.Client
	clerk  *api.Client // the merchant's
	tell   *reception

	mu       sync.Mutex // guards what follows
	story    []string
	order    *api.Order          // as it was made; nil when it was not
	promised [][]order.EventType // of each answer of success: one of these must be on the timeline
	refunds  []string            // that we said are under way
	wrong    []string            // what no later look could show
	notices  map[string]string   // bodies of the merchant's notices, by webhook-id
	heard    map[heard]bool      // and whether they were taken
	called   map[heard]time.Time // when they last came
	acked    map[heard]time.Time // when we said that they are acknowledged, of those that were fetched
	begun    map[string]bool     // what is done once
}

// newHistory draws the people of a history.
func (w *world) newHistory(number int) *history {
	d := diceOf(w.seed, fmt.Sprintf("history/%d", number))
	h := &history{world: w, number: number, dice: d, shop: w.shops[d.IntN(len(w.shops))], notices: map[string]string{}, heard: map[heard]bool{}, called: map[heard]time.Time{}, acked: map[heard]time.Time{}, begun: map[string]bool{}}
	h.app, h.clerk = w.caller("app"), w.caller(h.shop.id)
	h.tell = newReception(d.of("reception"))
	h.wants = api.NewOrder{
		MerchantID: h.shop.id, BuyerID: fmt.Sprintf("b_%d", d.IntN(50)), MerchantOrderNo: fmt.Sprintf("h-%d", number), Currency: "CNY",
		PayWithinSeconds: int64(d.between(20*time.Second, 10*time.Minute) / time.Second), Virtual: d.chance(0.2),
	}
	for range 1 + d.IntN(3) {
		h.wants.Items = append(h.wants.Items, api.Item{SKU: skus[d.IntN(len(skus))].name, Quantity: 1 + d.Int64N(3), UnitPrice: 2 + d.Int64N(5000)})
	}
	if d.chance(0.7) {
		h.wants.Channel = sandbox.Name
	}
	h.shop.expect(h)
	return h
}

// caller is a client of the API. It makes each call once: see insist.
func (w *world) caller(key string) *api.Client {
	return api.New("https://"+doorHost, key, api.WithHTTPClient(w.net.client(40*time.Second)), api.WithTries(1))
}

// live is the history from its beginning to where everybody has done what they
// will.
func (h *history) live() {
	pause(h.dice.between(0, arrivals))
	o, err := h.create()
	if err != nil {
		h.note("no order: %v", err)
		return
	}
	h.mu.Lock()
	h.order = o
	h.mu.Unlock()
	h.act((&clerk{h, h.dice.of("impatience")}).lookItUp)
	(&buyer{h, h.dice.of("buyer")}).buy()
}

// create makes the order. The app that is not answered asks again.
func (h *history) create() (o *api.Order, err error) {
	key := api.IdempotencyKey(fmt.Sprintf("create/%d", h.number))
	err = h.insist("the app orders", func() (err error) {
		o, err = h.app.CreateOrder(h.ctx, h.wants, key)
		return err
	})
	return o, err
}

// pay opens a payment. Its link is missing when the channel did not answer.
func (h *history) pay(n int) (p *api.Payment, err error) {
	key := api.IdempotencyKey(fmt.Sprintf("pay/%d/%d", h.number, n))
	err = h.insist("the app opens a payment", func() (err error) {
		p, err = h.app.Pay(h.ctx, h.order.ID, sandbox.Name, key)
		return err
	})
	return p, err
}

// insist makes a call until it is answered for good, as a patient app does:
// with the same Idempotency-Key, or because a step may be asked for twice. Only
// the end of the world is stronger.
func (h *history) insist(what string, call func() error) error {
	wait := time.Second
	for {
		err := call()
		var p *api.Problem
		if err == nil || errors.As(err, &p) && p.Status < http.StatusInternalServerError {
			h.note("%s: %s", what, result(err))
			return err
		}
		h.note("%s: %s, once more", what, result(err))
		select {
		case <-time.After(wait):
			wait = min(2*wait, 30*time.Second)
		case <-h.over:
			h.blame("%s: never answered, in the end with %s", what, result(err))
			return err
		}
	}
}

func result(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// step asks for a step of the order; answered with success, one of the events
// that it can mean must be on the timeline.
func (h *history) step(what string, promised []order.EventType, call func() error) error {
	err := h.insist(what, call)
	if err == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.promised = append(h.promised, promised)
	}
	return err
}

// once runs a part of somebody's who has not done it before.
func (h *history) once(what string, part func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.begun[what] {
		h.begun[what] = true
		h.act(part)
	}
}

// note adds a line to the story.
func (h *history) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.story = append(h.story, fmt.Sprintf("%10s  %s", h.since(), fmt.Sprintf(format, args...)))
}

// blame notes what must never happen.
func (h *history) blame(format string, args ...any) {
	h.note("WRONG: "+format, args...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("history %d\n%s", h.number, strings.Join(h.story, "\n"))
}
