package db

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// resealPage is how many endpoints are looked for at a time.
const resealPage = 100

// ResealReport is what came of sealing all secrets anew.
type ResealReport struct {
	Key       string `json:"key"`       // that seals them now
	Endpoints int64  `json:"endpoints"` // that were sealed anew
	// Failed are endpoints whose secrets do not open, and stay as they are.
	Failed []error `json:"-"`
}

// Reseal seals every secret with the first key that is not: those that were
// sealed with another, and those that are plain from a release before. What has
// expired is forgotten. Each endpoint is changed by itself, under its lock: it
// may be run twice, beside itself and beside a running service, and what it had
// done when it was killed stays done. progress is told after each page, how many
// of how many endpoints were looked at.
func (d *DB) Reseal(ctx context.Context, now time.Time, progress func(done, of int64)) (ResealReport, error) {
	r := ResealReport{Key: d.keys.Sealing()}
	if r.Key == "" {
		return r, wrap(seal.ErrNoKey, "reseal")
	}
	of, err := d.outdated((*endpointModel)(nil), r.Key, now).Count(ctx)
	if err != nil {
		return r, wrap(err, "reseal: count endpoints")
	}
	var done int64
	for last := (merchant.EndpointID{}); ; {
		var page []endpointModel
		err := d.outdated(&page, r.Key, now).Column("id", "merchant_id").Where("id > ?", last).Order("id").Limit(resealPage).Scan(ctx)
		if err != nil {
			return r, wrap(err, "reseal: list endpoints")
		}
		if len(page) == 0 {
			return r, nil
		}
		for _, e := range page {
			if err := d.resealOne(ctx, e, now, &r); err != nil {
				return r, err
			}
			last = e.ID
		}
		done += int64(len(page))
		progress(done, max(done, of))
	}
}

// resealOne does one endpoint. Only what stops all others is an error.
func (d *DB) resealOne(ctx context.Context, e endpointModel, now time.Time, r *ResealReport) error {
	err := d.changeSecrets(ctx, e.MerchantID, e.ID, func(_ context.Context, _ bun.Tx, e *endpointModel) error { return d.reseal(e, now) })
	var unknown *seal.UnknownKey
	switch {
	case err == nil:
		r.Endpoints++
	case errors.Is(err, order.ErrNotFound): // it was deleted meanwhile
	case errors.As(err, &unknown), errors.Is(err, seal.ErrAltered), errors.Is(err, seal.ErrForm):
		r.Failed = append(r.Failed, err)
	default:
		return wrap(err, "reseal endpoint "+e.ID.String())
	}
	return nil
}

// reseal seals what signs anew, whoever sealed it before.
func (d *DB) reseal(e *endpointModel, now time.Time) error {
	if err := d.sealPlain(e); err != nil {
		return err
	}
	live := merchant.Signing(e.kept(), now)
	secrets, err := d.open(e, now)
	if err != nil {
		return err
	}
	for i, secret := range secrets {
		fresh, err := d.sealed(e, secret)
		if err != nil {
			return err
		}
		live[i].Sealed = fresh.Sealed
	}
	e.Sealed = sealedOf(live)
	return nil
}

// outdated are the endpoints with a secret that is plain, has expired, or was
// not sealed with the key.
func (d *DB) outdated(model any, key string, now time.Time) *bun.SelectQuery {
	return d.NewSelect().Model(model).Where(`(e.secrets <> '{}' OR EXISTS (SELECT FROM jsonb_array_elements(e.sealed_secrets) AS s
		WHERE split_part(s->>'sealed', '.', 2) <> ? OR (s->>'expires_at')::timestamptz <= ?))`, key, now)
}

// SecretCount is how many secrets a key has sealed.
type SecretCount struct {
	Key       string `bun:"key" json:"key"` // "": they are plain, from a release before
	Secrets   int64  `bun:"secrets" json:"secrets"`
	Endpoints int64  `bun:"endpoints" json:"endpoints"`
}

// SecretCounts counts the secrets of all endpoints by the key that sealed them.
// Those that have expired count: they are there until they are sealed anew.
func (d *DB) SecretCounts(ctx context.Context) (list []SecretCount, err error) {
	err = d.NewRaw(`SELECT key, count(*) AS secrets, count(DISTINCT id) AS endpoints FROM (
			SELECT id, '' AS key FROM endpoints, unnest(secrets)
			UNION ALL SELECT id, split_part(s->>'sealed', '.', 2) FROM endpoints, jsonb_array_elements(sealed_secrets) AS s
		) AS k GROUP BY key ORDER BY key`).Scan(ctx, &list)
	return list, wrap(err, "count secrets")
}
