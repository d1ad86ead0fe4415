package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

// ending is a way in which old orders have ended, and how often: of a thousand.
// Orders that are too young to have had a parcel's life had the quick one.
type ending struct {
	name  string
	share int
	life  []step
	quick []step
}

// endings are a shop's: most orders go well, one in eight is never paid, one in
// thirty goes back in part or whole.
func endings() []ending {
	const day = 24 * time.Hour
	paid, toDoor := []step{ordered("sandbox", 0), after(25*time.Second, paid), after(time.Second, told)}, []step{after(3*time.Hour, accepted), after(30*time.Hour, delivered)}
	voucher := []step{after(5*time.Second, accepted), after(10*time.Second, delivered)}
	back := []step{after(time.Second, givenBack), after(time.Second, toldOfRefund)}
	return []ending{
		{"completed", 830, lives(paid, toDoor, after(7*day, completedByTime)), lives(paid, voucher, after(time.Minute, completedByBuyer))},
		{
			"closed", 125, lives(ordered("sandbox", 0), after(15*time.Minute+time.Second, closed), after(time.Second, shutAtChannel), after(day+10*time.Second, askedLast)),
			lives(ordered("", 0), after(2*time.Minute, calledOffUnpaid)),
		},
		{
			"called off", 15, lives(paid, after(3*time.Hour, accepted), after(time.Hour, calledOff), after(2*time.Hour, stopped), back),
			lives(paid, after(5*time.Second, calledOff), after(20*time.Second, stopped), back),
		},
		{"refunded", 20, lives(paid, toDoor, after(3*day, askedBack(0)), back), lives(paid, voucher, after(time.Minute, askedBack(0)), back)},
		{
			"refunded in part", 10, lives(paid, toDoor, after(7*day, completedByTime), after(time.Hour, askedBack(1000)), back),
			lives(paid, voucher, after(time.Minute, completedByBuyer), after(10*time.Second, askedBack(1000)), back),
		},
	}
}

// waiting is an order that may still be paid, through channel, or with none
// asked for. Its channel has just been asked and is asked again right after the
// expiry, whatever the ladder says in between: the questions of a million
// orders would be a load of their own.
func waiting(channel string, within time.Duration) []step {
	if channel == "" {
		return lives(ordered("", within))
	}
	return lives(ordered(channel, within), after(6*time.Second, askedInVain))
}

// baskets are what orders are made of: what every merchant keeps stock of, and
// what none does.
func baskets() [][]order.Item {
	tea := func(n int64) order.Item {
		return order.Item{SKU: markTea, Name: "Green tea, 100 g", Quantity: n, UnitPrice: price}
	}
	cup := func(n int64) order.Item {
		return order.Item{SKU: markCup, Name: "Cup", Quantity: n, UnitPrice: extra}
	}
	return [][]order.Item{{tea(1), cup(3)}, {tea(2), cup(1)}, {tea(1)}}
}

// living is an order of which a life is made: by the domain's own steps, through
// the store, by a clock of its own.
type living struct {
	db    *db.DB
	store *db.Store
	clock *time.Time // the store's as well
	items []order.Item

	id      order.ID
	attempt *order.Attempt
	expire  time.Time
}

// step is something that happens to it.
type step func(ctx context.Context, l *living) error

func after(d time.Duration, s step) step {
	return func(ctx context.Context, l *living) error {
		*l.clock = l.clock.Add(d)
		return s(ctx, l)
	}
}

// lives strings steps together.
func lives(parts ...any) (list []step) {
	for _, p := range parts {
		switch p := p.(type) {
		case step:
			list = append(list, p)
		case []step:
			list = append(list, p...)
		}
	}
	return list
}

// ordered makes the order as the API does, with an Idempotency-Key.
func ordered(channel string, within time.Duration) step {
	return func(ctx context.Context, l *living) error {
		o, err := order.New(l.id, order.Draft{
			MerchantID: markMerchant, BuyerID: markBuyer, Currency: "CNY", Items: l.items, PayWithin: within, FeeBps: feeBps,
		}, benchActor, l.now())
		if err == nil && channel != "" {
			l.attempt, err = o.Pay(channel, benchActor, l.now())
		}
		if err != nil {
			return err
		}
		l.expire = o.ExpireAt
		return l.store.Create(ctx, o, &once.Request{
			Scope: "app:bench", Key: o.ID.String(),
			Answer: func() (int, []byte) { return 201, mustJSON(answerOf(o, l.attempt)) },
		})
	}
}

// answerOf is what the app was told, in the API's form.
func answerOf(o *order.Order, a *order.Attempt) api.Order {
	v := api.Order{
		ID: o.ID.String(), Status: string(o.Status), MerchantID: o.MerchantID, BuyerID: o.BuyerID, Currency: o.Currency, Amount: o.Amount,
		CreatedAt: o.CreatedAt, ExpireAt: o.ExpireAt,
	}
	for _, it := range o.Items {
		v.Items = append(v.Items, api.Item{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice})
	}
	if a != nil {
		v.Payment = &api.Payment{
			ID: a.ID.Compact(), Status: string(a.Status), Channel: a.Channel, Amount: a.Amount, Currency: a.Currency, CreatedAt: a.CreatedAt, ExpireAt: a.ExpireAt,
		}
	}
	return v
}

