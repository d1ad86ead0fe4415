package db

import (
	"cmp"
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// maxEndpoints bounds how far one notice of a merchant's fans out.
const maxEndpoints = 20

type endpointModel struct {
	bun.BaseModel `bun:"table:endpoints,alias:e"`

	ID         merchant.EndpointID `bun:"id,pk"`
	MerchantID string              `bun:"merchant_id"`
	URL        string              `bun:"url"`
	Events     []string            `bun:"events,array"`
	Paused     bool                `bun:"paused"`
	Ack        merchant.AckMode    `bun:"ack"`
	Health     healthModel         `bun:"health,type:jsonb"`
	Schedule   []int64             `bun:"retry_schedule,array"`
	CreatedAt  time.Time           `bun:"created_at,nullzero,default:now()"`

	Verifies   merchant.Verification `bun:"verifies,nullzero,default:'unknown'"`
	VerifiedAt time.Time             `bun:"verified_at,nullzero"`
	endpointSecrets
}

func (e endpointModel) endpoint() merchant.Endpoint {
	return merchant.Endpoint{
		ID: e.ID, MerchantID: e.MerchantID, URL: e.URL, Events: e.Events, PublicKey: e.publicKey(), Ack: e.Ack, Paused: e.Paused,
		Schedule: merchant.ScheduleOf(e.Schedule), Health: merchant.Health(e.Health), CreatedAt: e.CreatedAt.UTC(),
		Verifies: e.Verifies, VerifiedAt: e.VerifiedAt.UTC(),
	}
}

// modelOf is what callers say of an endpoint; its secrets are another matter.
func modelOf(e merchant.Endpoint) endpointModel {
	return endpointModel{
		ID: e.ID, MerchantID: e.MerchantID, URL: e.URL, Events: append([]string{}, e.Events...), Ack: cmp.Or(e.Ack, merchant.Ack2xx), Paused: e.Paused,
		Schedule: e.Schedule.Seconds(), CreatedAt: e.CreatedAt,
	}
}

// CreateEndpoint adds an endpoint to its merchant's; order.ErrNotFound when
// there is no such merchant, seal.ErrNoKey when its secrets cannot be sealed.
func (d *DB) CreateEndpoint(ctx context.Context, e merchant.Endpoint) error {
	row := modelOf(e)
	row.Plain = e.Secrets
	if err := d.sealPlain(&row); err != nil {
		return wrap(err, "create endpoint for merchant "+e.MerchantID)
	}
	err := d.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return createEndpoint(ctx, tx, &row) })
	return wrap(err, "create endpoint for merchant "+e.MerchantID)
}

func createEndpoint(ctx context.Context, tx bun.IDB, row *endpointModel) error {
	// The lock makes the count hold until the row is in.
	var owner merchantModel
	if err := tx.NewSelect().Model(&owner).Where("id = ?", row.MerchantID).For("NO KEY UPDATE").Scan(ctx); err != nil {
		return found(err)
	}
	n, err := tx.NewSelect().Model((*endpointModel)(nil)).Where("merchant_id = ?", row.MerchantID).Count(ctx)
	if err != nil {
		return err
	}
	if n >= maxEndpoints {
		return &order.Refusal{Step: "add an endpoint", Why: "this merchant has 20 already; delete one first"}
	}
	if _, err = tx.NewInsert().Model(row).Returning("id, created_at").Exec(ctx); err != nil {
		return err
	}
	return verifySoon(ctx, tx, row.ID, row.CreatedAt)
}

