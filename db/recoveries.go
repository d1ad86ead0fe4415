package db

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

type recoveryModel struct {
	bun.BaseModel `bun:"table:recoveries,alias:r"`

	ID         merchant.RecoveryID    `bun:"id,pk"`
	MerchantID string                 `bun:"merchant_id"`
	EndpointID merchant.EndpointID    `bun:"endpoint_id"`
	Since      time.Time              `bun:"since"`
	Until      time.Time              `bun:"until"`
	Everything bool                   `bun:"everything"`
	Actor      order.Actor            `bun:"actor"`
	State      merchant.RecoveryState `bun:"state"`
	Total      int64                  `bun:"total"`
	Checked    int64                  `bun:"checked"`
	Queued     int64                  `bun:"queued"`
	Delivered  int64                  `bun:"delivered"`
	Failed     int64                  `bun:"failed"`
	At         time.Time              `bun:"at"`
	AtID       string                 `bun:"at_id"`
	Walked     bool                   `bun:"walked"`
	CreatedAt  time.Time              `bun:"created_at"`
	MovedAt    time.Time              `bun:"moved_at"`
	EndedAt    time.Time              `bun:"ended_at,nullzero"`

	Waiting int64           `bun:"waiting,scanonly"`
	Reason  merchant.Reason `bun:"reason,scanonly"`
}

func (r recoveryModel) recovery() merchant.Recovery {
	return merchant.Recovery{
		ID: r.ID, MerchantID: r.MerchantID, EndpointID: r.EndpointID, Since: r.Since.UTC(), Until: r.Until.UTC(), All: r.Everything, Actor: r.Actor, State: r.State, Reason: r.Reason,
		Total: r.Total, Checked: r.Checked, Queued: r.Queued, Delivered: r.Delivered, Failed: r.Failed, Waiting: r.Waiting,
		CreatedAt: r.CreatedAt.UTC(), EndedAt: r.EndedAt.UTC(), After: merchant.Place{At: r.At.UTC(), ID: r.AtID}, Walked: r.Walked, MovedAt: r.MovedAt.UTC(),
	}
}

// StartRecovery begins to tell an endpoint once more what it should have heard. A
// task walks through it. order.ErrNotFound when the endpoint is not the merchant's,
// order.Invalid when the time cannot be recovered, *merchant.UnderwayError when the
// endpoint has a recovery already, order.ErrNotAllowed when it is disabled.
func (d *DB) StartRecovery(ctx context.Context, r merchant.Recovery, now time.Time) (merchant.Recovery, error) {
	if r.Until.IsZero() || r.Until.After(now) {
		r.Until = now
	}
	if err := r.Check(now); err != nil {
		return r, err
	}
	row := recoveryModel{
		ID: r.ID, MerchantID: r.MerchantID, EndpointID: r.EndpointID, Since: r.Since, Until: r.Until, Everything: r.All, Actor: r.Actor, State: merchant.RecoveryRunning,
		At: r.Since, AtID: uuid.Nil.String(), CreatedAt: now, MovedAt: now,
	}
	var err error
	if row.Total, err = d.countNotices(ctx, r); err != nil {
		return r, wrap(err, "recover endpoint "+r.EndpointID.String())
	}
	err = d.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		e, err := lockEndpoint(ctx, tx, r.EndpointID)
		if err != nil {
			return err
		}
		if e.MerchantID != r.MerchantID {
			return order.ErrNotFound
		}
		if e.Health.State == merchant.Disabled {
			return &order.Refusal{Step: "recover the endpoint", Why: "it is disabled, and is told nothing: resume it first"}
		}
		var running []merchant.RecoveryID
		if err := tx.NewSelect().Model((*recoveryModel)(nil)).Column("id").Where("endpoint_id = ? AND state = ?", r.EndpointID, merchant.RecoveryRunning).Scan(ctx, &running); err != nil {
			return err
		}
		if len(running) > 0 {
			return &merchant.UnderwayError{Recovery: running[0]}
		}
		if _, err := tx.NewInsert().Model(&row).Returning("NULL").Exec(ctx); err != nil {
			return err
		}
		if _, err = tx.NewRaw("INSERT INTO outbox (kind, subject, due_at, created_at) VALUES (?, ?, ?, ?)", tasks.EndpointRecover, r.ID, now, now).Exec(ctx); err != nil {
			return err
		}
		return recoveries(tx, &row).Where("r.id = ?", r.ID).Scan(ctx)
	})
	return row.recovery(), wrap(err, "recover endpoint "+r.EndpointID.String())
}

