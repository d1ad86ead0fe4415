package db

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// Resend has a notice told once more, now and with all its tries, whether it was
// taken or not: to one endpoint of its merchant, or, when that is zero, to all
// that subscribe to its type. It returns what waits for them. For one that is
// paused or disabled it is held. What is in flight just now counts as the telling
// that was asked for, and what waits already goes on waiting, from now on.
//
// order.ErrNotFound when there is no such notice, or the endpoint is not its
// merchant's; order.ErrNotAllowed when nobody would take it.
func (d *DB) Resend(ctx context.Context, noticeID string, to merchant.EndpointID, now time.Time) ([]merchant.Delivery, error) {
	n, err := d.Notice(ctx, noticeID)
	if err != nil {
		return nil, err
	}
	var told []merchant.EndpointID
	err = d.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		told, err = lockSubscribed(ctx, tx, n, to)
		if err != nil {
			return err
		}
		for _, id := range told {
			if err := resend(ctx, tx, n, id, now); err != nil {
				return err
			}
		}
		for _, id := range told { // behind all deliveries, as everybody does
			if err := ringNow(ctx, tx, id, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrap(err, "resend notice "+n.ID)
	}
	list, err := d.NoticeDeliveries(ctx, n.ID)
	return slices.DeleteFunc(list, func(d merchant.Delivery) bool { return !slices.Contains(told, d.EndpointID) }), err
}

// lockSubscribed keeps the endpoints as they are to which a notice is to go, in
// the order of their ids.
func lockSubscribed(ctx context.Context, tx bun.Tx, n merchant.Notice, to merchant.EndpointID) (ids []merchant.EndpointID, err error) {
	var rows []endpointModel
	q := tx.NewSelect().Model(&rows).Where("merchant_id = ?", n.MerchantID).Order("id").For("NO KEY UPDATE")
	if !to.IsZero() {
		q.Where("id = ?", to)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	if !to.IsZero() && len(rows) == 0 {
		return nil, order.ErrNotFound
	}
	for _, e := range rows {
		if e.endpoint().Subscribes(n.Type) {
			ids = append(ids, e.ID)
		}
	}
	switch {
	case len(ids) > 0:
		return ids, nil
	case !to.IsZero():
		return nil, &order.Refusal{Step: "resend the notice", Why: "the endpoint does not subscribe to " + n.Type + ": change its events, or choose another"}
	}
	return nil, &order.Refusal{Step: "resend the notice", Why: "no endpoint of the merchant subscribes to " + n.Type}
}

func resend(ctx context.Context, tx bun.Tx, n merchant.Notice, to merchant.EndpointID, now time.Time) error {
	_, err := tx.NewRaw(`INSERT INTO deliveries AS d (notice_id, endpoint_id, type, due_at, reason, created_at, asked) VALUES (?, ?, ?, ?, ?, ?, true)
		ON CONFLICT (notice_id, endpoint_id) DO UPDATE SET attempts = 0, recovery_id = NULL,
			due_at = CASE WHEN d.in_flight THEN d.due_at ELSE excluded.due_at END, reason = CASE WHEN d.in_flight THEN d.reason ELSE excluded.reason END`,
		n.ID, to, n.Type, now, merchant.Queued, now).Exec(ctx)
	return err
}