// Endpoints lists a merchant's endpoints, oldest first, without their secrets.
func (d *DB) Endpoints(ctx context.Context, merchantID string) ([]merchant.Endpoint, error) {
	rows, err := d.endpoints(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	return col(rows, endpointModel.endpoint), nil
}

// SigningEndpoints are a merchant's endpoints with the secrets that sign at a
// time. It fails when one of them does not open.
func (d *DB) SigningEndpoints(ctx context.Context, merchantID string, now time.Time) ([]merchant.Endpoint, error) {
	rows, err := d.endpoints(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	list := col(rows, endpointModel.endpoint)
	for i := range rows {
		if list[i].Secrets, err = d.open(&rows[i], now); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// SigningEndpoint is one of a merchant's endpoints with the secrets that sign at a
// time; order.ErrNotFound when it is not one of its. It fails when one of them
// does not open.
func (d *DB) SigningEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, now time.Time) (merchant.Endpoint, error) {
	return d.signing(ctx, d.NewSelect().Where("merchant_id = ?", merchantID), id, now)
}

func (d *DB) signing(ctx context.Context, from *bun.SelectQuery, id merchant.EndpointID, now time.Time) (e merchant.Endpoint, err error) {
	var row endpointModel
	if err = from.Model(&row).Where("id = ?", id).Scan(ctx); err != nil {
		return e, wrap(found(err), "endpoint "+id.String())
	}
	e = row.endpoint()
	e.Secrets, err = d.open(&row, now)
	return e, err
}

func (d *DB) endpoints(ctx context.Context, merchantID string) (rows []endpointModel, err error) {
	err = d.NewSelect().Model(&rows).Where("merchant_id = ?", merchantID).Order("id").Limit(maxEndpoints).Scan(ctx)
	return rows, wrap(err, "list endpoints of merchant "+merchantID)
}

// ChangeEndpoint gives an endpoint another URL, other subscriptions, another way
// to acknowledge and another schedule. What is told from then on goes by them,
// and so does what is still to be told. What is known of how it does was about
// the URL that it had.
func (d *DB) ChangeEndpoint(ctx context.Context, e merchant.Endpoint, now time.Time) error {
	return wrap(d.changeEndpoint(ctx, e.MerchantID, e.ID, now, func(row *endpointModel) (activated bool) {
		if row.URL != e.URL {
			row.Health = healthModel(merchant.Health(row.Health).Resumed(now))
			row.Verifies, row.VerifiedAt, activated = merchant.NotKnown, time.Time{}, true
		}
		to := modelOf(e)
		row.URL, row.Events, row.Ack, row.Schedule = to.URL, to.Events, to.Ack, to.Schedule
		return activated
	}), "change endpoint "+e.ID.String())
}

// changeEndpoint changes an endpoint's row while nobody else does, and has its
// backlog looked at. When that activates it, it is found out whether it verifies.
func (d *DB) changeEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, now time.Time, change func(*endpointModel) (activated bool)) error {
	return d.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := lockEndpoint(ctx, tx, id)
		if err != nil {
			return err
		}
		if row.MerchantID != merchantID { // one merchant's hands are kept off another's
			return order.ErrNotFound
		}
		activated := change(row)
		if _, err := tx.NewUpdate().Model(row).Column("url", "events", "ack", "paused", "health", "retry_schedule", "verifies", "verified_at").WherePK().Exec(ctx); err != nil {
			return err
		}
		if activated {
			if err := verifySoon(ctx, tx, id, now); err != nil {
				return err
			}
		}
		return ringNow(ctx, tx, id, now)
	})
}

// RotateEndpoint gives an endpoint a new secret; those before it go on signing
// for the overlap, so that the merchant can change over. It opens none of them:
// a new secret without an overlap is the way out when they do not open. Whether it
// verifies is found out anew.
func (d *DB) RotateEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, r merchant.Rotation) error {
	err := d.changeSecrets(ctx, merchantID, id, func(ctx context.Context, tx bun.Tx, e *endpointModel) error {
		if err := d.sealPlain(e); err != nil {
			return err
		}
		fresh, err := d.sealed(e, r.Secret)
		if err != nil {
			return err
		}
		e.Sealed = sealedOf(r.Apply(e.kept(), fresh))
		return verifySoon(ctx, tx, id, r.At)
	})
	return wrap(err, "rotate the secret of endpoint "+id.String())
}

// PauseEndpoint stops notices to an endpoint, or lets them go on: what it should
// hear meanwhile is held. Resumed, it starts slowly if it did not do well, and one
// that was disabled is enabled.
func (d *DB) PauseEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, paused bool, now time.Time) error {
	return wrap(d.changeEndpoint(ctx, merchantID, id, now, func(row *endpointModel) (activated bool) {
		row.Paused = paused
		if !paused {
			row.Health = healthModel(merchant.Health(row.Health).Resumed(now))
		}
		return !paused
	}), "pause endpoint "+id.String())
}

// DeleteEndpoint takes an endpoint away, and with it what waits for it; an order
// that it has not heard of goes to another. Its log of attempts stays.
func (d *DB) DeleteEndpoint(ctx context.Context, merchantID string, id merchant.EndpointID, now time.Time) error {
	return wrap(d.crossing(ctx, func(ctx context.Context, tx bun.Tx) error {
		q := tx.NewDelete().Model((*endpointModel)(nil)).Where("id = ?", id).Where("merchant_id = ?", merchantID)
		if err := touched(q.Exec(ctx)); err != nil {
			return err
		}
		return handOn(ctx, tx, id, now)
	}), "delete endpoint "+id.String())
}
