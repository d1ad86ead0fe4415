package db

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// subscriptions are the endpoints of those merchants whom a batch has something
// to tell that asks nothing of them. Where nobody would take it, it is not
// written: such an order costs no notice and no task.
type subscriptions map[string][]merchant.Endpoint

// readSubscriptions asks the database, and no cache, within the transaction that
// writes the notices: an endpoint that subscribed before it is never passed
// over. One that subscribes while it runs hears of what comes after. Most batches
// have nothing of the kind, and ask nothing.
func readSubscriptions(ctx context.Context, conn *pgxpool.Conn, orders map[order.ID]*order.Order) (subscriptions, error) {
	merchants := informed(orders)
	if len(merchants) == 0 {
		return nil, nil
	}
	return subscriptionsOf(ctx, conn, merchants)
}

func subscriptionsOf(ctx context.Context, conn *pgxpool.Conn, merchants []string) (subscriptions, error) {
	rows, err := conn.Query(ctx, `SELECT merchant_id, events FROM endpoints WHERE merchant_id = ANY($1)`, merchants)
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	subscribed := subscriptions{}
	var e merchant.Endpoint
	_, err = pgx.ForEachRow(rows, []any{&e.MerchantID, &e.Events}, func() error {
		subscribed[e.MerchantID] = append(subscribed[e.MerchantID], e)
		e.Events = nil // the next row gets a list of its own
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}
	return subscribed, nil
}

// informed are the merchants whom what has happened to the orders only informs,
// each once.
func informed(orders map[order.ID]*order.Order) (merchants []string) {
	for _, o := range orders {
		informs := slices.ContainsFunc(o.Events(), func(e order.Event) bool {
			t := merchant.TypeOf(o, e)
			return t != "" && !merchant.Asks(t)
		})
		if informs {
			merchants = append(merchants, o.MerchantID)
		}
	}
	slices.Sort(merchants)
	return slices.Compact(merchants)
}

// take says whether a notice of a type is written for a merchant. A paused
// endpoint counts: it may be resumed before the notice is sent.
func (s subscriptions) take(merchantID, eventType string) bool {
	return merchant.Asks(eventType) ||
		slices.ContainsFunc(s[merchantID], func(e merchant.Endpoint) bool { return e.Subscribes(eventType) })
}
