package simulation

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// operator is who looks at the held orders, and now and then has a task tried
// again for no good reason, or an endpoint recovered.
type operator struct {
	*world
	dice dice
	more dice // of recoveries
	api  *api.Client

	mu   sync.Mutex
	seen map[string]bool // decisions that were begun
}

// rounds is how often the operator looks.
const rounds = 4 * time.Minute

// operate makes the rounds until the world is over.
func (w *world) operate() {
	o := &operator{world: w, dice: diceOf(w.seed, fmt.Sprintf("operator/%d", w.first)), more: diceOf(w.seed, fmt.Sprintf("recoveries/%d", w.first)), api: w.caller("operator"), seen: map[string]bool{}}
	tick := time.NewTicker(rounds)
	defer tick.Stop()
	for {
		select {
		case <-w.over:
			return
		case <-tick.C:
		}
		o.look()
		if time.Since(w.began) < bustle {
			o.meddle()
			o.recover()
		}
	}
}

// look finds the held orders. It gives up for this round when nobody answers.
func (o *operator) look() {
	for cursor := ""; ; {
		page, err := o.api.Orders(o.ctx, api.OrderFilter{Held: true, Limit: 100, Cursor: cursor})
		if err != nil {
			return
		}
		for _, held := range page.Orders {
			if h := o.shopOf(held.MerchantID).find(held.MerchantOrderNo); h != nil {
				o.decide(h, held)
			}
		}
		if cursor = page.NextCursor; cursor == "" {
			return
		}
	}
}

// decide begins what the operator does about a held order, once for each thing
// that it is held for.
func (o *operator) decide(h *history, held api.Order) {
	switch held.Hold {
	case order.HoldMismatch:
		for _, a := range held.Attempts {
			if a.Disposition == string(order.Mismatch) {
				o.once(h, a.ID, func(d desk) { d.place(a) })
			}
		}
	case order.HoldRefundAbnormal:
		for _, r := range held.Refunds {
			if r.Status == string(order.RefundAbnormal) {
				o.once(h, r.ID, func(d desk) { d.find(r) })
			}
		}
	case order.HoldConflict:
		o.once(h, held.ID, desk.judge)
	}
}

func (o *operator) once(h *history, about string, do func(desk)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen[about] {
		return
	}
	o.seen[about] = true
	h.act(func() {
		d := desk{h, h.dice.of("operator/" + about[len(about)-2:]), o.api}
		if d.dice.chance(0.5) {
			pause(d.dice.between(0, 40*time.Minute))
		}
		do(d)
	})
}

// meddle has any one task tried again.
func (o *operator) meddle() {
	list, err := o.api.Tasks(o.ctx, api.TaskFilter{Limit: 100})
	if err != nil || len(list.Tasks) == 0 {
		return
	}
	t := list.Tasks[o.dice.IntN(len(list.Tasks))]
	o.world.mu.Lock()
	o.requeued[t.Subject]++
	o.world.mu.Unlock()
	_ = o.api.Requeue(o.ctx, t.Kind, t.Subject, "to see what happens")
}

// recover has an endpoint of some shop recovered, or cancels that again.
func (o *operator) recover() {
	s := o.shops[o.more.IntN(len(o.shops))]
	list, err := o.api.Endpoints(o.ctx, s.id)
	if err != nil || len(list.Endpoints) == 0 {
		return
	}
	e := list.Endpoints[o.more.IntN(len(list.Endpoints))]
	r, err := o.api.RecoverEndpoint(o.ctx, s.id, e.ID, api.NewRecovery{Since: time.Now().Add(-o.more.between(time.Minute, 2*time.Hour)), All: o.more.chance(0.4)})
	var running *api.Problem
	switch {
	case errors.As(err, &running) && running.RecoveryID != "":
		if o.more.chance(0.5) {
			_, _ = o.api.CancelRecovery(o.ctx, running.RecoveryID)
		}
	case err == nil && o.more.chance(0.2):
		_, _ = o.api.CancelRecovery(o.ctx, r.ID)
	}
}

// desk is an operator with one order before them.
type desk struct {
	*history
	dice dice
	api  *api.Client
}

func (d desk) say(what string, call func() error) error {
	return d.insist("the operator "+what, call)
}

// placing is what operators do with money of the wrong sum.
var placing = []way[func(desk, api.Payment)]{
	{4, "accepts it", func(d desk, a api.Payment) {
		_ = d.say("accepts "+a.ID, func() error { _, err := d.api.AcceptPayment(d.ctx, d.order.ID, a.ID, "fair enough"); return err })
	}},
	{3, "gives it back", func(d desk, a api.Payment) {
		_ = d.say("gives "+a.ID+" back", func() error { _, err := d.api.ReturnPayment(d.ctx, d.order.ID, a.ID, "wrong"); return err })
	}},
	{3, "leaves it", func(desk, api.Payment) {}},
}

func (d desk) place(a api.Payment) { pick(d.dice, placing).do(d, a) }

// finding is how operators bring home what the channel cannot.
var finding = []way[func(desk, api.Refund)]{
	{3, "has the account mended", func(d desk, r api.Refund) { d.channel.Mend(r.PaymentID); d.retry(r) }},
	{3, "pays it out", desk.payOut},
	{2, "tries again, then pays it out", func(d desk, r api.Refund) { d.retry(r); pause(30 * time.Minute); d.payOut(r) }},
	{2, "has the channel bring it home", func(d desk, r api.Refund) {
		d.channel.BringHome(r.PaymentID, r.ID)
		pause(d.dice.between(0, time.Hour))
		d.retry(r)
	}},
	{2, "leaves it", func(desk, api.Refund) {}},
}

func (d desk) find(r api.Refund) {
	w := pick(d.dice, finding)
	d.note("the operator looks at refund %s and %s", r.ID, w.name)
	w.do(d, r)
}

func (d desk) retry(r api.Refund) {
	_ = d.say("retries "+r.ID, func() error { _, err := d.api.RetryRefund(d.ctx, r.ID, "once more"); return err })
}

func (d desk) payOut(r api.Refund) {
	_ = d.say("pays out "+r.ID, func() error {
		_, err := d.api.PayOutRefund(d.ctx, r.ID, api.PayOut{Voucher: "BANK-" + r.ID, Note: "by transfer"})
		return err
	})
}

// judging is how operators decide whether the goods were delivered after all.
var judging = []way[[]string]{
	{4, "the goods are there", []string{"delivered", "refunded"}},
	{4, "the refund stands", []string{"refunded"}},
	{2, "leaves it", nil},
}

// judge decides a conflict; what is too late for one outcome takes the other.
func (d desk) judge() {
	for _, outcome := range pick(d.dice, judging).do {
		err := d.say("decides: "+outcome, func() error {
			_, err := d.api.ResolveConflict(d.ctx, d.order.ID, api.Resolution{Outcome: outcome, Note: "asked both"})
			return err
		})
		if err == nil {
			return
		}
	}
}

func (w *world) shopOf(merchantID string) *shop {
	for _, s := range w.shops {
		if s.id == merchantID {
			return s
		}
	}
	panic("no shop " + strings.ToUpper(merchantID))
}

func (s *shop) find(no string) *history {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.orders[no]
}
