package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/orderflow/orderflow/db"
)

// NotifyOptions are a measurement of how fast merchants are told what waits for
// them.
type NotifyOptions struct {
	Notices    int64 // of orders that have just been paid
	Rounds     int
	Statements bool          // count PostgreSQL's statements, which costs a little of each
	Limit      time.Duration // how long it may take
	Think      time.Duration // as in Load

	Program         []string // as in Options
	Database, Redis string   // as in Options
	Profile         string   // as in Options, of the first process

	Say  func(string)                    // as in Options
	Done func(crew string, v *NotifyRun) // is told of each run; it may be nil
}

// Check says what cannot be.
func (o NotifyOptions) Check() error {
	switch {
	case o.Notices < 100 || o.Notices > 10_000_000:
		return errors.New("notices: want 100 to 10000000")
	case o.Rounds < 1:
		return errors.New("rounds: want 1 or more")
	case o.Limit < time.Second:
		return errors.New("limit: want 1s or more")
	}
	return nil
}

// crews are the services that are measured. The relay comes last: when it hands
// over the first notice, everybody is there.
var crews = []struct {
	name    string
	members []member
}{
	{"1 process", []member{{"process 1", "relay,worker"}}},
	{"2 processes", []member{{"process 1", "relay,worker"}, {"process 2", "relay,worker"}}},
	{"2 workers and a relay", []member{{"worker 1", "worker"}, {"worker 2", "worker"}, {"relay", "relay"}}},
}

// MeasureNotify has each crew in turn, in each round, tell merchants what waits
// in the outbox, all on the same servers and each time on a fresh database. It
// ends with the first run that is wrong; what was measured by then is there.
func MeasureNotify(ctx context.Context, o NotifyOptions) (*Notified, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	g := &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
	if err := g.open(ctx, o.Statements); err != nil {
		return nil, err
	}
	defer g.close()
	v := &Notified{At: time.Now().UTC().Truncate(time.Second), Machine: machine(), Notices: o.Notices}
	for _, c := range crews {
		v.Crews = append(v.Crews, &NotifiedBy{Crew: c.name})
	}
	for round := range o.Rounds {
		for i := range crews {
			n := (round + i) % len(crews)
			run, err := o.one(ctx, g, crews[n].members)
			if err == nil {
				v.Crews[n].Runs = append(v.Crews[n].Runs, run)
				if o.Done != nil {
					o.Done(crews[n].name, run)
				}
				err = run.Err()
			}
			if err != nil {
				return v, fmt.Errorf("round %d, %s: %w", round+1, crews[n].name, err)
			}
		}
	}
	return v, nil
}

func (o NotifyOptions) one(ctx context.Context, g *ground, crew []member) (*NotifyRun, error) {
	load := Load{Clients: 1, Window: profiled, Drain: time.Minute, Think: o.Think}
	t := &telling{NotifyOptions: o}
	t.run = &run{
		ground: g, system: &orderflow{program: o.Program, load: load, profile: o.Profile}, load: load,
		program: o.Program, profile: o.Profile, crew: crew, furnish: t.furnish,
	}
	return t.measure(ctx)
}

// telling is one run under way.
type telling struct {
	NotifyOptions
	run     *run
	counted int64 // of the notices
}

// furnish makes orders that were paid a moment ago and whose merchants have not
// been told.
func (t *telling) furnish(ctx context.Context, s site) error {
	const window, ago = 15 * time.Minute, 10 * time.Second
	d, err := db.Open(ctx, s.database, 4)
	if err != nil {
		return err
	}
	defer d.Close()
	now := time.Now().UTC()
	job := &seeding{url: s.database, db: d, say: t.run.ground.say}
	_, err = job.run(ctx, oldOrders{to: now}, waitingOrders{
		count: t.Notices, channel: "sandbox", first: ceil(now.Add(window - ago)), window: window,
		life: lives(ordered("sandbox", window), after(time.Second, paid)),
	})
	return err
}

func (t *telling) measure(ctx context.Context) (*NotifyRun, error) {
	r := t.run
	defer r.tidy()
	if err := r.surround(ctx); err != nil {
		return nil, err
	}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	if err := r.book.recall(ctx, r.watching); err != nil {
		return nil, err
	}
	if err := r.openService(ctx); err != nil {
		return nil, err
	}
	if err := t.watch(ctx); err != nil {
		return nil, err
	}
	_, findings, err := r.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return t.result(findings), nil
}

// recall writes all orders of a database down as paid and acknowledged.
func (b *book) recall(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `SELECT o.id::text, replace(a.id::text, '-', ''), o.created_at FROM orders o
		JOIN attempts a ON a.id BETWEEN o.id AND overlay(o.id::text PLACING 'ff' FROM 35)::uuid`)
	if err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	var r receipt
	var made time.Time
	_, err = pgx.ForEachRow(rows, []any{&r.order, &r.payment, &made}, func() error {
		b.keep(&life{receipt: r, due: made, made: made, called: made, acked: made})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	return nil
}

// countFrom is the share of the notices from which on is counted: while the first
// are told the processes are not warm.
const countFrom = 0.05

// watch counts from then until every merchant is told and every attempt is in
// the log.
func (t *telling) watch(ctx context.Context) (err error) {
	r := t.run
	saved := make(chan error, 1)
	go func() { saved <- r.profiles(ctx) }()
	defer func() { err = errors.Join(err, <-saved) }()
	limited, cancel := context.WithTimeoutCause(ctx, t.Limit, fmt.Errorf("not all were told within %s", t.Limit))
	defer cancel()
	before, err := t.reached(limited, countFrom)
	if err != nil {
		return err
	}
	t.counted = t.Notices - before
	if r.start, err = r.point(ctx); err != nil {
		return err
	}
	if _, err := t.reached(limited, 1); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	r.end, err = r.point(ctx)
	return err
}

// lookEvery is how exactly that is.
const lookEvery = 20 * time.Millisecond

// reached waits until a share of the notices has arrived.
func (t *telling) reached(ctx context.Context, share float64) (told int64, err error) {
	for {
		_, told, _ := t.run.book.tally()
		if float64(told) >= share*float64(t.Notices) {
			return told, nil
		}
		t.run.ground.say("%d of %d merchants told", told, t.Notices)
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-t.run.service.child.Done():
			return 0, t.run.stopService()
		case <-time.After(lookEvery):
		}
	}
}
