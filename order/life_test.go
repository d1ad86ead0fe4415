package order_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/order/ordertest"
)

// change is one arrow of a state machine.
type change struct{ row, from, to string }

// changesOf are the arrows of a table.
func changesOf[S ~string](table []order.Transition[S]) (list []change) {
	for _, t := range table {
		list = append(list, change{t.Row, string(t.From), string(t.To)})
	}
	return list
}

// Whatever is asked of an order, in whatever order and however late.
func TestEveryLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := watch{t: t, moved: map[string]int{}}
		ordertest.Live(t, func(s ordertest.Step) {
			if !s.Moved() {
				w.unchanged(s)
				return
			}
			w.timeline(s)
			w.parts(s)
			w.money(s.After)
			w.stock(s)
		})
	})
}

// watch keeps what must be remembered from step to step.
type watch struct {
	t     *rapid.T
	moved map[string]int // stock movements of the life so far, by SKU and kind
}

func (w *watch) unchanged(s ordertest.Step) {
	if len(s.After.Events()) > 0 || s.After.Status != s.Before.Status || s.After.Version != s.Before.Version || s.After.Hold != s.Before.Hold {
		w.t.Fatalf("%s was refused (%v) and changed the order", s.Name, s.Err)
	}
}

// timeline: events are counted without a gap, a step that is taken leaves one,
// and the status moves only along the table.
func (w *watch) timeline(s ordertest.Step) {
	version, from := 0, order.Status("")
	if s.Before != nil {
		version, from = s.Before.Version, s.Before.Status
	}
	if len(s.After.Events()) == 0 {
		w.t.Fatalf("%s was taken and left no event", s.Name)
	}
	for _, e := range s.After.Events() {
		version++
		if e.Seq != version {
			w.t.Fatalf("%s: event %s has number %d, want %d", s.Name, e.Type, e.Seq, version)
		}
		if e.Status != from && !allowed(from, e.Status) {
			w.t.Fatalf("%s: the order went from %q to %q", s.Name, from, e.Status)
		}
		from = e.Status
	}
	if s.After.Version != version || s.After.Status != from {
		w.t.Fatalf("%s: the order is %q at version %d, its timeline ends %q at %d", s.Name, s.After.Status, s.After.Version, from, version)
	}
}

func allowed(from, to order.Status) bool {
	for _, tr := range order.Transitions() {
		if tr.From == from && tr.To == to {
			return true
		}
	}
	return false
}

func (w *watch) parts(s ordertest.Step) {
	var before order.Order
	if s.Before != nil {
		before = *s.Before
	}
	for i, a := range s.After.Attempts {
		was := ""
		if i < len(before.Attempts) {
			was = string(before.Attempts[i].Status)
		}
		w.part(s.Name, "attempt", was, string(a.Status), append(changesOf(order.AttemptTransitions()), change{"P1, P2", "", string(order.AttemptPaying)}))
	}
	for i, r := range s.After.Refunds {
		was := ""
		if i < len(before.Refunds) {
			was = string(before.Refunds[i].Status)
		}
		w.part(s.Name, "refund", was, string(r.Status), append(changesOf(order.RefundTransitions()), change{"R1, R8", "", string(order.RefundCanceled)}))
	}
	if d := s.After.Delivery; d != nil {
		was := ""
		if before.Delivery != nil {
			was = string(before.Delivery.Status)
		}
		w.part(s.Name, "delivery", was, string(d.Status), append(changesOf(order.DeliveryTransitions()), change{"D1, D5, D6", "", string(order.DeliveryRevoked)}))
	}
}

func (w *watch) part(step, part, from, to string, table []change) {
	if from == to {
		return
	}
	for _, c := range table {
		if c.from == from && c.to == to {
			return
		}
	}
	w.t.Fatalf("%s: the %s went from %q to %q", step, part, from, to)
}

// money: one payment at most moves the order, exactly those have a disposition
// that succeeded, and no more goes back than came, however many ask for it.
func (w *watch) money(o *order.Order) {
	applied := 0
	for _, a := range o.Attempts {
		if (a.Status == order.AttemptSuccess) != (a.Disposition != "") {
			w.t.Fatalf("attempt is %s with disposition %q", a.Status, a.Disposition)
		}
		if a.Disposition == order.Applied {
			applied++
		}
		var back int64
		for _, r := range o.Refunds {
			if r.Attempt == a.ID && r.Status != order.RefundClosed && r.Status != order.RefundCanceled {
				back += r.Amount
			}
		}
		if back > a.PaidAmount {
			w.t.Fatalf("%d of %d goes back", back, a.PaidAmount)
		}
		if (a.Disposition == order.Late || a.Disposition == order.Duplicate) && back != a.PaidAmount {
			w.t.Fatalf("a %s payment of %d has refunds of %d", a.Disposition, a.PaidAmount, back)
		}
	}
	paid := o.Status != order.PendingPay && o.Status != order.Closing && o.Status != order.Closed
	if applied > 1 || (applied == 1) != paid {
		w.t.Fatalf("the order is %s with %d applied payments of %d, its amount is %d", o.Status, applied, o.Received(), o.Amount)
	}
}

// stock: what is held is released or consumed, once; what is put back was
// taken.
func (w *watch) stock(s ordertest.Step) {
	for _, e := range s.After.Events() {
		for _, m := range order.StockMoves(s.After, e) {
			w.moved[m.SKU+string(m.Kind)]++
			if n := w.moved[m.SKU+string(m.Kind)]; n > 1 || m.Quantity <= 0 {
				w.t.Fatalf("%s moves %d of %s for the %d. time", m.Kind, m.Quantity, m.SKU, n)
			}
		}
	}
	unpaid := s.After.Status == order.PendingPay || s.After.Status == order.Closing
	for _, it := range s.After.Items {
		n := func(k order.StockKind) int { return w.moved[it.SKU+string(k)] }
		if n(order.StockHold) == 0 { // not tracked
			continue
		}
		if ended := n(order.StockRelease) + n(order.StockConsume); ended != map[bool]int{true: 0, false: 1}[unpaid] {
			w.t.Fatalf("the order is %s and its hold of %s has ended %d times", s.After.Status, it.SKU, ended)
		}
		if n(order.StockRestock) > n(order.StockConsume) {
			w.t.Fatalf("%s is put back and was never taken", it.SKU)
		}
	}
}
