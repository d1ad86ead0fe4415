package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

type undeliveredModel struct {
	ID         uuid.UUID
	MerchantID string
	Type       string
	Body       []byte
	CreatedAt  time.Time
	WaitsFrom  time.Time
	Reason     merchant.Reason
	Attempts   int
	LastError  string
}

func (u undeliveredModel) undelivered() merchant.Undelivered {
	return merchant.Undelivered{
		Notice:    merchant.Notice{ID: u.ID.String(), MerchantID: u.MerchantID, Type: u.Type, Body: u.Body},
		CreatedAt: u.CreatedAt.UTC(), WaitsFrom: u.WaitsFrom.UTC(), Reason: u.Reason, Attempts: u.Attempts, LastError: u.LastError,
	}
}

// Undelivered lists a page of what an endpoint has yet to acknowledge, with the
// bodies: what waits for it, what it is to be told for the first time or is being
// told just now, and what waited to the end of its schedule. order.ErrNotFound when
// the endpoint is not its merchant's.
//
// It reads what is owed and no more: how much the endpoint has taken costs nothing.
func (d *DB) Undelivered(ctx context.Context, f merchant.UndeliveredFilter) ([]merchant.Undelivered, error) {
	var e endpointModel
	if err := d.NewSelect().Model(&e).Where("id = ?", f.Endpoint).Where("merchant_id = ?", f.MerchantID).Scan(ctx); err != nil {
		return nil, wrap(found(err), "endpoint "+f.Endpoint.String())
	}
	var rows []undeliveredModel
	err := search(ctx, d.undelivered(f), &rows, "try again in a moment")
	return col(rows, undeliveredModel.undelivered), wrap(err, "list what endpoint "+f.Endpoint.String()+" has yet to acknowledge")
}

func (d *DB) undelivered(f merchant.UndeliveredFilter) *bun.SelectQuery {
	waits := d.NewSelect().TableExpr("deliveries AS d").Join("JOIN endpoints AS e ON e.id = d.endpoint_id").
		Column("d.notice_id", "d.endpoint_id", "d.reason", "d.created_at", "d.attempts", "d.last_error").
		Where("d.endpoint_id = ?", f.Endpoint).Where(subscribes("d.type")).OrderExpr("d.created_at, d.notice_id").Limit(page(f.Limit))
	// Tasks of other merchants' notices lie between: each costs a look at its notice,
	// by the key. Without the LIMIT all that the merchant was ever told may be read.
	owed := d.NewSelect().TableExpr("outbox AS o").Join("JOIN endpoints AS e ON e.id = ?", f.Endpoint).
		Join("CROSS JOIN LATERAL (SELECT id, type FROM notices WHERE id = o.subject AND merchant_id = ? LIMIT 1) AS n", f.MerchantID).
		ColumnExpr("n.id, e.id").ColumnExpr("CASE WHEN o.dead_at IS NOT NULL THEN ? WHEN o.attempts > 0 THEN ? ELSE ? END", merchant.GivenUp, merchant.Retry, merchant.Queued).
		Column("o.created_at", "o.attempts", "o.last_error").
		Where("o.kind IN (?, ?)", tasks.DeliveryNotify, tasks.MerchantNotify).Where(subscribes("n.type")).
		Where("(SELECT true FROM deliveries d WHERE d.notice_id = n.id AND d.endpoint_id = e.id LIMIT 1) IS NULL").
		Where("(SELECT true FROM notice_attempts t WHERE t.notice_id = n.id AND t.endpoint_id = e.id AND t.ok LIMIT 1) IS NULL").
		OrderExpr("o.created_at, o.subject").Limit(page(f.Limit))
	if !f.After.IsZero() {
		waits.Where("(d.created_at, d.notice_id) > (?, ?)", f.After.At, f.After.ID)
		owed.Where("(o.created_at, o.subject) > (?, ?)", f.After.At, f.After.ID)
	}
	return d.NewSelect().TableExpr("(?) AS d", waits.UnionAll(owed)).Join("JOIN notices AS n ON n.id = d.notice_id").Join("JOIN endpoints AS e ON e.id = d.endpoint_id").
		Column("n.id", "n.merchant_id", "n.type", "n.body", "n.created_at", "d.attempts", "d.last_error").ColumnExpr("d.created_at AS waits_from").
		ColumnExpr("CASE WHEN d.reason = ? THEN d.reason ELSE "+reasonOf+" END AS reason", merchant.GivenUp).
		OrderExpr("d.created_at, d.notice_id").Limit(page(f.Limit))
}

