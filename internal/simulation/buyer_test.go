package simulation

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// buyer is who has ordered, with the app in their hand.
type buyer struct {
	*history
	dice dice
}

// buying is what buyers do with an order that is to be paid.
var buying = []way[func(*buyer)]{
	{8, "walks away", (*buyer).walkAway},
	{40, "pays", (*buyer).payOnce},
	{6, "pays at the last second", (*buyer).payAtTheLastSecond},
	{8, "pays when it is too late", (*buyer).payLate},
	{10, "pays on two devices", (*buyer).payTwice},
	{5, "opens two payments and pays one", (*buyer).payTheOther},
	{4, "pays, and opens another payment", (*buyer).payThenOpen},
	{4, "pays short", (*buyer).payShort},
	{3, "pays short, then again", (*buyer).payShortThenAgain},
	{6, "cancels", (*buyer).cancel},
	{6, "cancels while paying", (*buyer).cancelWhilePaying},
	{4, "cancels, then pays all the same", (*buyer).cancelThenPay},
}

// callbacks is what becomes of the channel's callbacks about a payment.
var callbacks = []way[func(dice) string]{
	{45, "come", func(dice) string { return "" }},
	{15, "come late", func(d dice) string { return "fault=delay&delay=" + d.between(2*time.Second, 80*time.Minute).String() }},
	{15, "come often", func(d dice) string { return fmt.Sprintf("fault=duplicate&times=%d", 1+d.IntN(3)) }},
	{15, "are lost", func(dice) string { return "fault=drop" }},
	{10, "come in the wrong order", func(dice) string { return "fault=reorder" }},
}

// refunds is how the channel goes about giving a payment's money back.
var refunds = []way[func(dice) string]{
	{70, "at once", func(dice) string { return "" }},
	{12, "after some questions", func(dice) string { return "fault=refund_pending" }},
	{10, "after a while", func(dice) string { return "fault=refund_slow" }},
	{5, "not at all: abnormal", func(d dice) string { return "fault=refund_abnormal&times=" + fmt.Sprint(d.IntN(3)) }},
	{4, "not at all: failed", func(d dice) string { return "fault=refund_failed&times=" + fmt.Sprint(d.IntN(4)) }},
	{4, "not before there is money", func(dice) string { return "fault=balance_short" }},
}

// regretting is what some buyers do after they have paid.
var regretting = []way[func(*buyer)]{
	{70, "is content", func(*buyer) {}},
	{10, "calls it off at once", (*buyer).callOff},
	{10, "calls it off later", func(b *buyer) { pause(b.dice.between(0, 40*time.Minute)); b.callOff() }},
	{4, "calls it off twice", func(b *buyer) { pause(b.dice.between(0, 10*time.Minute)); b.callOff(); b.callOff() }},
}

// complaining is what some buyers do with what they got.
var complaining = []way[func(*buyer)]{
	{65, "is content", func(*buyer) {}},
	{10, "wants some money back", func(b *buyer) { b.ask(1, b.part()) }},
	{8, "wants all money back", func(b *buyer) { b.ask(1, b.order.Amount) }},
	{8, "wants most of it back, twice at once", func(b *buyer) {
		most := max(1, b.order.Amount*6/10)
		var both sync.WaitGroup
		both.Go(func() { b.ask(1, most) })
		both.Go(func() { b.ask(2, most) })
		both.Wait()
	}},
	{6, "wants it back bit by bit", func(b *buyer) {
		for n := range 4 {
			b.ask(n, max(1, b.order.Amount/3))
			pause(b.dice.between(0, 10*time.Minute))
		}
	}},
	{3, "wants some back and calls it back", func(b *buyer) {
		if r := b.ask(1, b.part()); r != nil {
			b.takeBack(r)
		}
	}},
}

func (b *buyer) buy() {
	w := pick(b.dice, buying)
	b.note("the buyer %s", w.name)
	if b.order.Payment == nil {
		p, err := b.pay(0)
		if err != nil {
			return
		}
		b.order.Payment = p
	}
	w.do(b)
	r := pick(b.dice, regretting)
	if b.dice.chance(0.7) {
		pause(b.dice.between(0, 30*time.Second))
	}
	b.note("the buyer %s", r.name)
	r.do(b)
}

// first is the payment that the order was made with.
func (b *buyer) first() *api.Payment { return b.order.Payment }

// hesitate waits for up to half of the time to pay.
func (b *buyer) hesitate() {
	pause(b.dice.between(0, time.Duration(b.wants.PayWithinSeconds)*time.Second/2))
}

func (b *buyer) until(t time.Time) { pause(time.Until(t)) }

// how draws what goes wrong at the channel with a payment.
func (b *buyer) how(more ...string) string {
	c, r := pick(b.dice, callbacks), pick(b.dice, refunds)
	return strings.Join(append(more, c.do(b.dice), r.do(b.dice)), "&")
}

