package db

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/payment"
)

// PartsOfAttempts is the hot path's query for attempts.
func PartsOfAttempts() string { return parts(attemptColumns, "attempts") }

// WrittenAs is how a batch of callbacks, as channel/event, is written.
func WrittenAs(came ...string) (written []string) {
	var batch []*receipt
	for _, c := range came {
		channel, event, _ := strings.Cut(c, "/")
		batch = append(batch, &receipt{channel: channel, notice: payment.Notice{EventID: event}})
	}
	for _, r := range distinct(batch) {
		written = append(written, r.channel+"/"+r.notice.EventID)
	}
	return written
}

// CheckPage is how many orders a check of the ledger reads at a time.
const CheckPage = checkPage

// HotPool is the pool of the statements that run all the time.
func (d *DB) HotPool() *pgxpool.Pool { return d.hot }

// MonthOf is the name of the month of a time.
func MonthOf(t time.Time) string { return monthOf(t).Name }

// Seal begins to take a month out, and gets no further.
func (d *DB) Seal(ctx context.Context, t time.Time) error { return d.seal(ctx, monthOf(t)) }

// MaintenanceLock is held by whoever keeps the tables in shape.
const MaintenanceLock = maintenanceLock

// UndeliveredQuery is what a page of the list of what an endpoint has yet to
// acknowledge is read with.
func (d *DB) UndeliveredQuery(f merchant.UndeliveredFilter) string { return d.undelivered(f).String() }

// Undone says whether an error means that nothing was written.
func Undone(err error) bool { return undone(err) }
