package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/access"
)

// IsolationOptions are a measurement of what merchants whose endpoints are well
// notice of those whose endpoints hang.
type IsolationOptions struct {
	Endpoints int           // each a merchant's own, at a port of its own
	Shares    []float64     // of them that hang, from step to step
	Hang      time.Duration // how long those keep whoever tells them something
	Rate      float64       // paid orders a second, over all merchants
	Workers   int           // processes that send notices
	Plain     bool          // measure the plain queue beside it
	Rounds    int           // how often each step is measured
	Warm      time.Duration // not counted
	Window    time.Duration // counted
	Drain     time.Duration // how long what is under way may take, once nobody hangs any more
	Think     time.Duration // as in Load

	Program         []string // as in Options
	Database, Redis string   // as in Options

	Say func(string) // as in Options
	// Done is told of each run and the share that hung in it. It may be nil.
	Done func(share float64, v *IsolationRun)
}

// Check says what cannot be.
func (o IsolationOptions) Check() error {
	switch {
	case o.Endpoints < 1 || o.Endpoints > 10_000:
		return errors.New("endpoints: want 1 to 10000")
	case len(o.Shares) == 0 || slices.ContainsFunc(o.Shares, func(s float64) bool { return !(s >= 0 && s < 1) }): // NaN is not
		return errors.New("hanging: want shares from 0 to below 1, such as 0,0.4")
	case o.Hang <= 0 || o.Hang > time.Hour:
		return errors.New("hang: want a time of up to 1h")
	case !(o.Rate > 0):
		return errors.New("rate: want more than 0 orders a second")
	case o.Workers < 1 || o.Workers > 64:
		return errors.New("workers: want 1 to 64 processes")
	case o.Rounds < 1:
		return errors.New("rounds: want 1 or more")
	}
	return o.load().check()
}

func (o IsolationOptions) load() Load {
	return Load{Clients: 1, Rate: o.Rate, Warm: o.Warm, Window: o.Window, Drain: o.Drain, Think: o.Think}
}

// crew is the service in parts, so that what each costs is seen.
func (o IsolationOptions) crew() []member {
	list := []member{{"api", "api"}, {"relay", "relay"}}
	for n := range o.Workers {
		list = append(list, member{fmt.Sprintf("worker %d", n+1), "worker"})
	}
	return list
}

// MeasureIsolation measures every share in turn, in each round and beside the
// plain queue, all on the same servers and each time on a fresh database. It
// ends with the first run that is wrong; what was measured by then is there.
func MeasureIsolation(ctx context.Context, o IsolationOptions) (*Isolation, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	g := &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
	if err := g.open(ctx, false); err != nil {
		return nil, err
	}
	defer g.close()
	v := &Isolation{At: time.Now().UTC().Truncate(time.Second), Machine: machine(), Endpoints: o.Endpoints, Rate: o.Rate, Hang: o.Hang.Seconds(), Workers: o.Workers}
	for _, share := range o.Shares {
		v.Steps = append(v.Steps, &IsolationStep{Hanging: share})
	}
	for round := range o.Rounds {
		for _, s := range v.Steps {
			for _, plain := range o.modes(round) {
				if err := o.one(ctx, g, s, plain); err != nil {
					return v, fmt.Errorf("round %d, %s: %w", round+1, IsolationTitle(s.Hanging, plain), err)
				}
			}
		}
	}
	return v, nil
}

// modes are the two queues, the other one first in every other round.
func (o IsolationOptions) modes(round int) []bool {
	switch {
	case !o.Plain:
		return []bool{false}
	case round%2 == 1:
		return []bool{true, false}
	}
	return []bool{false, true}
}

func (o IsolationOptions) one(ctx context.Context, g *ground, s *IsolationStep, plain bool) error {
	sys := &clinic{
		orderflow: &orderflow{program: o.Program, load: o.load(), sellers: o.Endpoints, plain: plain},
		doors:     Doors{Count: o.Endpoints, Hanging: s.Hanging, For: o.Hang}, title: IsolationTitle(s.Hanging, plain),
	}
	w := &ward{
		run:    &run{ground: g, system: sys, load: o.load(), program: o.Program, doors: sys.doors, crew: o.crew(), furnish: sys.furnish},
		clinic: sys,
	}
	v, err := w.measure(ctx)
	if err != nil {
		return err
	}
	if plain {
		s.Plain = append(s.Plain, v)
	} else {
		s.Isolated = append(s.Isolated, v)
	}
	if o.Done != nil {
		o.Done(s.Hanging, v)
	}
	return v.Err()
}

// IsolationTitle names a share and a queue.
func IsolationTitle(share float64, plain bool) string {
	queue := "isolated"
	if plain {
		queue = "plain queue"
	}
	return fmt.Sprintf("%s hang, %s", percent(share), queue)
}

// operatorName is who reads the metrics.
const operatorName = "bench_operator"

// furnish lets the metrics be read.
func (c *clinic) furnish(ctx context.Context, s site) error {
	d, err := db.Open(ctx, s.database, 1)
	if err != nil {
		return err
	}
	defer d.Close()
	key, hash := access.NewKey(access.Operator)
	c.operator = key
	return d.PutKey(ctx, hash, operatorName, access.Operator, "")
}