// Acknowledge notes that a merchant has fetched notices of an endpoint's: they
// wait for it no more, and count as taken by it. It says how many it had not taken
// before. What is in flight goes on, and changes nothing any more.
//
// order.ErrNotFound when the endpoint is not the merchant's; order.Invalid, and
// nothing is changed, when one of the notices is not.
func (d *DB) Acknowledge(ctx context.Context, merchantID string, id merchant.EndpointID, notices []string, now time.Time) (fresh int, err error) {
	ids, err := subjectsOf(notices)
	if err == nil {
		err = d.again(ctx, func(tx pgx.Tx) error {
			fresh, err = acknowledge(ctx, tx, merchantID, id, ids, now)
			return err
		})
	}
	return fresh, wrap(err, "acknowledge notices of endpoint "+id.String())
}

// subjectsOf are notices' ids in the order in which rows are locked.
func subjectsOf(notices []string) (ids []tasks.Subject, err error) {
	var faults order.Invalid
	for i, n := range notices {
		id, err := tasks.SubjectOf(n)
		if err != nil {
			faults = append(faults, notTheirs(i))
		}
		ids = append(ids, id)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return ids, nil
}

func notTheirs(i int) order.FieldError {
	return order.FieldError{Field: fmt.Sprintf("ids[%d]", i), Message: "the merchant has no such notice"}
}

func acknowledge(ctx context.Context, tx pgx.Tx, merchantID string, id merchant.EndpointID, ids []tasks.Subject, now time.Time) (fresh int, err error) {
	// Everybody who tells the endpoint something holds it first.
	var there bool
	err = tx.QueryRow(ctx, `SELECT true FROM endpoints WHERE id = $1 AND merchant_id = $2 FOR NO KEY UPDATE`, [16]byte(id), merchantID).Scan(&there)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, order.ErrNotFound
	}
	if err != nil {
		return 0, err
	}
	if err := allTheirs(ctx, tx, merchantID, ids); err != nil {
		return 0, err
	}
	// A first try that is under way settles nothing any more: it could have it wait
	// for the endpoint once more.
	_, err = tx.Exec(ctx, `WITH owed AS (
			SELECT o.kind, o.subject FROM unnest($1::uuid[]) AS v (id) CROSS JOIN unnest($2::text[]) AS k (kind) JOIN outbox o ON o.kind = k.kind AND o.subject = v.id
			WHERE o.dead_at IS NULL ORDER BY o.kind, o.subject FOR UPDATE OF o
		) UPDATE outbox o SET generation = generation + 1, promoted_at = NULL, due_at = $3 FROM owed WHERE o.kind = owed.kind AND o.subject = owed.subject`,
		bytesOf(ids), []string{string(tasks.DeliveryNotify), string(tasks.MerchantNotify)}, now)
	if err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO notice_attempts AS t (notice_id, endpoint_id, at, ok, http_status, duration_ms, pulled)
		SELECT DISTINCT v.id, $2::uuid, $3::timestamptz, true, 0, 0, true FROM unnest($1::uuid[]) AS v (id)
		WHERE NOT EXISTS (SELECT FROM notice_attempts x WHERE x.notice_id = v.id AND x.endpoint_id = $2 AND x.ok)
		ON CONFLICT (notice_id, endpoint_id, at) DO UPDATE SET ok = true, error = '', pulled = true`, bytesOf(ids), [16]byte(id), now)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `WITH gone AS (
			DELETE FROM deliveries d USING unnest($1::uuid[]) AS v (id) WHERE d.notice_id = v.id AND d.endpoint_id = $2 RETURNING d.recovery_id
		), counted AS (SELECT recovery_id AS id, count(*) AS n FROM gone WHERE recovery_id IS NOT NULL GROUP BY 1)
		UPDATE recoveries r SET delivered = delivered + counted.n, moved_at = $3 FROM counted WHERE r.id = counted.id`, bytesOf(ids), [16]byte(id), now)
	if err != nil {
		return 0, err
	}
	b := &pgx.Batch{}
	queueTaken(b, col(ids, tasks.Subject.String))
	return int(tag.RowsAffected()), tx.SendBatch(ctx, b).Close()
}

// allTheirs refuses notices that are not the merchant's, each by its place.
func allTheirs(ctx context.Context, tx pgx.Tx, merchantID string, ids []tasks.Subject) error {
	rows, err := tx.Query(ctx, `SELECT n.id FROM unnest($1::uuid[]) AS v (id) JOIN notices n USING (id) WHERE n.merchant_id = $2`, bytesOf(ids), merchantID)
	if err != nil {
		return err
	}
	theirs, err := pgx.CollectRows(rows, pgx.RowTo[[16]byte])
	if err != nil {
		return err
	}
	var faults order.Invalid
	for i, id := range ids {
		if !slices.Contains(theirs, [16]byte(id)) {
			faults = append(faults, notTheirs(i))
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}
