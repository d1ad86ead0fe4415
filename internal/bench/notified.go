package bench

import (
	"fmt"
	"strings"
	"time"
)

// Notified is how fast merchants were told, by each crew.
type Notified struct {
	At      time.Time     `json:"at"`
	Machine string        `json:"machine"`
	Notices int64         `json:"notices"` // of each run
	Crews   []*NotifiedBy `json:"crews"`
}

// NotifiedBy is what one crew came to, a run a round.
type NotifiedBy struct {
	Crew string       `json:"crew"`
	Runs []*NotifyRun `json:"runs"`
}

// NotifyRun is one run of one crew.
type NotifyRun struct {
	Counted   int64   `json:"deliveries"` // but for the first, with which the service grows warm
	Seconds   float64 `json:"seconds"`    // until the last of their attempts was in the log
	PerSecond float64 `json:"deliveries_per_second"`
	// PerCore is deliveries a second and processor that the service takes with its
	// servers, but without the merchant; 0: their processors' time is not known.
	PerCore float64            `json:"deliveries_per_second_and_core"`
	CPU     map[string]float64 `json:"cpu_seconds_per_1000"` // by process
	Each    map[string]float64 `json:"per_delivery"`

	Verified bool     `json:"verified"`
	Findings []string `json:"findings,omitempty"`
}

func (t *telling) result(findings []string) *NotifyRun {
	r := t.run
	v := &NotifyRun{
		Counted: t.counted, Seconds: r.end.at.Sub(r.start.at).Seconds(),
		CPU: map[string]float64{}, Each: map[string]float64{}, Verified: len(findings) == 0, Findings: findings,
	}
	if v.Counted > 0 {
		v.PerSecond = float64(v.Counted) / v.Seconds
		for name, seconds := range r.end.cpu.since(r.start.cpu) {
			v.CPU[name] = seconds * 1000 / float64(v.Counted)
		}
		for name, n := range r.end.redis.since(r.start.redis) {
			v.Each[name] = float64(n) / float64(v.Counted)
		}
	}
	for name, n := range r.after.since(r.before) {
		v.Each[name] = float64(n) / float64(t.Notices)
	}
	_, postgres := v.CPU["postgres"]
	_, redis := v.CPU["redis"]
	if all := v.App() + v.CPU["postgres"] + v.CPU["redis"]; postgres && redis && v.App() > 0 {
		v.PerCore = 1000 / all
	}
	return v
}

// App is the CPU time of the service's processes, in seconds per 1000 deliveries.
func (v *NotifyRun) App() (sum float64) {
	for name, seconds := range v.CPU {
		switch name {
		case "postgres", "redis", "merchant", "bench":
		default:
			sum += seconds
		}
	}
	return sum
}

// Err is nil when every merchant was told once and every attempt is in the log.
func (v *NotifyRun) Err() error {
	switch {
	case !v.Verified:
		return fmt.Errorf("notices are not where they should be, findings: %d; the first is: %s", len(v.Findings), v.Findings[0])
	case v.Counted == 0:
		return fmt.Errorf("all merchants were told before it could be measured: give more --notices")
	}
	return nil
}

// String is a line about the run.
func (v *NotifyRun) String() string {
	return fmt.Sprintf("%.0f deliveries/s, %.0f per core; %.3f CPU s per 1000 in the service", v.PerSecond, v.PerCore, v.App())
}

// Columns name what Row shows. Processors' time is in ms a delivery, which is
// seconds per 1000.
func (*Notified) Columns() []string {
	columns := []string{"SERVICE", "ROUNDS", "DELIVERIES/S", "PER CORE", "CPU MS EACH", "APP+PG+REDIS", "RELAY", "MERCHANT"}
	for _, p := range perOrder {
		columns = append(columns, strings.ToUpper(p.as))
	}
	return columns
}

// Row shows the medians of a crew, and how far its rounds were apart.
func (c *NotifiedBy) Row() []string {
	of := func(figure func(*NotifyRun) float64) Spread { return over(c.Runs, figure) }
	cpu := func(name string) float64 { return of(func(r *NotifyRun) float64 { return r.CPU[name] }).Median }
	perSecond, perCore, app := of(func(r *NotifyRun) float64 { return r.PerSecond }), of(func(r *NotifyRun) float64 { return r.PerCore }), of((*NotifyRun).App).Median
	row := []string{
		c.Crew, fmt.Sprint(len(c.Runs)), apart(perSecond), apart(perCore),
		fmt.Sprintf("%.2f", app+cpu("postgres")+cpu("redis")), fmt.Sprintf("%.2f+%.2f+%.2f", app, cpu("postgres"), cpu("redis")),
		known(c.Runs, "relay", "%.3f", func(r *NotifyRun) map[string]float64 { return r.CPU }), fmt.Sprintf("%.2f", cpu("merchant")),
	}
	for _, p := range perOrder {
		row = append(row, known(c.Runs, p.name, p.format, func(r *NotifyRun) map[string]float64 { return r.Each }))
	}
	return row
}

func apart(s Spread) string { return fmt.Sprintf("%.0f (%.0f–%.0f)", s.Median, s.Min, s.Max) }

// known is a median, or a dash where no run has the figure.
func known(runs []*NotifyRun, name, format string, of func(*NotifyRun) map[string]float64) string {
	if len(runs) == 0 {
		return "–"
	}
	if _, ok := of(runs[0])[name]; !ok {
		return "–"
	}
	return fmt.Sprintf(format, over(runs, func(r *NotifyRun) float64 { return of(r)[name] }).Median)
}
