package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// GrowthOptions are a measurement of one Orderflow as its database grows.
type GrowthOptions struct {
	Load   Load
	Rounds int
	Sizes  []int64 // old orders, from step to step; each with the first of Closes
	Closes []int64 // waiting orders; the others come on top of the largest size
	Days   int     // over which old orders are spread
	Audit  bool    // look through the whole grown database in the end

	Program         []string // as in Options
	Database, Redis string   // as in Options

	Say  func(string)               // as in Options
	Step func(*GrowthStep)          // is told of each step before it is measured; it may be nil
	Ran  func(grown, empty *Result) // is told of each round; it may be nil
}

// Growth is what an Orderflow came to beside an empty one, step by step.
type Growth struct {
	At       time.Time     `json:"at"`
	Machine  string        `json:"machine"`
	Steps    []*GrowthStep `json:"steps"`
	Audited  bool          `json:"audited"` // the whole of the grown database was looked through in the end
	Findings []string      `json:"findings,omitempty"`
}

// GrowthStep is one size of the database. Round for round, an empty and the
// grown one were measured one right after the other.
type GrowthStep struct {
	Orders int64     `json:"old_orders"`
	Closes int64     `json:"waiting_orders"`
	Bytes  int64     `json:"database_bytes"`
	Seeded *Seeded   `json:"seeded,omitempty"` // what came with this step
	Empty  []*Result `json:"empty"`
	Grown  []*Result `json:"grown"`
}

// Check says what cannot be.
func (o GrowthOptions) Check() error {
	if err := o.Load.check(); err != nil {
		return err
	}
	sound := func(list []int64, most int64) bool {
		return len(list) > 0 && slices.IsSorted(list) && len(slices.Compact(slices.Clone(list))) == len(list) && list[0] >= 0 && list[len(list)-1] <= most
	}
	switch {
	case o.Rounds < 1 || o.Rounds > 1000:
		return errors.New("rounds: want 1 to 1000")
	case !sound(o.Sizes, 1_000_000_000):
		return errors.New("sizes: want numbers of orders, each greater than the one before, such as 0,1000000")
	case !sound(o.Closes, 100_000_000):
		return errors.New("closes: want numbers of orders, each greater than the one before, such as 0,100000")
	case o.Days < 1 || o.Days > 3650:
		return errors.New("days: want 1 to 3650")
	}
	return nil
}

// steps are every size, and then the largest with more and more that waits.
func (o GrowthOptions) steps() (list []*GrowthStep) {
	for _, size := range o.Sizes {
		list = append(list, &GrowthStep{Orders: size, Closes: o.Closes[0]})
	}
	for _, closes := range o.Closes[1:] {
		list = append(list, &GrowthStep{Orders: o.Sizes[len(o.Sizes)-1], Closes: closes})
	}
	return list
}

// MeasureGrowth measures an Orderflow on a database that grows from step to
// step, each time beside one on an empty database, on servers of its own where
// none are given. The machine drifts: only the two of one round can be compared.
// It ends with the first run that is wrong.
func MeasureGrowth(ctx context.Context, o GrowthOptions) (*Growth, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	m := &growing{GrowthOptions: o, result: &Growth{At: time.Now().UTC().Truncate(time.Second), Machine: machine()}}
	for _, g := range []**ground{&m.empty, &m.grown} {
		*g = &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
		if err := (*g).open(ctx, false); err != nil {
			return nil, err
		}
		defer (*g).close()
	}
	return m.result, m.run(ctx)
}

// growing is the measurement under way.
type growing struct {
	GrowthOptions
	empty, grown *ground
	url          string // of the grown database
	orders       int64  // that were put there
	closes       int64
	result       *Growth
}

func (m *growing) run(ctx context.Context) (err error) {
	if m.url, err = m.grown.clear(ctx); err != nil {
		return err
	}
	for _, step := range m.steps() {
		if err := m.grow(ctx, step); err != nil {
			return fmt.Errorf("grow to %d old and %d waiting orders: %w", step.Orders, step.Closes, err)
		}
		m.result.Steps = append(m.result.Steps, step)
		if m.Step != nil {
			m.Step(step)
		}
		for round := range m.Rounds {
			if err := m.round(ctx, step, round); err != nil {
				return fmt.Errorf("%d old and %d waiting orders, round %d: %w", step.Orders, step.Closes, round+1, err)
			}
		}
	}
	return m.lookThrough(ctx)
}

// grow adds what the step has more than the one before.
func (m *growing) grow(ctx context.Context, step *GrowthStep) (err error) {
	more, wait := step.Orders-m.orders, step.Closes-m.closes
	if more+wait > 0 {
		step.Seeded, err = Seed(ctx, SeedOptions{
			Orders: more, Days: m.Days, Closes: wait, ClosesIn: time.Hour, ClosesWithin: 24 * time.Hour, Add: true, Database: m.url, Say: m.Say,
		})
		if err != nil {
			return err
		}
	}
	m.orders, m.closes = step.Orders, step.Closes
	conn, err := pgx.Connect(ctx, m.url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	step.Bytes, err = one(ctx, conn, "SELECT pg_database_size(current_database())")
	return err
}

// round measures both, each round in the other order.
func (m *growing) round(ctx context.Context, step *GrowthStep, round int) error {
	turns := []bool{false, true} // the grown one?
	if round%2 == 1 {
		slices.Reverse(turns)
	}
	for _, grown := range turns {
		r := &run{ground: m.empty, system: &orderflow{program: m.Program, load: m.Load, lived: grown}, load: m.Load, program: m.Program}
		list := &step.Empty
		if grown {
			r.ground, r.stays, list = m.grown, m.url, &step.Grown
		}
		v, err := r.measure(ctx)
		if err != nil {
			return err
		}
		*list = append(*list, v)
		if err := v.Err(); err != nil {
			return err
		}
	}
	if m.Ran != nil {
		m.Ran(step.Grown[round], step.Empty[round])
	}
	return nil
}

// lookThrough audits the grown database as a whole: after each run only what
// the run made was looked at. Its statistics are of before the runs, when no
// order was on its way: with those the audit would take hours.
func (m *growing) lookThrough(ctx context.Context) (err error) {
	if !m.Audit {
		return nil
	}
	if err := tidyUp(ctx, m.url, m.grown.say); err != nil {
		return err
	}
	m.grown.say("looking through the whole grown database")
	m.result.Findings, err = audit(ctx, m.url)
	if m.result.Audited = err == nil; err == nil && len(m.result.Findings) > 0 {
		err = fmt.Errorf("the grown database is wrong, findings: %d; the first is: %s", len(m.result.Findings), m.result.Findings[0])
	}
	return err
}

// Of is the spread of a figure over the rounds of the grown database.
func (s *GrowthStep) Of(figure func(*Result) float64) Spread { return over(s.Grown, figure) }

// Beside is the same of the empty one.
func (s *GrowthStep) Beside(figure func(*Result) float64) Spread { return over(s.Empty, figure) }

// Ratio is the grown database's lifecycles/s over the empty one's, in the same
// round.
func (s *GrowthStep) Ratio() Spread {
	var list []float64
	for i := range min(len(s.Grown), len(s.Empty)) {
		list = append(list, s.Grown[i].PerSecond/s.Empty[i].PerSecond)
	}
	return spread(list)
}

func over[R any](results []R, figure func(R) float64) Spread {
	var list []float64
	for _, v := range results {
		list = append(list, figure(v))
	}
	return spread(list)
}
