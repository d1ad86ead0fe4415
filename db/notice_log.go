package db

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// noticeRecordModel is a notice with what is owed of it.
type noticeRecordModel struct {
	ID         uuid.UUID
	MerchantID string
	Type       string
	Body       []byte
	CreatedAt  time.Time
	Owed       bool
	DueAt      time.Time `bun:",nullzero"`
	DeadAt     time.Time `bun:",nullzero"`
	LastError  string
	Taken      bool // by some endpoint

	// Of what waits for endpoints, the first.
	WaitsUntil time.Time `bun:",nullzero"`
	WaitsError string
}

func (n noticeRecordModel) record() merchant.NoticeRecord {
	r := merchant.NoticeRecord{
		Notice:    merchant.Notice{ID: n.ID.String(), MerchantID: n.MerchantID, Type: n.Type, Body: n.Body},
		CreatedAt: n.CreatedAt.UTC(), LastError: n.LastError,
	}
	switch {
	case n.Owed && !n.DeadAt.IsZero():
		r.State, r.Task = merchant.NoticeDead, merchant.NoticeDead
	case n.Owed:
		r.State, r.Task, r.NextTryAt = merchant.NoticeWaiting, merchant.NoticeWaiting, n.DueAt.UTC()
	}
	switch {
	case r.Task == merchant.NoticeWaiting:
	case !n.WaitsUntil.IsZero():
		r.State, r.NextTryAt, r.LastError = merchant.NoticeWaiting, n.WaitsUntil.UTC(), n.WaitsError
	case r.Task == merchant.NoticeDead:
	case n.Taken:
		r.State = merchant.NoticeDelivered
	default:
		r.State = merchant.NoticeDropped
	}
	return r
}

// noticeRecords are notices n with what is owed of them. What is asked of each row
// is asked with a LIMIT: an EXISTS may be planned as a read of all attempts.
func (d *DB) noticeRecords() *bun.SelectQuery {
	return d.NewSelect().TableExpr("notices AS n").
		Join("LEFT JOIN outbox AS o ON o.kind = CASE n.type WHEN ? THEN ? ELSE ? END AND o.subject = n.id", merchant.OrderPaid, tasks.DeliveryNotify, tasks.MerchantNotify).
		Column("n.id", "n.merchant_id", "n.type", "n.created_at", "o.due_at", "o.dead_at", "o.last_error").
		ColumnExpr("o.subject IS NOT NULL AS owed").
		ColumnExpr("(SELECT true FROM notice_attempts t WHERE t.notice_id = n.id AND t.ok LIMIT 1) IS NOT NULL AS taken").
		Join("LEFT JOIN LATERAL (SELECT due_at, last_error FROM deliveries WHERE notice_id = n.id ORDER BY due_at LIMIT 1) AS d ON true").
		ColumnExpr("d.due_at AS waits_until").ColumnExpr("coalesce(d.last_error, '') AS waits_error")
}

// NoticeRecords lists a page of a merchant's notices, newest first, without their
// bodies.
func (d *DB) NoticeRecords(ctx context.Context, f merchant.NoticeFilter) ([]merchant.NoticeRecord, error) {
	q := d.noticeRecords().Where("n.merchant_id = ?", f.MerchantID).OrderExpr("n.created_at DESC, n.id DESC").Limit(page(f.Limit))
	narrow(q, f)
	if !f.Before.IsZero() {
		q.Where("(n.created_at, n.id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	var rows []noticeRecordModel
	err := search(ctx, q, &rows, "ask for a shorter time")
	return col(rows, noticeRecordModel.record), wrap(err, "list notices of merchant "+f.MerchantID)
}

func narrow(q *bun.SelectQuery, f merchant.NoticeFilter) {
	const waits = "(SELECT true FROM deliveries d WHERE d.notice_id = n.id AND (?0 OR d.endpoint_id = ?1) LIMIT 1) IS NOT NULL"
	const taken = "(SELECT true FROM notice_attempts t WHERE t.notice_id = n.id AND t.ok AND (?0 OR t.endpoint_id = ?1) LIMIT 1) IS NOT NULL"
	// It waits for whoever subscribes to it as long as the task that tells it is owed.
	toldBy := "(o.subject IS NOT NULL AND (SELECT true FROM endpoints e WHERE e.id = ?1 AND e.merchant_id = n.merchant_id AND " + subscribes("n.type") + ") IS NOT NULL)"
	everywhere := f.Endpoint.IsZero()
	if !f.Since.IsZero() {
		q.Where("n.created_at >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		q.Where("n.created_at < ?", f.Until)
	}
	if f.Type != "" {
		q.Where("n.type = ?", f.Type)
	}
	if !f.Order.IsZero() { // its parts' identifiers lie together
		q.Where("n.id BETWEEN ? AND ?", f.Order, ident.WithPart[order.Order](f.Order, 0xff))
	}
	if !everywhere {
		q.Where("(SELECT true FROM notice_attempts t WHERE t.notice_id = n.id AND t.endpoint_id = ?1 LIMIT 1) IS NOT NULL OR "+waits+" OR "+toldBy, false, f.Endpoint)
	}
	if f.Delivered {
		q.Where(taken, everywhere, f.Endpoint)
		if everywhere {
			q.Where("o.subject IS NULL AND NOT ("+waits+")", everywhere, f.Endpoint)
		}
	}
	if f.Undelivered {
		q.Where("o.subject IS NOT NULL OR "+waits, everywhere, f.Endpoint)
		if !everywhere {
			q.Where("NOT ("+taken+") OR "+waits, everywhere, f.Endpoint)
		}
	}
}

// NoticeRecord reads a notice, with its body and how far it has got;
// order.ErrNotFound when there is no such notice.
func (d *DB) NoticeRecord(ctx context.Context, id string) (merchant.NoticeRecord, error) {
	key, err := noticeID(id)
	if err != nil {
		return merchant.NoticeRecord{}, err
	}
	var row noticeRecordModel
	if err := d.noticeRecords().Column("n.body").Where("n.id = ?", key).Scan(ctx, &row); err != nil {
		return merchant.NoticeRecord{}, wrap(found(err), "notice "+id)
	}
	return row.record(), nil
}

// AttemptLog reads a page of the log of a notice, newest first, with all that
// was kept of the answers.
func (d *DB) AttemptLog(ctx context.Context, f merchant.AttemptFilter) ([]merchant.Attempt, error) {
	key, err := noticeID(f.NoticeID)
	if err != nil {
		return nil, err
	}
	var rows []noticeAttemptModel
	q := d.NewSelect().Model(&rows).Where("notice_id = ?", key).OrderExpr("at DESC, endpoint_id DESC").Limit(page(f.Limit))
	if !f.Before.IsZero() {
		q.Where("(at, endpoint_id) < (?, ?)", f.Before.At, f.Before.ID)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, wrap(err, "attempts of notice "+f.NoticeID)
	}
	return col(rows, noticeAttemptModel.attempt), nil
}
