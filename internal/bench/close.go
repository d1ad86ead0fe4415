package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	load := Load{Clients: 1, Rate: o.Rate, Window: profiled, Drain: time.Minute, Think: o.Think}
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

// profiled is how long the service is profiled from the second on, where a
// profile is wanted.
const profiled = 20 * time.Second

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
	saved := make(chan error, 1)
	go func() { saved <- r.profiles(ctx) }()
	defer func() { err = errors.Join(err, <-saved) }()
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
