package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/order"
)

// CloseOptions are a measurement of many orders whose time is over in the same
// second.
type CloseOptions struct {
	Orders    int64
	NoPayment bool          // nobody asked to pay them: no channel has to be asked
	Rate      float64       // orders a second that go on being taken and paid; 0: none
	Lead      time.Duration // from when the service is up until they are due
	Limit     time.Duration // how long their closing may take
	Think     time.Duration // as in Load

	Program         []string // as in Options
	Database, Redis string   // as in Options
	Profile         string   // as in Options, while they are closed
	Say             func(string)
}

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

// Check says what cannot be.
func (o CloseOptions) Check() error {
	switch {
	case o.Orders < 1 || o.Orders > 100_000_000:
		return errors.New("orders: want 1 to 100000000")
	case !(o.Rate >= 0 && o.Rate <= 100_000): // NaN is neither
		return errors.New("rate: want 0 to 100000 orders a second")
	case o.Lead < time.Second || o.Lead > 10*time.Minute:
		return errors.New("lead: want 1s to 10m")
	case o.Limit < time.Second:
		return errors.New("limit: want 1s or more")
	}
	return nil
}

// MeasureClose measures how late orders are closed that are all due in the same
// second, and what the others notice of it. The result is there, and says what
// is wrong, also when not all were closed.
func MeasureClose(ctx context.Context, o CloseOptions) (*Closed, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	g := &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
	if err := g.open(ctx, false); err != nil {
		return nil, err
	}
	defer g.close()
	load := Load{Clients: 1, Rate: o.Rate, Drain: time.Minute, Think: o.Think}
	c := &closing{CloseOptions: o, system: &orderflow{program: o.Program, load: load, profile: o.Profile}}
	c.run = &run{ground: g, system: c.system, load: load, program: o.Program, profile: o.Profile, furnish: c.furnish}
	return c.measure(ctx)
}

// closing is the measurement under way.
type closing struct {
	CloseOptions
	system *orderflow
	run    *run
	first  order.ID  // no order of those has an id below it, and none of the traffic one
	due    time.Time // when they are to be closed
	clear  time.Time // when none was open any more
}

// before is how long the traffic is looked at before the orders are due.
const before = 10 * time.Second

// channel is where they could have been paid.
func (c *closing) channel() string {
	if c.NoPayment {
		return ""
	}
	return "sandbox"
}

// furnish makes the orders: all were made in the same second, a quarter of an
// hour before they are due. When that is must be known before they are written:
// it is guessed how long that takes, generously.
func (c *closing) furnish(ctx context.Context, s site) error {
	const window, perSecond, more = 15 * time.Minute, 8000, 5 * time.Second
	writing := time.Duration(float64(c.Orders)/perSecond*float64(time.Second)) + more
	c.due = ceil(time.Now().UTC().Add(writing + c.Lead))
	c.first = firstID(c.due.Add(-window - time.Second))
	d, err := db.Open(ctx, s.database, 4)
	if err != nil {
		return err
	}
	defer d.Close()
	job := &seeding{url: s.database, db: d, say: c.run.ground.say}
	_, err = job.run(ctx, oldOrders{to: time.Now()}, waitingOrders{count: c.Orders, channel: c.channel(), first: c.due, window: window})
	c.system.since = firstID(time.Now())
	return err
}

func (c *closing) measure(ctx context.Context) (*Closed, error) {
	defer c.run.tidy()
	if err := c.run.setUp(ctx); err != nil {
		return nil, err
	}
	if left := time.Until(c.due); left < time.Second {
		return nil, fmt.Errorf("making %d orders took longer than was thought, they were due before the service was up: give a --lead of %s", c.Orders, c.Lead-left+10*time.Second)
	}
	if err := c.loaded(ctx); err != nil {
		return nil, err
	}
	return c.inspect(ctx)
}

// loaded has traffic while the orders come due and are closed.
func (c *closing) loaded(ctx context.Context) error {
	r := c.run
	loading, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c.Rate > 0 {
			(&buyers{system: r.system, site: r.site, load: r.load, book: r.book}).run(loading)
		}
	}()
	err := r.wait(loading, "waiting for the second, ", time.Until(c.due))
	if err == nil {
		err = c.watch(loading)
	}
	stop()
	<-done
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	return r.drain(ctx)
}

// watch waits until none of the orders is open, or the limit. A little more
// traffic follows, so that what was under way counts.
func (c *closing) watch(ctx context.Context) (err error) {
	r := c.run
	profiled := make(chan error, 1)
	go func() { profiled <- r.profiles(ctx) }()
	defer func() { err = errors.Join(err, <-profiled) }()
	if r.start, err = r.point(ctx); err != nil {
		return err
	}
	for {
		open, err := c.open(ctx)
		if err != nil {
			return err
		}
		now := time.Now()
		if open == 0 || now.Sub(c.due) > c.Limit {
			c.clear = now
			break
		}
		r.ground.say("%s after the second: %d of %d still open", now.Sub(c.due).Round(100*time.Millisecond), open, c.Orders)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.service.child.Done():
			return r.stopService()
		case <-time.After(watchEvery):
		}
	}
	r.end, err = r.point(ctx)
	return err
}

// watchEvery is how exact AllClosed is. It is not more, because looking costs.
const watchEvery = 250 * time.Millisecond

// those narrows orders o to those that are to be closed.
func (c *closing) those() string {
	return " o.id >= '" + c.first.String() + "' AND o.id < '" + c.system.since.String() + "'"
}

// open is how many of them are not closed. Their rows in the outbox are counted
// first: as long as there are any, more need not be read.
func (c *closing) open(ctx context.Context) (n int64, err error) {
	n, err = one(ctx, c.run.watching, "SELECT count(*) FROM outbox WHERE kind = 'order:close' AND subject >= '"+c.first.String()+"' AND subject < '"+c.system.since.String()+"'")
	if err == nil && n == 0 {
		n, err = one(ctx, c.run.watching, "SELECT count(*) FROM orders o WHERE status <> 'closed' AND"+c.those())
	}
	if err != nil {
		err = fmt.Errorf("look for orders that are not closed: %w", err)
	}
	return n, err
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