// give pays at the channel's page, where there is one. It says whether the
// channel took the money.
func (b *buyer) give(p *api.Payment, how string) bool {
	if p == nil || p.Action == nil {
		b.note("the buyer has no link to pay by")
		return false
	}
	resp, err := b.net.client(30*time.Second).Post(p.Action.URL, "application/x-www-form-urlencoded", strings.NewReader(how))
	if err != nil {
		b.note("the buyer pays %s (%s): %v", p.ID, how, err)
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var said struct{ Status, Code string }
	_ = json.Unmarshal(body, &said)
	b.note("the buyer pays %s (%s): %d %s %s", p.ID, how, resp.StatusCode, said.Status, said.Code)
	return resp.StatusCode == http.StatusOK
}

// open looks at the pay page, from when on the channel knows of the payment.
func (b *buyer) open(p *api.Payment) {
	if p == nil || p.Action == nil {
		return
	}
	resp, err := b.net.client(30 * time.Second).Get(p.Action.URL)
	if err == nil {
		_ = resp.Body.Close()
	}
	b.note("the buyer opens the pay page")
}

func (b *buyer) walkAway() {
	if b.dice.chance(0.5) {
		b.open(b.first())
	}
}

func (b *buyer) payOnce() {
	b.hesitate()
	b.give(b.first(), b.how())
}

func (b *buyer) payAtTheLastSecond() {
	b.until(b.order.ExpireAt.Add(b.dice.between(-3*time.Second, time.Second)))
	how := b.how()
	if b.dice.chance(0.5) {
		how = "fault=late&" + how
	}
	b.give(b.first(), how)
}

func (b *buyer) payLate() {
	b.until(b.order.ExpireAt.Add(b.dice.between(time.Second, 50*time.Minute)))
	b.give(b.first(), b.how("fault=late"))
}

// payTwice pays two payments. What the channel has closed by then it takes all
// the same.
func (b *buyer) payTwice() {
	b.hesitate()
	other, err := b.pay(1)
	if err != nil {
		b.give(b.first(), b.how())
		return
	}
	one, two, between := b.how("fault=late"), b.how("fault=late"), b.dice.between(0, 90*time.Second)
	if b.dice.chance(0.3) {
		between = 0
	}
	var both sync.WaitGroup
	both.Go(func() { b.give(b.first(), one) })
	pause(between)
	b.give(other, two)
	both.Wait()
}

func (b *buyer) payTheOther() {
	b.hesitate()
	other, err := b.pay(1)
	if err != nil || b.dice.chance(0.5) {
		other = b.first()
	}
	b.give(other, b.how())
}

// payThenOpen is not told in time that it is paid.
func (b *buyer) payThenOpen() {
	b.hesitate()
	b.give(b.first(), b.how())
	pause(b.dice.between(0, 4*time.Second))
	if other, err := b.pay(1); err == nil && b.dice.chance(0.3) {
		b.give(other, b.how())
	}
}

func (b *buyer) payShort() {
	b.hesitate()
	b.give(b.first(), b.how("fault=wrong_amount"))
}

func (b *buyer) payShortThenAgain() {
	b.payShort()
	pause(b.dice.between(0, 20*time.Second))
	if other, err := b.pay(1); err == nil {
		b.give(other, b.how())
	}
}

func (b *buyer) cancel() {
	b.hesitate()
	b.callOff()
}

func (b *buyer) callOff() {
	// Of one whose money is on its way back already, it says where it stands.
	meant := []order.EventType{order.EventClosing, order.EventReturning, order.EventDeliveryFailed, order.EventRefunded}
	_ = b.step("the buyer cancels", meant, func() error {
		_, err := b.app.Cancel(b.ctx, b.order.ID, "changed my mind")
		return err
	})
}

func (b *buyer) cancelWhilePaying() {
	b.hesitate()
	how, meanwhile := b.how(), b.dice.between(0, 5*time.Second)
	if b.dice.chance(0.3) {
		meanwhile = 0
	}
	var both sync.WaitGroup
	both.Go(func() { b.give(b.first(), how) })
	both.Go(func() { pause(meanwhile); b.callOff() })
	both.Wait()
}

func (b *buyer) cancelThenPay() {
	b.cancel()
	pause(b.dice.between(0, 30*time.Minute))
	b.give(b.first(), b.how("fault=late"))
}

// part is some of the order's money.
func (b *buyer) part() int64 { return 1 + b.dice.Int64N(b.order.Amount) }

// ask has the app ask for the n-th refund.
func (b *buyer) ask(n int, amount int64) (r *api.Refund) {
	key := api.IdempotencyKey(fmt.Sprintf("refund/%d/%d", b.number, n))
	err := b.insist(fmt.Sprintf("the app asks for %d back", amount), func() (err error) {
		r, err = b.app.AskRefund(b.ctx, b.order.ID, api.NewRefund{Amount: amount, Reason: "broken"}, key)
		return err
	})
	if err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refunds = append(b.refunds, r.ID)
	return r
}

// takeBack has an operator call a refund back, if it is not too late.
func (b *buyer) takeBack(r *api.Refund) {
	desk := b.caller("operator")
	_ = b.insist("the operator calls "+r.ID+" back", func() error { _, err := desk.CancelRefund(b.ctx, r.ID, "a mistake"); return err })
}

// arrive is the goods' coming to the buyer, once. Some confirm it, some
// complain, some do both.
func (h *history) arrive() {
	h.once("arrival", func() {
		b := &buyer{h, h.dice.of("arrival")}
		if b.dice.chance(0.3) {
			h.act((&buyer{h, h.dice.of("confirmation")}).confirm)
		}
		pause(b.dice.between(0, 2*time.Hour))
		w := pick(b.dice, complaining)
		b.note("the buyer %s", w.name)
		w.do(b)
	})
}

func (b *buyer) confirm() {
	pause(b.dice.between(0, time.Hour))
	_ = b.step("the buyer confirms", []order.EventType{order.EventCompleted}, func() error {
		_, err := b.app.Complete(b.ctx, b.order.ID)
		return err
	})
}