// countNotices counts the notices of a recovery's time; -1 when that takes too
// long: nobody need wait for it.
func (d *DB) countNotices(ctx context.Context, r merchant.Recovery) (n int64, err error) {
	q := d.NewSelect().Table("notices").ColumnExpr("count(*)").Where("merchant_id = ?", r.MerchantID).Where("created_at >= ? AND created_at < ?", r.Since, r.Until)
	err = search(ctx, q, &n, "count less")
	if errors.Is(err, order.ErrBusy) {
		return -1, nil
	}
	return n, err
}

// standsOf is why a recovery r stands still: that is its endpoint e.
const standsOf = `CASE WHEN r.state <> 'running' THEN '' WHEN e.paused OR ` + stateOf + ` = 'disabled' THEN 'held' WHEN ` + stateOf + ` = 'paused' THEN 'paused' ELSE '' END`

// recoveries are recoveries r with what waits because of them, and why they stand
// still.
func recoveries(tx bun.IDB, into any) *bun.SelectQuery {
	return tx.NewSelect().Model(into).Join("LEFT JOIN endpoints AS e ON e.id = r.endpoint_id").ColumnExpr("r.*").
		ColumnExpr("(SELECT count(*) FROM deliveries d WHERE d.recovery_id = r.id) AS waiting").ColumnExpr(standsOf + " AS reason")
}

// Recovery shows a recovery; order.ErrNotFound when there is none of that id.
func (d *DB) Recovery(ctx context.Context, id merchant.RecoveryID) (merchant.Recovery, error) {
	var row recoveryModel
	err := recoveries(d, &row).Where("r.id = ?", id).Scan(ctx)
	return row.recovery(), wrap(found(err), "recovery "+id.String())
}

// Recoveries lists a page of a merchant's recoveries, newest first.
func (d *DB) Recoveries(ctx context.Context, merchantID string, before merchant.RecoveryID, limit int) ([]merchant.Recovery, error) {
	var rows []recoveryModel
	q := recoveries(d, &rows).Where("r.merchant_id = ?", merchantID).Order("r.id DESC").Limit(page(limit))
	if !before.IsZero() {
		q.Where("r.id < ?", before)
	}
	err := q.Scan(ctx)
	return col(rows, recoveryModel.recovery), wrap(err, "list recoveries of merchant "+merchantID)
}

// CancelRecovery ends a recovery. What waits only because of it is taken away, what
// was to be told anyhow waits on as before; what is in flight finishes, and is not
// tried again. Cancelled twice it is cancelled; one that is done is refused.
func (d *DB) CancelRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) error {
	r, err := d.Recovery(ctx, id)
	if err != nil {
		return err
	}
	return wrap(d.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		// Whoever changes a recovery holds its endpoint first.
		if _, err := lockEndpoint(ctx, tx, r.EndpointID); err != nil && !errors.Is(err, order.ErrNotFound) {
			return err
		}
		return cancelRecovery(ctx, tx, id, now)
	}), "cancel recovery "+id.String())
}

func cancelRecovery(ctx context.Context, tx bun.Tx, id merchant.RecoveryID, now time.Time) error {
	var row recoveryModel
	if err := tx.NewSelect().Model(&row).Where("id = ?", id).For("UPDATE").Scan(ctx); err != nil {
		return found(err)
	}
	switch row.State {
	case merchant.RecoveryDone:
		return &order.Refusal{Step: "cancel the recovery", Why: "it is done"}
	case merchant.RecoveryCancelled:
		return nil
	}
	for _, q := range []*bun.RawQuery{
		tx.NewRaw(`UPDATE recoveries SET state = ?, ended_at = ? WHERE id = ?`, merchant.RecoveryCancelled, now, id),
		tx.NewRaw(`DELETE FROM deliveries WHERE recovery_id = ? AND asked AND NOT in_flight`, id),
		tx.NewRaw(`UPDATE deliveries SET recovery_id = NULL, reason = CASE WHEN reason = ? THEN ? ELSE reason END WHERE recovery_id = ? AND NOT asked`, merchant.Recovered, merchant.Queued, id),
		tx.NewRaw(`DELETE FROM outbox WHERE kind = ? AND subject = ?`, tasks.EndpointRecover, id),
	} {
		if _, err := q.Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
