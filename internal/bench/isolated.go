package bench

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Isolation is what endpoints that hang meant for the others.
type Isolation struct {
	At        time.Time        `json:"at"`
	Machine   string           `json:"machine"`
	Endpoints int              `json:"endpoints"`
	Rate      float64          `json:"rate"`
	Hang      float64          `json:"hang_seconds"`
	Workers   int              `json:"workers"`
	Steps     []*IsolationStep `json:"steps"`
}

// IsolationStep is one share that hangs, a run a round.
type IsolationStep struct {
	Hanging  float64         `json:"hanging_share"`
	Isolated []*IsolationRun `json:"isolated"`
	Plain    []*IsolationRun `json:"plain,omitempty"`
}

// IsolationRun is one run of one of the two queues.
type IsolationRun struct {
	Plain   bool    `json:"plain"`
	Seconds float64 `json:"seconds"`           // of the window
	Events  float64 `json:"events_per_second"` // orders that were paid within it
	Well    int     `json:"events_of_healthy"` // of those, the ones of merchants who do not hang
	Started int     `json:"started"`           // of those, the ones whose notice arrived before anybody was mended
	Notice  Latency `json:"callback_to_merchant_ms"`

	Detached   *int64             `json:"detached,omitempty"` // attempts that left their slot, within the window
	Processors map[string]float64 `json:"processors"`         // by process, within the window

	Orders   int              `json:"orders"` // over the whole run
	Errors   map[string]int64 `json:"errors"`
	Missed   int64            `json:"missed"`
	Turned   int              `json:"turned_away,omitempty"`
	Verified bool             `json:"verified"`
	Findings []string         `json:"findings,omitempty"`
}

// Share is how many of the healthy endpoints' notices started.
func (v *IsolationRun) Share() float64 {
	if v.Well == 0 {
		return 0
	}
	return float64(v.Started) / float64(v.Well)
}

// Err is nil when something was measured and nothing was lost: every notice of a
// merchant who is well was acknowledged once, every other one is owed or was.
func (v *IsolationRun) Err() error {
	switch {
	case !v.Verified:
		return fmt.Errorf("notices are not where they should be, findings: %d; the first is: %s", len(v.Findings), v.Findings[0])
	case v.Well == 0:
		return fmt.Errorf("no order of a healthy endpoint was paid within the window: %s", v.errors())
	}
	return nil
}

func (v *IsolationRun) errors() string {
	return (&Result{Errors: v.Errors, Missed: v.Missed, Turned: v.Turned}).errors()
}

// String is a line about the run.
func (v *IsolationRun) String() string {
	line := fmt.Sprintf("%.0f events/s; healthy endpoints: %s started, %s", v.Events, percent(v.Share()), v.Notice)
	if v.Detached != nil {
		line += fmt.Sprintf("; %d detached", *v.Detached)
	}
	if why := v.errors(); why != "none" {
		line += "; " + why
	}
	return line
}

// Within is nil when, without the plain queue, all of the healthy endpoints'
// notices started, 99 of 100 in less than limit.
func (v *Isolation) Within(limit time.Duration) error {
	for _, s := range v.Steps {
		for _, r := range s.Isolated {
			if r.Started < r.Well {
				return fmt.Errorf("%s: %d of %d notices started: want all", IsolationTitle(s.Hanging, false), r.Started, r.Well)
			}
			if p99 := time.Duration(r.Notice.P99 * float64(time.Millisecond)); p99 >= limit {
				return fmt.Errorf("%s: p99 of healthy endpoints is %s: want less than %s", IsolationTitle(s.Hanging, false), p99, limit)
			}
		}
	}
	return nil
}

// Columns name what Row shows. Times are of the notices that started.
func (*Isolation) Columns() []string {
	return []string{
		"HANGING", "EVENTS/S", "STARTED", "P50 MS", "P99 MS", "DETACHED", "CPU APP+PG+REDIS", "RELAY",
		"PLAIN: STARTED", "P50 MS", "P99 MS", "CPU APP+PG+REDIS",
	}
}

// Row shows the medians of a step.
func (s *IsolationStep) Row() []string {
	row := []string{percent(s.Hanging), middle(s.Isolated, "%.0f", func(r *IsolationRun) float64 { return r.Events })}
	row = append(row, heard(s.Isolated)...)
	row = append(row, s.detached(), serving(s.Isolated), middle(s.Isolated, "%.2f", func(r *IsolationRun) float64 { return r.Processors["relay"] }))
	row = append(row, heard(s.Plain)...)
	return append(row, serving(s.Plain))
}

// heard are the three figures of healthy endpoints.
func heard(runs []*IsolationRun) []string {
	started := "–"
	if len(runs) > 0 {
		started = percent(over(runs, (*IsolationRun).Share).Median)
	}
	runs = slices.DeleteFunc(slices.Clone(runs), func(r *IsolationRun) bool { return r.Started == 0 }) // they have no times
	return []string{
		started,
		middle(runs, "%.0f", func(r *IsolationRun) float64 { return r.Notice.P50 }),
		middle(runs, "%.0f", func(r *IsolationRun) float64 { return r.Notice.P99 }),
	}
}

// detached is a dash where the service does not tell.
func (s *IsolationStep) detached() string {
	if len(s.Isolated) == 0 || s.Isolated[0].Detached == nil {
		return "–"
	}
	return middle(s.Isolated, "%.0f", func(r *IsolationRun) float64 { return float64(*r.Detached) })
}

// serving is how many processors the service and its servers took.
func serving(runs []*IsolationRun) string {
	return middle(runs, "%.2f", func(r *IsolationRun) (sum float64) {
		for name, n := range r.Processors {
			if name != "merchant" && name != "bench" {
				sum += n
			}
		}
		return sum
	})
}

func middle(runs []*IsolationRun, format string, figure func(*IsolationRun) float64) string {
	if len(runs) == 0 {
		return "–"
	}
	return fmt.Sprintf(format, over(runs, figure).Median)
}

// percent never says 100 % of what is a little less.
func percent(share float64) string {
	return fmt.Sprintf("%g%%", math.Floor(share*10_000+1e-6)/100)
}
