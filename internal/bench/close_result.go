package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Closed is what it came to.
type Closed struct {
	At      time.Time `json:"at"`
	Machine string    `json:"machine"`
	Orders  int64     `json:"orders"`
	Channel string    `json:"channel,omitempty"` // that had to be asked about each
	Rate    float64   `json:"rate,omitempty"`

	// Begun is how long after an order's row was due its worker had it, Closed how
	// long after its expiry it was closed, the channel's word included. Both are
	// of the order's own timeline.
	Begun  Latency `json:"begun_lateness_ms"`
	Closed Latency `json:"closed_lateness_ms"`
	// AllClosed is when, after the second in which all were due, no more was seen
	// open: the last commit included.
	AllClosed float64            `json:"all_closed_seconds"`
	PerSecond float64            `json:"closes_per_second"`
	CPU       map[string]float64 `json:"cpu_seconds"` // by process, until then

	Before Traffic `json:"traffic_before"`
	During Traffic `json:"traffic_during"`

	Errors   map[string]int64 `json:"errors"`
	Missed   int64            `json:"missed"`
	Verified bool             `json:"verified"`
	Findings []string         `json:"findings,omitempty"`
}

// Traffic is what was taken and paid in a while.
type Traffic struct {
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"lifecycles_per_second"`
	Intake    Latency `json:"intake_ms"`
	Notice    Latency `json:"callback_to_merchant_ms"`
}

func (c *closing) inspect(ctx context.Context) (*Closed, error) {
	_, findings, err := c.run.inspect(ctx)
	if err != nil {
		return nil, err
	}
	more, err := c.verify(ctx)
	if err != nil {
		return nil, err
	}
	v := c.result(append(more, findings...))
	conn := c.run.watching
	if v.Begun, err = c.lateness(ctx, conn, "SELECT e.at, o.expire_at FROM orders o JOIN order_events e ON e.order_id = o.id AND e.type = 'order.closing' WHERE"+c.those()); err != nil {
		return nil, err
	}
	v.Closed, err = c.lateness(ctx, conn, "SELECT o.closed_at, o.expire_at FROM orders o WHERE o.closed_at IS NOT NULL AND"+c.those())
	return v, err
}

// verify says what is wrong with the orders that were to be closed.
func (c *closing) verify(ctx context.Context) (findings []string, err error) {
	for _, r := range []struct{ says, sql string }{
		{"%d of them are gone, or more", fmt.Sprintf("SELECT abs(count(*) - %d) FROM orders o WHERE", c.Orders) + c.those()},
		{"%d of them are not closed", "SELECT count(*) FROM orders o WHERE status <> 'closed' AND" + c.those()},
		{"%d were closed before their time", "SELECT count(*) FROM orders o WHERE closed_at < expire_at AND" + c.those()},
		{"%d pieces of stock are still held", "SELECT coalesce(sum(held), 0)::bigint FROM stock"},
	} {
		n, err := one(ctx, c.run.watching, r.sql)
		if err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
		if n != 0 {
			findings = append(findings, "of the orders that were due together: "+fmt.Sprintf(r.says, n))
		}
	}
	return findings, nil
}

func (c *closing) lateness(ctx context.Context, conn *pgx.Conn, sql string) (Latency, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return Latency{}, fmt.Errorf("read how late orders were closed: %w", err)
	}
	var at, due time.Time
	var list []time.Duration
	_, err = pgx.ForEachRow(rows, []any{&at, &due}, func() error {
		list = append(list, at.Sub(due))
		return nil
	})
	return latency(list), err
}

func (c *closing) result(findings []string) *Closed {
	r, took := c.run, c.clear.Sub(c.due).Seconds()
	return &Closed{
		At: c.due, Machine: machine(), Orders: c.Orders, Channel: c.channel(), Rate: c.Rate,
		AllClosed: took, PerSecond: float64(c.Orders) / took, CPU: r.end.cpu.since(r.start.cpu),
		Before: r.book.traffic(c.due.Add(-before), c.due), During: r.book.traffic(c.due, c.clear),
		Errors: r.book.errors, Missed: r.book.missed, Verified: len(findings) == 0, Findings: findings,
	}
}

// traffic is what was due between two times and went through, whenever it did.
func (b *book) traffic(from, to time.Time) Traffic {
	var intake, notice []time.Duration
	for _, l := range b.all() {
		if l.due.Before(from) || !l.due.Before(to) {
			continue
		}
		intake = append(intake, l.made.Sub(l.due))
		if !l.told.IsZero() {
			notice = append(notice, l.told.Sub(l.called))
		}
	}
	t := Traffic{Seconds: to.Sub(from).Seconds(), Intake: latency(intake), Notice: latency(notice)}
	t.PerSecond = float64(len(notice)) / t.Seconds
	return t
}

// Rows show the result.
func (v *Closed) Rows() []Row {
	rows := []Row{
		{"begun, after they were due", v.Begun.String()},
		{"closed, after they were due", v.Closed.String()},
		{"all closed", fmt.Sprintf("after %.1f s, %.0f/s", v.AllClosed, v.PerSecond)},
	}
	if v.Rate > 0 {
		rows = append(
			rows,
			Row{"traffic before", v.Before.String()},
			Row{"traffic meanwhile", v.During.String()},
		)
	}
	for _, name := range processes(v.CPU) {
		rows = append(rows, Row{"processors meanwhile, " + name, fmt.Sprintf("%.2f", v.CPU[name]/v.AllClosed)})
	}
	failed := (&Result{Errors: v.Errors, Missed: v.Missed}).errors()
	return append(rows, Row{"errors", failed}, Row{"verified", v.verdict()})
}

func (t Traffic) String() string {
	return fmt.Sprintf("%.0f lifecycles/s; intake %s; callback to merchant %s", t.PerSecond, t.Intake, t.Notice)
}

func (v *Closed) verdict() string {
	if v.Verified {
		return fmt.Sprintf("yes: all %d orders are closed, and their stock is back", v.Orders)
	}
	return fmt.Sprintf("NO: %d findings", len(v.Findings))
}

// Err is nil when all were closed and nothing is wrong.
func (v *Closed) Err() error {
	if !v.Verified {
		return fmt.Errorf("not all is as it should be, findings: %d; the first is: %s", len(v.Findings), v.Findings[0])
	}
	return nil
}
