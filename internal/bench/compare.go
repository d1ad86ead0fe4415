package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// CompareOptions are a comparison of Orderflow with the baselines.
type CompareOptions struct {
	Load        Load
	Rounds      int
	Program     []string // as in Options
	Bare, River string   // the baselines' programs

	Database, Redis string // as in Options

	Say  func(string)  // as in Options
	Done func(*Result) // is told of each run; it may be nil
}

// Comparison is what several systems came to, in rounds.
type Comparison struct {
	Targets []string             `json:"targets"` // the order in which they are shown
	Results map[string][]*Result `json:"results"` // by target, a result a round
}

// The targets.
const (
	Bare      = "bare"
	River     = "river"
	Orderflow = "orderflow"
)

// Compare measures the systems in turn, on the same servers, each time on a
// fresh database. Each round begins with another of them, so that what a
// neighbour on the machine does hits all alike. It ends with the first run that
// is wrong.
func Compare(ctx context.Context, o CompareOptions) (*Comparison, error) {
	if err := o.Load.check(); err != nil {
		return nil, err
	}
	for _, program := range []*string{&o.Bare, &o.River} { // a service runs in a directory of its own
		path, err := filepath.Abs(*program)
		if err != nil {
			return nil, err
		}
		*program = path
	}
	g := &ground{database: o.Database, redis: o.Redis, say: speaker(o.Say)}
	if err := g.open(ctx, false); err != nil { // counting statements would cost the one that sends most
		return nil, err
	}
	defer g.close()
	c := &Comparison{Targets: []string{Bare, River, Orderflow}, Results: map[string][]*Result{}}
	for round := range o.Rounds {
		for i := range c.Targets {
			target := c.Targets[(round+i)%len(c.Targets)]
			v, err := o.one(ctx, g, target)
			if err != nil {
				return c, fmt.Errorf("round %d, %s: %w", round+1, target, err)
			}
			c.Results[target] = append(c.Results[target], v)
			if o.Done != nil {
				o.Done(v)
			}
			if err := v.Err(); err != nil {
				return c, fmt.Errorf("round %d: %w", round+1, err)
			}
		}
	}
	return c, nil
}

func (o CompareOptions) one(ctx context.Context, g *ground, target string) (*Result, error) {
	systems := map[string]system{
		Bare:      &baseline{title: Bare, program: o.Bare},
		River:     &baseline{title: River, program: o.River},
		Orderflow: &orderflow{program: o.Program, load: o.Load},
	}
	return (&run{ground: g, system: systems[target], load: o.Load, program: o.Program}).measure(ctx)
}

// Spread is a figure over the rounds.
type Spread struct{ Median, Min, Max float64 }

// Of is the spread of a figure of one target.
func (c *Comparison) Of(target string, figure func(*Result) float64) Spread {
	return over(c.Results[target], figure)
}

// Ratio is the spread of a target's lifecycles/s over another's, in the same
// round.
func (c *Comparison) Ratio(target, to string) Spread {
	var list []float64
	for i := range min(len(c.Results[target]), len(c.Results[to])) {
		list = append(list, c.Results[target][i].PerSecond/c.Results[to][i].PerSecond)
	}
	return spread(list)
}

func spread(list []float64) (s Spread) {
	if len(list) == 0 {
		return s
	}
	slices.Sort(list)
	half := len(list) / 2
	s = Spread{Median: list[half], Min: list[0], Max: list[len(list)-1]}
	if len(list)%2 == 0 {
		s.Median = (list[half-1] + list[half]) / 2
	}
	return s
}
