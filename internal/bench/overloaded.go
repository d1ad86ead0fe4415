package bench

import (
	"fmt"
	"iter"
	"slices"
	"time"
)

// Overloaded is what a service did with more than it can take.
type Overloaded struct {
	At       time.Time        `json:"at"`
	Machine  string           `json:"machine"`
	Peak     float64          `json:"peak_lifecycles_per_second"` // of a closed loop, at the beginning
	Steps    []Step           `json:"steps"`
	Orders   int              `json:"orders"` // let in, over the whole run
	Errors   map[string]int64 `json:"errors"`
	Verified bool             `json:"verified"`
	Findings []string         `json:"findings,omitempty"`
}

// Step is one load and what came of it, within its window.
type Step struct {
	Name     string  `json:"name"`
	Seconds  float64 `json:"seconds"`
	Wanted   float64 `json:"wanted_per_second,omitempty"` // of the open loop
	Offered  float64 `json:"offered_per_second"`          // orders that were asked for
	Accepted float64 `json:"accepted_per_second"`
	Shed     float64 `json:"shed_per_second"`
	Goodput  float64 `json:"lifecycles_per_second"`
	Times    float64 `json:"times_peak,omitempty"` // what is wanted, to the peak before it; 0: the closed loop
	Ratio    float64 `json:"ratio_to_peak"`        // to what lies between the peaks on both sides
	Missed   int64   `json:"missed"`               // due, and not asked for by the load generator

	Intake    Latency            `json:"intake_ms"` // of what was accepted, from when it was asked for
	Refusal   Latency            `json:"refusal_ms"`
	Notice    Latency            `json:"callback_to_merchant_ms"`
	Generator Latency            `json:"generator_late_ms"` // from when an order was due until it was asked for
	CPU       map[string]float64 `json:"cpu_share"`         // of the whole machine, by process
}

func (v *overload) overloaded(findings []string) *Overloaded {
	out := &Overloaded{
		At: v.steps[0].start.at.UTC().Truncate(time.Second), Machine: machine(), Errors: v.book.errors,
		Verified: len(findings) == 0, Findings: findings,
	}
	lives, turned := v.book.all(), v.book.turned()
	out.Orders = len(lives)
	for _, s := range v.steps {
		one := s.count(lives, turned)
		if out.Peak == 0 {
			out.Peak = one.Goodput
		}
		out.Steps = append(out.Steps, one)
	}
	compareToPeaks(out.Steps)
	return out
}

// compareToPeaks fills in each step's ratio: of a peak to the first one, else to
// the mean of the peaks before and after it.
func compareToPeaks(steps []Step) {
	for i := range steps {
		s := &steps[i]
		s.Ratio = s.Goodput / steps[0].Goodput
		if s.Times > 0 {
			s.Ratio = s.Goodput / ((peakIn(slices.Backward(steps[:i])) + peakIn(slices.All(steps[i:]))) / 2)
		}
	}
}

func peakIn(steps iter.Seq2[int, Step]) float64 {
	for _, s := range steps {
		if s.Times == 0 {
			return s.Goodput
		}
	}
	return 0
}

// count goes through the books: what counts is what happened within the window.
func (s *stage) count(lives []*life, turned []refusal) Step {
	var intake, refused, notice, late []time.Duration
	for _, l := range lives {
		if s.holds(l.made) {
			intake, late = append(intake, l.made.Sub(l.sent)), append(late, l.sent.Sub(l.due))
		}
		if s.holds(l.told) {
			notice = append(notice, l.told.Sub(l.called))
		}
	}
	for _, r := range turned {
		if s.holds(r.answered) {
			refused, late = append(refused, r.answered.Sub(r.sent)), append(late, r.sent.Sub(r.due))
		}
	}
	per := func(n int) float64 { return float64(n) / s.seconds() }
	return Step{
		Name: s.name, Seconds: s.seconds(), Times: s.factor, Wanted: s.rate, Missed: s.missed, CPU: s.shares(),
		Offered: per(len(intake) + len(refused)), Accepted: per(len(intake)), Shed: per(len(refused)), Goodput: per(len(notice)),
		Intake: latency(intake), Refusal: latency(refused), Notice: latency(notice), Generator: latency(late),
	}
}

// Err is nil when everything that was let in is where it should be.
func (v *Overloaded) Err() error {
	if !v.Verified {
		return fmt.Errorf("orders are not where they should be, findings: %d; the first is: %s", len(v.Findings), v.Findings[0])
	}
	return nil
}

// Least is nil when no step of as much as the peak or more completes less than
// that share of it.
func (v *Overloaded) Least(share float64) error {
	for _, s := range v.Steps {
		if s.Times >= 1 && s.Ratio < share {
			return fmt.Errorf("%s of the peak completes %.2f of it: want %.2f", s.Name, s.Ratio, share)
		}
	}
	return nil
}

// Columns name what Row shows.
func (*Overloaded) Columns() []string {
	return []string{"LOAD", "OFFERED/S", "ACCEPTED/S", "SHED/S", "LIFECYCLES/S", "RATIO", "INTAKE MS", "REFUSAL MS", "CALLBACK TO MERCHANT MS", "CPU APP+PG+REDIS", "MERCHANT", "BENCH", "BENCH LATE MS"}
}

// Row shows the step.
func (s Step) Row() []string {
	whole := func(f float64) string { return fmt.Sprintf("%.0f", f) }
	share := func(f float64) string { return fmt.Sprintf("%.0f%%", 100*f) }
	return []string{
		s.Name, whole(s.Offered), whole(s.Accepted), whole(s.Shed), whole(s.Goodput), fmt.Sprintf("%.2f", s.Ratio),
		s.Intake.short(), s.Refusal.short(), s.Notice.short(),
		share(s.CPU["app"] + s.CPU["postgres"] + s.CPU["redis"]), share(s.CPU["merchant"]), share(s.CPU["bench"]), s.Generator.short(),
	}
}

// short is the median and the 99th percentile.
func (l Latency) short() string {
	if l.N == 0 {
		return "–"
	}
	return millis(l.P50) + "/" + millis(l.P99)
}
