package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/tasks"
)

// maintenanceLock is the advisory lock of whoever is at it.
const maintenanceLock = 0x4f46_4d41_494e // "OFMAIN"

// Standing makes sure that what is always owed is.
func (d *DB) Standing(ctx context.Context, now time.Time) error {
	keys := tasks.Standing()
	_, err := d.hot.Exec(ctx, `INSERT INTO outbox (kind, subject, due_at, created_at) SELECT kind, subject, $3, $3 FROM unnest($1::text[], $2::uuid[]) AS v (kind, subject) ON CONFLICT DO NOTHING`,
		col(keys, kindOf), col(keys, subjectOf), now)
	return wrap(err, "owe what is always owed")
}

// Maintain keeps the tables in shape: months are made ahead, those that are over
// for longer than keep.Orders are taken out, and the answers to Idempotency-Keys
// that are older than keep.Answers are forgotten, as are recoveries that ended
// before keep.Recoveries. It is tasks.ErrMaintaining while another process is at it.
func (d *DB) Maintain(ctx context.Context, keep tasks.Keep, now time.Time) (did tasks.Maintained, err error) {
	conn, err := d.reading.Acquire(ctx)
	if err != nil {
		return did, wrap(err, "maintain")
	}
	defer conn.Release()
	var mine bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(maintenanceLock)).Scan(&mine); err != nil {
		return did, wrap(err, "maintain")
	}
	if !mine {
		return did, tasks.ErrMaintaining
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if _, unlock := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(maintenanceLock)); unlock != nil {
			err = errors.Join(err, conn.Conn().Close(ctx)) // the lock ends with it
		}
	}()
	if did.Made, err = d.EnsureAhead(ctx, now); err != nil {
		return did, err
	}
	if err := d.takeOutOld(ctx, keep.Orders, now, &did); err != nil {
		return did, err
	}
	if did.Answers, err = d.forgetAnswers(ctx, now.Add(-keep.Answers)); err != nil {
		return did, err
	}
	did.Recoveries, err = d.forgetRecoveries(ctx, now.Add(-keep.Recoveries))
	return did, err
}

func (d *DB) takeOutOld(ctx context.Context, after time.Duration, now time.Time, did *tasks.Maintained) error {
	list, _, err := d.Months(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.To.Add(after).After(now) {
			continue
		}
		err := d.Detach(ctx, m.Name, now)
		var use *tasks.InUse
		switch {
		case errors.As(err, &use):
			did.InUse = append(did.InUse, use)
		case err != nil:
			return err
		default:
			did.Taken = append(did.Taken, m.Name)
		}
	}
	return nil
}

// answersPage is how many blocks of 8 KiB one statement looks through: no lock
// is held for long, and no index is needed for what happens once a day.
const answersPage = 2000

// forgetAnswers deletes the answers from before a time.
func (d *DB) forgetAnswers(ctx context.Context, until time.Time) (n int64, err error) {
	var blocks int64
	err = d.reading.QueryRow(ctx, "SELECT pg_relation_size('idempotency_keys') / current_setting('block_size')::bigint").Scan(&blocks)
	if err != nil {
		return 0, wrap(err, "forget answers")
	}
	for at := int64(0); at < blocks; at += answersPage {
		tag, err := d.reading.Exec(ctx, "DELETE FROM idempotency_keys WHERE ctid >= $1::tid AND ctid < $2::tid AND created_at < $3",
			fmt.Sprintf("(%d,0)", at), fmt.Sprintf("(%d,0)", at+answersPage), until)
		if err != nil {
			return n, wrap(err, "forget answers")
		}
		n += tag.RowsAffected()
	}
	return n, nil
}

// forgetRecoveries deletes the recoveries that ended before a time. One that was
// cancelled stays while anything is in flight by it: what comes of that is its. They
// are few: somebody asked for each.
func (d *DB) forgetRecoveries(ctx context.Context, until time.Time) (int64, error) {
	tag, err := d.reading.Exec(ctx, "DELETE FROM recoveries r WHERE ended_at < $1 AND NOT EXISTS (SELECT FROM deliveries d WHERE d.recovery_id = r.id)", until)
	return tag.RowsAffected(), wrap(err, "forget recoveries")
}
