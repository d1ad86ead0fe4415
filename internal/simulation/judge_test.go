package simulation

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/simulator"
)

// fault is something that must not be, and whose history it is in; -1 when it
// is the world's.
type fault struct {
	history int
	what    string
	story   string
}

// judgement is what the judge knows of a world.
type judgement struct {
	*world
	orders   map[string]*order.Order // by the app's own number
	events   map[order.ID][]order.Event
	accounts map[order.ID]map[ledger.Account]int64 // debits less credits
	payments map[string]simulator.Payment
	faults   []fault
}

// judge looks at a world at rest.
func (w *world) judge() []fault {
	j := &judgement{world: w}
	j.read()
	for _, h := range w.people {
		if o := j.orders[h.wants.MerchantOrderNo]; o != nil || h.order != nil {
			j.history(h, o)
		}
		for _, wrong := range h.wrong {
			j.find(h, "%s", wrong)
		}
	}
	j.stock()
	j.money()
	for _, one := range w.owed() {
		j.find(nil, "after %s it is still owed: %s", longest, one)
	}
	for _, s := range w.shops {
		for _, n := range s.unknown {
			j.find(nil, "%s got a notice that is nobody's: %s", s.id, n)
		}
	}
	findings, err := w.books.Audit(w.ctx)
	require.NoError(w, err)
	for _, f := range findings {
		j.find(j.whose(f.String()), "%s", f)
	}
	slices.SortStableFunc(j.faults, func(x, y fault) int { return x.history - y.history })
	return j.faults
}

func (j *judgement) find(h *history, format string, args ...any) {
	f := fault{history: -1, what: fmt.Sprintf(format, args...)}
	if h != nil {
		f.history, f.story = h.number, j.tell(h)
	}
	j.faults = append(j.faults, f)
}

// whose finds the history that an audit's finding is about, by the ids in it.
func (j *judgement) whose(finding string) *history {
	for _, h := range j.people {
		if o := j.orders[h.wants.MerchantOrderNo]; o != nil && strings.Contains(finding, o.ID.String()[:34]) {
			return h
		}
	}
	return nil
}

// history judges one order.
func (j *judgement) history(h *history, o *order.Order) {
	if o == nil {
		j.find(h, "the app was told of order %s, which is not there", h.order.ID)
		return
	}
	if o.Hold == "" && !slices.Contains([]order.Status{order.Closed, order.Completed, order.Refunded}, o.Status) {
		j.find(h, "the order is %s: no end, and nobody is told to look", o.Status)
	}
	j.attempts(h, o)
	j.buyersMoney(h, o)
	j.ledger(h, o)
	j.timeline(h, o)
}

// attempts compares what we hold of each payment with what the channel holds.
func (j *judgement) attempts(h *history, o *order.Order) {
	for _, a := range o.Attempts {
		p := j.payments[a.ID.Compact()]
		if paid := p.State == payment.Paid; paid != (a.Status == order.AttemptSuccess) || paid && p.Amount != a.PaidAmount {
			j.find(h, "payment %s is %s of %d here and %s of %d at the channel", a.ID.Compact(), a.Status, a.PaidAmount, p.State, p.Amount)
		}
		if went := refundedOf(o, a); went != p.Refunded() {
			j.find(h, "of payment %s %d went back by our books and %d by the channel's", a.ID.Compact(), went, p.Refunded())
		}
	}
}

// buyersMoney compares what the channel keeps of the buyer with what the
// order's end allows.
func (j *judgement) buyersMoney(h *history, o *order.Order) {
	var keeps, allowed int64
	for _, a := range o.Attempts {
		p := j.payments[a.ID.Compact()]
		keeps += p.Amount - p.Refunded()
		switch {
		case a.Disposition == order.Mismatch && o.Hold != "":
			allowed += a.PaidAmount - refundedOf(o, a)
		case a.Disposition == order.Applied && (o.Status == order.Completed || o.Hold != ""):
			allowed += a.PaidAmount - refundedOf(o, a)
		case o.Hold == order.HoldRefundAbnormal:
			allowed += stuckOf(o, a)
		}
	}
	if keeps != allowed {
		j.find(h, "the channel keeps %d of the buyer's money; an order that is %s %s allows %d", keeps, o.Status, o.Hold, allowed)
	}
}

// refundedOf is what went back of a payment by our books.
func refundedOf(o *order.Order, a *order.Attempt) (sum int64) {
	for _, r := range o.Refunds {
		if r.Attempt == a.ID && r.Status == order.RefundSuccess {
			sum += r.Amount
		}
	}
	return sum
}

// stuckOf is what cannot go back without an operator.
func stuckOf(o *order.Order, a *order.Attempt) (sum int64) {
	for _, r := range o.Refunds {
		if r.Attempt == a.ID && r.Status == order.RefundAbnormal {
			sum += r.Amount
		}
	}
	return sum
}

// ledger compares an order's accounts with where its money is.
func (j *judgement) ledger(h *history, o *order.Order) {
	held := map[ledger.Account]int64{}
	for _, a := range o.Attempts {
		p := j.payments[a.ID.Compact()]
		held[ledger.Receivable(a.Channel)] += p.Amount - p.Refunded()
	}
	of := j.accounts[o.ID]
	for account, want := range held {
		if of[account] != want {
			j.find(h, "%s is %d in the ledger and %d at the channel", account, of[account], want)
		}
	}
	if o.Hold != "" {
		return
	}
	for account, left := range of {
		kind := account.Kind()
		if left != 0 && (kind == string(ledger.RefundPayable) || kind == string(ledger.SuspenseLong) || kind == ledger.Pending("").Kind()) {
			j.find(h, "%s is left with %d of an order that is %s", account, left, o.Status)
		}
	}
}

