package simulation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
	"github.com/orderflow/orderflow/workers"
)

// rule is one that is taken away, to see whether the judge notices. It is taken
// away around the store and the workers, never in them.
type rule struct {
	name string
	// change looks at what a change did to an order. With an error, the change is
	// not made.
	change func(before, after *order.Order) error
	// again makes a change that was refused once more, by another law.
	again func(refused error, o *order.Order, fn func(*order.Order) error) error
	// pass says that a task is let go as done, without anything being done.
	pass func(row tasks.Row, o *order.Order) bool
	kind tasks.Kind // of pass
	// call is one that is answered with success, and not made.
	call string
}

// rules are those whose lack must show.
var rules = []*rule{
	{name: "late money is refunded", change: swallow(order.Late)},
	{name: "a duplicate payment is refunded", change: swallow(order.Duplicate)},
	{name: "the amount is checked", change: believe},
	{name: "the channel is asked", kind: tasks.PaymentQuery, pass: func(tasks.Row, *order.Order) bool { return true }},
	{name: "the channel is asked after the close", kind: tasks.PaymentQuery, pass: func(row tasks.Row, o *order.Order) bool {
		a := o.Attempt(ident.As[order.Attempt](row.Subject))
		return a != nil && a.Status != order.AttemptPaying
	}},
	{name: "a delivery is stopped before its money goes back", change: returnAtOnce},
	{name: "a refund is reserved", again: overdraw},
	{name: "what is acknowledged is told no more", call: "acknowledge"},
	{name: "what is asked for once more is told", call: "resend"},
	{name: "what is recovered is told", call: "recover"},
	{name: "who subscribes is told", kind: tasks.MerchantNotify, pass: func(tasks.Row, *order.Order) bool { return true }},
}

// swallow takes money of a disposition for news that came before.
func swallow(d order.Disposition) func(before, after *order.Order) error {
	return func(before, after *order.Order) error {
		for i, a := range after.Attempts {
			if a.Disposition == d && i < len(before.Attempts) && before.Attempts[i].Disposition != d {
				return order.ErrAlready
			}
		}
		return nil
	}
}

// believe books whatever the channel took as what it was asked for.
func believe(before, after *order.Order) error {
	for i, a := range after.Attempts {
		if a.Disposition != order.Mismatch || i >= len(before.Attempts) || before.Attempts[i].Disposition == order.Mismatch {
			continue
		}
		*after = *before.Clone()
		return after.Receive(order.Receipt{
			Attempt: a.ID, Channel: a.Channel, TradeNo: a.TradeNo, Amount: a.Amount, Currency: a.Currency, PaidAt: a.PaidAt,
		}, a.PaidAt)
	}
	return nil
}

// returnAtOnce gives an order's money back without asking its merchant.
func returnAtOnce(before, after *order.Order) error {
	if after.Status != order.Returning || before.Status == order.Returning {
		return nil
	}
	return after.Revoke("nobody was asked", order.System, time.Now().UTC().Truncate(time.Microsecond))
}

// overdraw lets a refund in that finds no room, as if those on their way were
// not there.
func overdraw(refused error, o *order.Order, fn func(*order.Order) error) error {
	var r *order.Refusal
	if !errors.As(refused, &r) || r.Step != "refund" {
		return refused
	}
	hidden := map[*order.Refund]order.RefundStatus{}
	for _, one := range o.Refunds {
		if one.Status == order.RefundCreated || one.Status == order.RefundProcessing {
			hidden[one], one.Status = one.Status, order.RefundCanceled
		}
	}
	err := fn(o)
	for one, status := range hidden {
		one.Status = status
	}
	return err
}

// without is a change without the rule; a nil rule takes nothing away.
func (r *rule) without(fn func(*order.Order) error) func(*order.Order) error {
	switch {
	case r == nil || fn == nil:
		return fn
	case r.change != nil:
		return func(o *order.Order) error {
			before := o.Clone()
			if err := fn(o); err != nil {
				return err
			}
			return r.change(before, o)
		}
	case r.again != nil:
		return func(o *order.Order) error {
			if err := fn(o); err != nil {
				return r.again(err, o, fn)
			}
			return nil
		}
	}
	return fn
}

// bend is the workers without the rule.
func (r *rule) bend(list []workers.Worker, store workers.Store) []workers.Worker {
	if r == nil || r.pass == nil {
		return list
	}
	for i, w := range list {
		if w.Kind() == r.kind {
			list[i] = idle{w, r, store}
		}
	}
	return list
}

// passes says that a call is let go as done.
func (r *rule) passes(call string) bool { return r != nil && r.call == call }

// idle is a worker who lets some tasks go.
type idle struct {
	workers.Worker
	rule  *rule
	store workers.Store
}

// Prepare reads what the rule looks at.
func (i idle) Prepare(ctx context.Context, rows []tasks.Row) (workers.Do, error) {
	ids := make([]order.ID, len(rows))
	for n, r := range rows {
		ids[n] = r.Order()
	}
	orders, err := i.store.OrdersByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	do, err := i.Worker.Prepare(ctx, rows)
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		if o := orders[row.Order()]; o != nil && i.rule.pass(row, o) {
			return tasks.Settlement{Row: row, Verdict: tasks.Done()}
		}
		return do(ctx, row)
	}, err
}

// Each rule's lack must show within a few hundred histories.
func TestEveryRuleIsNeeded(t *testing.T) {
	t.Parallel()
	if raceful {
		t.Skip("it tests the judge, with hundreds of histories: without the race detector")
	}
	t.Logf("seed %d", *seed)
	for _, r := range rules {
		t.Run("without: "+r.name, func(t *testing.T) {
			t.Parallel()
			n, f := firstFault(t, r)
			require.NotNil(t, f, "nobody notices within %d histories", n)
			t.Logf("after %d histories: %s\n%s", n, f.what, f.story)
		})
	}
}

const (
	enoughWithout = 2000 // histories; then a rule is not missed
	worldWithout  = 100
)

// firstFault lives histories without a rule until the judge finds something,
// and says how many it took.
func firstFault(t *testing.T, r *rule) (lived int, first *fault) {
	t.Helper()
	for ; lived < enoughWithout; lived += worldWithout {
		for _, f := range live(t, plan{seed: *seed, first: lived, size: worldWithout, only: -1, rule: r}) {
			if f.history >= 0 {
				return f.history + 1, &f
			}
			first = &f
		}
		if first != nil {
			return lived + worldWithout, first
		}
	}
	return lived, nil
}
