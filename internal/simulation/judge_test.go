package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/ledger"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/simulator"
	"github.com/orderflow/orderflow/tasks"
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
	orders    map[string]*order.Order // by the app's own number
	events    map[order.ID][]order.Event
	accounts  map[order.ID]map[ledger.Account]int64 // debits less credits
	payments  map[string]simulator.Payment
	tries     map[heard]tries      // of each endpoint's, by its id
	written   map[string]time.Time // notices, by id
	recovered map[merchant.EndpointID][]merchant.Recovery
	faults    []fault
}

// judge looks at a world at rest.
func (w *world) judge() []fault {
	j := &judgement{world: w}
	j.read()
	for _, events := range j.events {
		seen.follow(events)
	}
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
	j.ended()
	j.lists()
	for _, one := range w.owed() {
		j.find(nil, "after %s it is still owed: %s", longest, one)
	}
	dead, err := w.books.Tasks(w.ctx, tasks.Filter{State: tasks.Dead, Limit: 200})
	require.NoError(w, err)
	for _, row := range dead {
		j.find(nil, "task %s is dead: %s", row.Key, row.LastError)
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
	return j.sorted()
}

// sorted has one fault a history, which says all that is wrong with it.
func (j *judgement) sorted() (list []fault) {
	slices.SortStableFunc(j.faults, func(x, y fault) int { return x.history - y.history })
	for _, f := range j.faults {
		if n := len(list); n > 0 && list[n-1].history == f.history {
			list[n-1].what += "\n" + f.what
		} else {
			list = append(list, f)
		}
	}
	return list
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
	for _, a := range o.Attempts {
		j.payment(h, o, a)
	}
	j.ledger(h, o)
	j.timeline(h, o)
	j.words(h, o)
	j.notices(h, o)
	j.asked(h, o)
}

// sums is what became of a payment's money by our books.
type sums struct {
	back    int64 // with the buyer
	past    int64 // of that, paid out past the channel
	stuck   int64 // needs an operator
	pending int64 // on its way
}

func sumsOf(o *order.Order, a *order.Attempt) (s sums) {
	for _, r := range o.Refunds {
		switch {
		case r.Attempt != a.ID:
		case r.Status == order.RefundSuccess:
			s.back += r.Amount
			if r.Voucher != "" {
				s.past += r.Amount
			}
		case r.Status == order.RefundAbnormal:
			s.stuck += r.Amount
		case r.Status == order.RefundCreated, r.Status == order.RefundProcessing:
			s.pending += r.Amount
		}
	}
	return s
}

// payment compares what we hold of a payment with what the channel holds, and
// what the buyer is short of with what the order's end allows.
func (j *judgement) payment(h *history, o *order.Order, a *order.Attempt) {
	p, s := j.payments[a.ID.Compact()], sumsOf(o, a)
	if paid := p.State == payment.Paid; paid != (a.Status == order.AttemptSuccess) || paid && p.Amount != a.PaidAmount {
		j.find(h, "payment %s is %s of %d here and %s of %d at the channel", a.ID.Compact(), a.Status, a.PaidAmount, p.State, p.Amount)
	}
	if s.back-s.past != p.Refunded() {
		j.find(h, "of payment %s %d went back through the channel by our books and %d by the channel's", a.ID.Compact(), s.back-s.past, p.Refunded())
	}
	if s.back+s.stuck+s.pending > a.PaidAmount {
		j.find(h, "of payment %s, of %d, %d went back, %d cannot and %d are on their way", a.ID.Compact(), a.PaidAmount, s.back, s.stuck, s.pending)
	}
	if left := p.Amount - s.back; left != 0 && !allowed(o, a, left, s) {
		j.find(h, "the buyer is short of %d of the %s payment %s, and the order is %s %s", left, a.Disposition, a.ID.Compact(), o.Status, o.Hold)
	}
}

// allowed says whether the order's end allows that so much of a payment is not
// with the buyer.
func allowed(o *order.Order, a *order.Attempt, left int64, s sums) bool {
	switch {
	case left < 0:
		return false
	case a.Disposition == order.Applied:
		return o.Status == order.Completed || o.Hold != ""
	case a.Disposition == order.Mismatch && o.Hold != "":
		return true
	}
	return o.Hold != "" && left == s.stuck
}

// ledger compares an order's accounts with where its money is.
func (j *judgement) ledger(h *history, o *order.Order) {
	want := map[ledger.Account]int64{ledger.SuspenseLong: 0, ledger.RefundPayable: 0}
	for _, a := range o.Attempts {
		p, s := j.payments[a.ID.Compact()], sumsOf(o, a)
		want[ledger.Receivable(a.Channel)] += p.Amount - p.Refunded()
		want[ledger.Bank] -= s.past
		want[ledger.RefundPayable] -= s.stuck + s.pending
		if a.Disposition == order.Mismatch {
			want[ledger.SuspenseLong] -= a.PaidAmount - s.back - s.stuck - s.pending
		}
	}
	of := j.accounts[o.ID]
	for account, amount := range want {
		if of[account] != amount {
			j.find(h, "%s is %d in the ledger and should be %d", account, of[account], amount)
		}
	}
	if left := of[ledger.Pending(o.MerchantID)]; left != 0 && o.Hold == "" {
		j.find(h, "%s is left with %d of an order that is %s", ledger.Pending(o.MerchantID), left, o.Status)
	}
}

// alerting is what somebody on duty must have heard of.
var alerting = map[order.EventType]tasks.AlertName{
	order.EventMismatch:       tasks.AlertMismatch,
	order.EventRefundAbnormal: tasks.AlertRefundAbnormal,
	order.EventDeliveryFailed: tasks.AlertDeliveryFailed,
	order.EventConflict:       tasks.AlertDeliveryConflict,
}

// timeline looks whether what was answered with success has happened, whether
// money went back before the goods were stopped, and whether whoever had to
// hear of it did.
func (j *judgement) timeline(h *history, o *order.Order) {
	seen := map[order.EventType]bool{}
	for _, e := range j.events[o.ID] {
		seen[e.Type] = true
		switch {
		case e.Type == order.EventRefundCreated && e.Detail.Disposition == order.Applied:
			if !seen[order.EventDeliveryFailed] && !seen[order.EventRevoked] && !seen[order.EventDelivered] {
				j.find(h, "the order's money goes back while the goods may be on their way")
			}
		case e.Type == order.EventRevoked && e.Actor == order.System && !o.Delivery.Untold && e.At.Before(o.Delivery.RevokeBy):
			j.find(h, "the delivery counts as stopped at %s, and its merchant had until %s to answer", e.At, o.Delivery.RevokeBy)
		}
		if name := alerting[e.Type]; name != "" && !j.duty.heard[o.ID][name] {
			j.find(h, "nobody on duty has heard of %s", e.Type)
		}
	}
	for _, meant := range h.promised {
		if !slices.ContainsFunc(meant, func(t order.EventType) bool { return seen[t] }) {
			j.find(h, "somebody was told that it is done, and none of %s is on the timeline", meant)
		}
	}
}

// words looks whether the app's and the merchant's knowledge is the order's.
func (j *judgement) words(h *history, o *order.Order) {
	for _, id := range h.refunds {
		if !slices.ContainsFunc(o.Refunds, func(r *order.Refund) bool { return r.ID.Compact() == id }) {
			j.find(h, "the app was told of refund %s, which is not there", id)
		}
	}
	if d := o.Delivery; d != nil && d.Untold && len(h.notices) > 0 {
		j.find(h, "a merchant who is said never to have heard of the order was told %d things", len(h.notices))
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
		if o.PaidAt.IsZero() || j.restocked(o) {
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

// restocked says whether the goods of an order are stock again: its merchant's
// own word was that they did not leave when the last of its money was back.
// What the merchant says later is for an operator.
func (j *judgement) restocked(o *order.Order) bool {
	d := o.Delivery
	for _, e := range j.events[o.ID] {
		switch e.Type {
		case order.EventConflict:
			return false
		case order.EventRefunded:
			return d.Status == order.DeliveryFailed || d.Status == order.DeliveryRevoked && !d.Unanswered
		}
	}
	return false
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
			s := sumsOf(o, a)
			orders += a.PaidAmount - s.back + s.past
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
	j.readTries()
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