// paid is the channel's callback, and what the worker makes of it.
func paid(ctx context.Context, l *living) error {
	a := l.attempt
	p := payment.Payment{
		State: payment.Paid, OutTradeNo: a.ID.Compact(), TradeNo: "T" + strings.ToUpper(a.ID.Compact()),
		Amount: a.Amount, Currency: a.Currency, PaidAt: l.now().Truncate(time.Millisecond),
	}
	event := sandbox.Event{
		EventID: "paid_" + p.OutTradeNo, Type: string(payment.PaymentSucceeded), OutTradeNo: p.OutTradeNo,
		TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt,
	}
	n := payment.Notice{Type: payment.PaymentSucceeded, EventID: event.EventID, OutTradeNo: p.OutTradeNo, Complete: true, Payment: p}
	if err := l.store.Receive(ctx, a.Channel, n, mustJSON(event), l.now()); err != nil {
		return err
	}
	r := order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt}
	return l.settle(ctx, tasks.About(tasks.PaymentConfirm, a.ID), tasks.Done(), func(o *order.Order) error { return o.Receive(r, l.now()) })
}

// told is the merchant's 200 to the notice of the payment, toldOfRefund to that
// of a refund.
func told(ctx context.Context, l *living) error {
	return l.notified(ctx, tasks.About(tasks.DeliveryNotify, order.DeliveryID(l.id)))
}

func toldOfRefund(ctx context.Context, l *living) error {
	return l.notified(ctx, tasks.About(tasks.MerchantNotify, l.refund()))
}

func accepted(ctx context.Context, l *living) error {
	return l.change(ctx, func(o *order.Order) error { return o.Accept(l.merchant(), l.now()) })
}

func delivered(ctx context.Context, l *living) error {
	return l.change(ctx, func(o *order.Order) error { return o.Deliver("SF1000200030", l.merchant(), l.now()) })
}

func completedByTime(ctx context.Context, l *living) error {
	return l.settle(ctx, tasks.About(tasks.OrderComplete, l.id), tasks.Done(), func(o *order.Order) error { return o.Complete(order.System, l.now()) })
}

func completedByBuyer(ctx context.Context, l *living) error {
	return l.change(ctx, func(o *order.Order) error { return o.Complete(benchActor, l.now()) })
}

func closed(ctx context.Context, l *living) error {
	return l.settle(ctx, tasks.About(tasks.OrderClose, l.id), tasks.Done(), func(o *order.Order) error { return o.Expire(l.now()) })
}

func shutAtChannel(ctx context.Context, l *living) error {
	return l.settle(ctx, tasks.About(tasks.ChannelClose, l.attempt.ID), tasks.Done(), func(o *order.Order) error {
		return o.CloseAttempt(l.attempt.ID, "closed at the channel", l.now())
	})
}

// askedLast is the last look at the channel, a day after the expiry.
func askedLast(ctx context.Context, l *living) error {
	return l.settle(ctx, tasks.About(tasks.PaymentQuery, l.attempt.ID), tasks.Done(), nil)
}

func askedInVain(ctx context.Context, l *living) error {
	const grace = 5 * time.Second // as workers take it
	next := l.expire.Add(grace).Sub(l.now())
	return l.settle(ctx, tasks.About(tasks.PaymentQuery, l.attempt.ID), tasks.LaterIn(next, nil), nil)
}

func calledOffUnpaid(ctx context.Context, l *living) error {
	return l.change(ctx, func(o *order.Order) error { return o.Cancel("the buyer changed their mind", benchActor, l.now()) })
}

// calledOff is the buyer's wish, and that the merchant was told of it.
func calledOff(ctx context.Context, l *living) error {
	err := l.change(ctx, func(o *order.Order) error { return o.Cancel("the buyer changed their mind", benchActor, l.now()) })
	if err != nil {
		return err
	}
	return l.notified(ctx, tasks.About(tasks.MerchantNotify, order.RevokeNoticeID(l.id)))
}

func stopped(ctx context.Context, l *living) error {
	return l.change(ctx, func(o *order.Order) error { return o.Revoke("not yet sent", l.merchant(), l.now()) })
}

// askedBack asks for some of the money, or with 0 for all of it.
func askedBack(amount int64) step {
	return func(ctx context.Context, l *living) error {
		return l.change(ctx, func(o *order.Order) error {
			_, err := o.AskRefund(amount, "broken on arrival", benchActor, l.now())
			return err
		})
	}
}

// givenBack is a refund that the channel makes at once.
func givenBack(ctx context.Context, l *living) error {
	if err := l.change(ctx, func(o *order.Order) error { return o.SubmitRefund(l.refund(), l.now()) }); err != nil {
		return err
	}
	return l.settle(ctx, tasks.About(tasks.RefundSubmit, l.refund()), tasks.Done(), func(o *order.Order) error { return o.SucceedRefund(l.refund(), l.now()) })
}

func (l *living) now() time.Time { return *l.clock }

// refund is the first refund's id; no life has a second.
func (l *living) refund() order.RefundID { return ident.WithPart[order.Refund](l.id, 0x40) }

func (*living) merchant() order.Actor { return order.Actor("merchant:" + markMerchant) }

func (l *living) change(ctx context.Context, fn func(*order.Order) error) error {
	return l.store.Update(ctx, l.id, nil, fn)
}

func (l *living) notified(ctx context.Context, k tasks.Key) error {
	try := merchant.Attempt{EndpointID: markEndpoint, At: l.now(), OK: true, HTTPStatus: 200, Duration: 14 * time.Millisecond}
	return l.settle(ctx, k, tasks.Done(), nil, try)
}

// settle does what is owed under a key.
func (l *living) settle(ctx context.Context, k tasks.Key, v tasks.Verdict, apply func(*order.Order) error, tries ...merchant.Attempt) error {
	rows, err := l.db.Owed(ctx, k.Kind, []tasks.Subject{k.Subject}, l.now())
	if err == nil && len(rows) != 1 {
		err = fmt.Errorf("%s is not owed at %s", k, l.now())
	}
	if err != nil {
		return err
	}
	return l.store.Settle(ctx, tasks.Settlement{Row: rows[0], Verdict: v, Apply: apply, Tries: tries})[0]
}