// timeline looks whether what was answered with success has happened, and
// whether money went back before the goods were stopped.
func (j *judgement) timeline(h *history, o *order.Order) {
	seen := map[order.EventType]bool{}
	for _, e := range j.events[o.ID] {
		seen[e.Type] = true
		if e.Type != order.EventRefundCreated || o.Attempt(e.Detail.Attempt).Disposition != order.Applied {
			continue
		}
		if !seen[order.EventDeliveryFailed] {
			j.find(h, "the order's money goes back while the goods may be on their way")
		}
	}
	for _, promised := range h.promised {
		if !seen[promised] {
			j.find(h, "somebody was told that it is done, and %s is not on the timeline", promised)
		}
	}
}

// stock compares what is left with what was sold.
func (j *judgement) stock() {
	left := map[[2]string]int64{}
	for _, s := range j.shops {
		for sku, n := range s.stock {
			left[[2]string{s.id, sku}] = n
		}
	}
	for _, o := range j.orders {
		if o.PaidAt.IsZero() || o.Status == order.Refunded && o.Delivery.Status == order.DeliveryFailed {
			continue
		}
		for _, it := range o.Items {
			if it.Tracked {
				left[[2]string{o.MerchantID, it.SKU}] -= it.Quantity
			}
		}
	}
	held := map[[2]string]int64{}
	for _, o := range j.orders {
		if o.Status == order.PendingPay || o.Status == order.Closing {
			for _, it := range o.Items {
				held[[2]string{o.MerchantID, it.SKU}] += it.Quantity
			}
		}
	}
	for key, want := range left {
		s, err := j.books.Stock(j.ctx, key[0], key[1])
		require.NoError(j, err)
		if s.OnHand != want || s.Held != held[key] {
			j.find(nil, "%s has %d of %s, %d held; its orders leave %d, %d held", key[0], s.OnHand, key[1], s.Held, want, held[key])
		}
	}
}

// money compares the three sums: the channel's, the ledger's, the orders'.
func (j *judgement) money() {
	var channel, booked, orders int64
	for _, p := range j.payments {
		channel += p.Amount - p.Refunded()
	}
	for _, of := range j.accounts {
		for account, amount := range of {
			if account.Kind() == ledger.Receivable("").Kind() {
				booked += amount
			}
		}
	}
	for _, o := range j.orders {
		for _, a := range o.Attempts {
			orders += a.PaidAmount - refundedOf(o, a)
		}
	}
	if channel != booked || booked != orders {
		j.find(nil, "the channel has %d, the ledger %d, the orders %d", channel, booked, orders)
	}
}

// read takes in all there is to know.
func (j *judgement) read() {
	j.orders, j.payments = map[string]*order.Order{}, map[string]simulator.Payment{}
	j.events, j.accounts = map[order.ID][]order.Event{}, map[order.ID]map[ledger.Account]int64{}
	for f := (order.Filter{Limit: 200}); ; {
		page, err := j.books.Orders(j.ctx, f)
		require.NoError(j, err)
		for _, o := range page {
			j.orders[o.MerchantOrderNo] = o
		}
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	for _, o := range j.orders {
		var err error
		j.events[o.ID], err = j.books.Events(j.ctx, o.ID)
		require.NoError(j, err)
	}
	for _, p := range j.channel.Payments() {
		j.payments[p.OutTradeNo] = p
	}
	j.readLedger()
}

func (j *judgement) readLedger() {
	rows, err := j.books.QueryContext(j.ctx, `SELECT order_id, account, sum(amount) FROM (
		SELECT order_id, debit AS account, amount FROM ledger_postings UNION ALL SELECT order_id, credit, -amount FROM ledger_postings) p GROUP BY 1, 2`)
	require.NoError(j, err)
	defer rows.Close()
	for rows.Next() {
		var (
			id      order.ID
			account ledger.Account
			amount  int64
		)
		require.NoError(j, rows.Scan(&id, &account, &amount))
		if j.accounts[id] == nil {
			j.accounts[id] = map[ledger.Account]int64{}
		}
		j.accounts[id][account] = amount
	}
	require.NoError(j, rows.Err())
}

// tell is a history's story with what the books and the channel say of it.
func (j *judgement) tell(h *history) string {
	var b strings.Builder
	fmt.Fprintln(&b, h)
	o := j.orders[h.wants.MerchantOrderNo]
	if o == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "order %s of %s is %s %s, amount %d\n", o.ID, o.MerchantID, o.Status, o.Hold, o.Amount)
	for _, e := range j.events[o.ID] {
		fmt.Fprintf(&b, "%10s  %s by %s: %s\n", e.At.Sub(j.began).Truncate(100*1e6), e.Type, e.Actor, e.Detail)
	}
	for _, a := range o.Attempts {
		p := j.payments[a.ID.Compact()]
		fmt.Fprintf(&b, "payment %s: %s %s here, at the channel %s of %d, %d went back\n", a.ID.Compact(), a.Status, a.Disposition, p.State, p.Amount, p.Refunded())
	}
	for _, r := range o.Refunds {
		fmt.Fprintf(&b, "refund %s: %s of %d\n", r.ID.Compact(), r.Status, r.Amount)
	}
	return b.String()
}
