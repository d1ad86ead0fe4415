package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// SeedOptions say what a database is to be filled with.
type SeedOptions struct {
	Orders       int64         // old ones, at rest
	Days         int           // over so many days, up to now
	Closes       int64         // orders that may still be paid
	ClosesIn     time.Duration // when the first of them is to be closed
	ClosesWithin time.Duration // and within which time after it all are
	Add          bool          // also to a database that has orders
	Streams      int           // of COPY, side by side; 0: as many as the machine can use

	Database string

	Plan func(SeedPlan) // is told what will be done, before it is; it may be nil
	Say  func(string)   // as in Options
}

// SeedPlan is what a seeding will come to.
type SeedPlan struct {
	Database    string // without its password
	Rows        int64
	Bytes       int64     // of the rows themselves; with indexes it is more
	From, To    time.Time // when orders were made
	First, Last time.Time // when orders are to be closed
}

// Check says what cannot be.
func (o SeedOptions) Check() error {
	switch {
	case o.Orders < 0 || o.Orders > 1_000_000_000:
		return errors.New("orders: want 0 to 1000000000")
	case o.Closes < 0 || o.Closes > 100_000_000:
		return errors.New("closes: want 0 to 100000000")
	case o.Orders == 0 && o.Closes == 0:
		return errors.New("orders, closes: want some of one or both")
	case o.Days < 1 || o.Days > 3650:
		return errors.New("days: want 1 to 3650")
	case o.ClosesWithin < time.Second || o.ClosesIn+o.ClosesWithin > order.MaxPayWindow-time.Hour:
		return errors.New("closes-within: want 1s to 29 days")
	case o.Streams < 0 || o.Streams > 64:
		return errors.New("streams: want 1 to 64, or 0 for as many as the machine can use")
	}
	return nil
}

// Seed fills a database with orders by COPY, in transactions that are each
// whole: where it is broken off the books add up. Merchants, stock and, for
// those who have none, an endpoint that is paused and has no secret are made as
// well. In the end
// it vacuums and has what was written put on disk.
func Seed(ctx context.Context, o SeedOptions) (*Seeded, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	d, err := db.Open(ctx, o.Database, 4)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if _, err := d.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := empty(ctx, d); err != nil && !o.Add {
		return nil, fmt.Errorf("%w: fill a fresh one, or add to it with --add", err)
	}
	now := time.Now().UTC()
	old := oldOrders{count: o.Orders, from: now.AddDate(0, 0, -o.Days), to: now}
	wait := waitingOrders{count: o.Closes, channel: "sandbox", first: ceil(now.Add(o.ClosesIn)), within: o.ClosesWithin, window: ceilTo(o.ClosesIn+o.ClosesWithin+time.Minute, time.Hour)}
	s := &seeding{url: o.Database, db: d, streams: o.Streams, say: speaker(o.Say), plan: o.Plan}
	return s.run(ctx, old, wait)
}

// oldOrders are orders at rest, spread evenly over a time.
type oldOrders struct {
	count    int64
	from, to time.Time
}

// waitingOrders are orders that nobody has paid, spread evenly over the times at
// which they are to be closed.
type waitingOrders struct {
	count   int64
	channel string        // through which they could be; empty: no payment was asked for
	first   time.Time     // a whole second
	within  time.Duration // 0: all in that second
	window  time.Duration // how long they may be paid
	life    []step        // what they have been through instead of waiting to be paid, all of the first basket; nil: nothing
}

func ceil(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }

func ceilTo(d, unit time.Duration) time.Duration { return (d + unit - 1).Truncate(unit) }

// seeding is one in the making.
type seeding struct {
	url     string
	db      *db.DB
	streams int
	say     func(string, ...any)
	plan    func(SeedPlan)

	columns   [][]column
	merchants []shopFront
}

// shopFront is a merchant to whom orders go.
type shopFront struct {
	id       string
	endpoint merchant.EndpointID // that heard of them
}

func (s *seeding) run(ctx context.Context, old oldOrders, wait waitingOrders) (*Seeded, error) {
	s.say("making patterns of orders")
	kinds, err := s.patterns(ctx, old, wait)
	if err != nil {
		return nil, err
	}
	if err := s.settle(ctx); err != nil {
		return nil, err
	}
	job := newCopying(s, kinds, old, wait)
	if s.plan != nil {
		s.plan(job.plan())
	}
	from, to := job.span()
	if _, err := s.db.EnsureMonths(ctx, from, to); err != nil {
		return nil, err
	}
	if err := job.run(ctx); err != nil {
		return nil, err
	}
	v := job.result()
	began := time.Now()
	if err := tidyUp(ctx, s.url, s.say); err != nil {
		return nil, err
	}
	v.Tidying = time.Since(began).Seconds()
	return v, measureTables(ctx, s.url, v)
}

// patterns are made in a database of their own, which is gone afterwards.
func (s *seeding) patterns(ctx context.Context, old oldOrders, wait waitingOrders) (*kinds, error) {
	w, err := openWorkshop(ctx, s.url)
	if err != nil {
		return nil, err
	}
	defer w.close()
	s.columns = w.columns
	return makeKinds(ctx, w, old, wait)
}

// settle makes the merchants that are not there yet.
func (s *seeding) settle(ctx context.Context) error {
	for n := range merchants {
		m := shopFront{id: merchantID(n)}
		if _, err := s.db.PutMerchant(ctx, merchant.Merchant{ID: m.id, FeeBps: feeBps}); err != nil {
			return err
		}
		if err := keepStock(ctx, s.db, m.id); err != nil {
			return err
		}
		list, err := s.db.Endpoints(ctx, m.id)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			list = append(list, merchant.Endpoint{
				ID: ident.New[merchant.Endpoint](), MerchantID: m.id, URL: "https://" + m.id + ".example/notices", Paused: true,
				Events: seededEvents(),
			})
			if err := s.db.CreateEndpoint(ctx, list[0]); err != nil {
				return err
			}
		}
		m.endpoint = list[0].ID
		s.merchants = append(s.merchants, m)
	}
	return nil
}

// seededEvents are what seeded merchants have subscribed to.
func seededEvents() []string {
	return []string{merchant.OrderPaid, merchant.RevokeRequested, merchant.RefundSucceeded}
}

// keepStock has a merchant keep stock of what is tracked; what is there already
// stays as it is.
func keepStock(ctx context.Context, d *db.DB, id string) error {
	for sku := range tracked {
		_, err := d.Stock(ctx, id, trackedSKU(sku))
		if errors.Is(err, order.ErrNotFound) {
			_, err = d.SetStock(ctx, id, trackedSKU(sku), plenty, benchActor)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
