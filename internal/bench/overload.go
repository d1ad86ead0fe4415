package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Steps are what is offered when nobody says otherwise, in peaks: as much as it can
// take, twice and three times that, and then half of it, at once, to see it recover.
func Steps() []float64 { return []float64{1, 2, 3, 0.5} }

// Overload finds the most that an Orderflow can take, then offers it more.
// Afterwards everything that was let in must be where it should be.
func Overload(ctx context.Context, o Options, steps []float64) (*Overloaded, error) {
	if err := o.Load.check(); err != nil {
		return nil, err
	}
	if o.Load.Rate > 0 || o.Load.Unpaid > 0 {
		return nil, errors.New("the rates follow from the peak, and every order is paid")
	}
	for _, f := range steps {
		if !(f > 0 && f <= 10) { // NaN is neither
			return nil, fmt.Errorf("a step of %g times the peak: want more than 0, and 10 at most", f)
		}
	}
	g := &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
	if err := g.open(ctx, false); err != nil {
		return nil, err
	}
	defer g.close()
	v := &overload{
		run:     &run{ground: g, system: &orderflow{program: o.Program, load: o.Load}, load: o.Load, program: o.Program},
		factors: steps,
	}
	v.run.lasts = time.Duration(len(withPeaks(steps))) * (o.Load.Warm + o.Load.Window)
	return v.measure(ctx)
}

// overload is one run in steps, on one service that is never given a rest
// between them.
type overload struct {
	*run
	factors []float64
	steps   []*stage
	living  sync.WaitGroup // every order's life
	wires   *wires         // of all steps
}

// stage is a while of one load, and what was used within its window.
type stage struct {
	name       string
	factor     float64 // of the peak; 0: the closed loop
	rate       float64
	start, end point
	missed     int64
}

func (v *overload) measure(ctx context.Context) (*Overloaded, error) {
	defer v.tidy()
	if err := v.setUp(ctx); err != nil {
		return nil, err
	}
	v.wires = newWires(v.site.addr)
	err := v.climb(ctx)
	v.ground.say("waiting for what is under way")
	v.living.Wait()
	v.wires.close()
	if err != nil {
		return nil, err
	}
	if err := v.drain(ctx); err != nil {
		return nil, err
	}
	_, findings, err := v.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return v.overloaded(findings), nil
}

// climb goes through the steps. The peak is the closed loop's: it offers no more
// than is taken.
func (v *overload) climb(ctx context.Context) error {
	for _, f := range withPeaks(v.factors) {
		next := &stage{name: peak}
		if f > 0 {
			next = &stage{name: fmt.Sprintf("%gx", f), factor: f, rate: f * v.lastPeak()}
			if next.rate == 0 {
				return fmt.Errorf("no lifecycle was completed within %s: give it a longer --window", v.load.Window)
			}
		}
		if err := v.step(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// withPeaks puts a peak, 0, before each step and at the end, as the machine may be
// another by then and the database is a fuller one; but not between more than it
// can take and less, which follows at once.
func withPeaks(factors []float64) []float64 {
	var all []float64
	for i, f := range factors {
		if recovers := i > 0 && factors[i-1] > 1 && f < 1; !recovers {
			all = append(all, 0)
		}
		all = append(all, f)
	}
	return append(all, 0)
}

// peak is the name of the closed loop's steps.
const peak = "peak"

func (v *overload) lastPeak() float64 {
	for _, s := range slices.Backward(v.steps) {
		if s.factor == 0 {
			return v.goodput(s)
		}
	}
	return 0
}

func (v *overload) step(ctx context.Context, s *stage) (err error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	load := v.load
	load.Rate = s.rate
	b := &buyers{system: v.system, site: v.site, load: load, book: v.book, wires: v.wires}
	b.n.Store(int64(len(v.steps)) * 100_000_000) // no two orders have one number
	v.steps = append(v.steps, s)
	v.living.Go(func() { b.run(loading) })
	if err := v.wait(ctx, s.name+": warming up", v.load.Warm); err != nil {
		return err
	}
	missed := v.book.notBegun()
	if s.start, err = v.point(ctx); err != nil {
		return err
	}
	if err := v.wait(ctx, s.name+": measuring", v.load.Window); err != nil {
		return err
	}
	s.end, err = v.point(ctx)
	s.missed = v.book.notBegun() - missed
	return err
}

func (s *stage) seconds() float64 { return s.end.at.Sub(s.start.at).Seconds() }

func (s *stage) holds(t time.Time) bool { return t.After(s.start.at) && !t.After(s.end.at) }

// goodput is complete lifecycles a second.
func (v *overload) goodput(s *stage) float64 {
	n := 0
	for _, l := range v.book.all() {
		if v.book.toldWithin(l, s) {
			n++
		}
	}
	return float64(n) / s.seconds()
}

// shares are how much of the machine each process took.
func (s *stage) shares() map[string]float64 {
	shares := map[string]float64{}
	for name, seconds := range s.end.cpu.since(s.start.cpu) {
		shares[name] = seconds / s.seconds() / float64(runtime.NumCPU())
	}
	return shares
}
