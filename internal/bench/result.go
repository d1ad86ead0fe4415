package bench

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a measurement came to. What could not be read is left out.
type Result struct {
	Target    string    `json:"target"`
	At        time.Time `json:"at"`
	Machine   string    `json:"machine"`
	Clients   int       `json:"clients,omitempty"` // of the closed loop
	Rate      float64   `json:"rate,omitempty"`    // of the open one
	Seconds   float64   `json:"seconds"`           // of the window
	Completed int64     `json:"lifecycles"`        // within the window
	PerSecond float64   `json:"lifecycles_per_second"`

	Intake   Latency  `json:"intake_ms"`               // from when the order was due to its acknowledgement
	Callback Latency  `json:"callback_ms"`             // from the callback's sending to its acknowledgement
	Notice   Latency  `json:"callback_to_merchant_ms"` // from the callback's sending to the notice's arrival
	Close    *Latency `json:"close_lateness_ms,omitempty"`

	CPU      map[string]float64 `json:"cpu_seconds_per_1000"` // by process, within the window
	PerOrder map[string]float64 `json:"per_order"`

	Orders int              `json:"orders"`                // acknowledged, over the whole run
	Paid   int              `json:"paid"`                  // of them, those whose callback was acknowledged
	Errors map[string]int64 `json:"errors"`                // by step and status, over the whole run
	Missed int64            `json:"missed"`                // due and not begun
	Turned int              `json:"turned_away,omitempty"` // there was no room for them, and the service said so

	Verified bool     `json:"verified"`
	Findings []string `json:"findings,omitempty"`
}

// Latency is a distribution in milliseconds.
type Latency struct {
	N   int64   `json:"n"`
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// longest is the longest time that is told apart.
const longest = 10 * time.Minute

func latency(list []time.Duration) Latency {
	h := hdrhistogram.New(1, longest.Microseconds(), 3)
	for _, d := range list {
		_ = h.RecordValue(min(max(d, 0), longest).Microseconds()) // within its bounds
	}
	ms := func(micros int64) float64 { return float64(micros) / 1000 }
	return Latency{N: h.TotalCount(), P50: ms(h.ValueAtQuantile(50)), P99: ms(h.ValueAtQuantile(99)), Max: ms(h.Max())}
}

func (r *run) result(late []time.Duration, findings []string) *Result {
	v := &Result{
		Target: r.system.name(), At: r.start.at.UTC().Truncate(time.Second), Machine: machine(), Rate: r.load.Rate,
		Seconds: r.end.at.Sub(r.start.at).Seconds(), Errors: r.book.errors, Missed: r.book.missed, Turned: len(r.book.turned()),
		Verified: len(findings) == 0, Findings: findings,
	}
	if r.load.Rate == 0 {
		v.Clients = r.load.Clients
	}
	r.count(v)
	if late != nil {
		l := latency(late)
		v.Close = &l
	}
	r.used(v)
	return v
}

// count goes through the book: a life counts when it was through within the
// window.
func (r *run) count(v *Result) {
	var intake, callback, notice []time.Duration
	for _, l := range r.book.all() {
		v.Orders++
		if !l.acked.IsZero() {
			v.Paid++
		}
		through := l.told
		if l.unpaid {
			through = l.made
		}
		if !through.After(r.start.at) || through.After(r.end.at) {
			continue
		}
		intake = append(intake, l.made.Sub(l.due))
		if l.unpaid {
			continue
		}
		v.Completed++
		notice = append(notice, l.told.Sub(l.called))
		if !l.acked.IsZero() {
			callback = append(callback, l.acked.Sub(l.called))
		}
	}
	v.PerSecond = float64(v.Completed) / v.Seconds
	v.Intake, v.Callback, v.Notice = latency(intake), latency(callback), latency(notice)
}

// used divides what the window, and of PostgreSQL the whole run, took.
func (r *run) used(v *Result) {
	v.CPU, v.PerOrder = map[string]float64{}, map[string]float64{}
	through := v.Intake.N // with those that nobody pays
	if through > 0 {
		for name, seconds := range r.end.cpu.since(r.start.cpu) {
			v.CPU[name] = seconds * 1000 / float64(through)
		}
		for name, n := range r.end.redis.since(r.start.redis) {
			v.PerOrder[name] = float64(n) / float64(through)
		}
	}
	if v.Orders > 0 {
		for name, n := range r.after.since(r.before) {
			v.PerOrder[name] = float64(n) / float64(v.Orders)
		}
	}
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d × %s, %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version())
}

// Row is one line of a table for people.
type Row struct{ What, Value string }

// perOrder are the figures per order, in the order in which they are shown.
var perOrder = []struct{ name, as, format string }{
	{"commits", "commits", "%.2f"},
	{"statements", "statements", "%.2f"},
	{"fsyncs", "fsyncs", "%.3f"},
	{"wal_bytes", "WAL bytes", "%.0f"},
	{"redis_commands", "Redis commands", "%.2f"},
	{"redis_round_trips", "Redis round trips", "%.2f"},
	{"aof_bytes", "AOF bytes", "%.0f"},
}

// Rows show the result.
func (v *Result) Rows() []Row {
	rows := []Row{
		{"complete lifecycles/s", fmt.Sprintf("%.0f", v.PerSecond)},
		{"counted", fmt.Sprintf("%d in %.1f s", v.Completed, v.Seconds)},
		{"intake", v.Intake.String()},
		{"callback", v.Callback.String()},
		{"callback to merchant", v.Notice.String()},
	}
	if v.Close != nil {
		rows = append(rows, Row{"close lateness", v.Close.String()})
	}
	for _, name := range processes(v.CPU) {
		rows = append(rows, Row{"CPU s per 1000 orders, " + name, fmt.Sprintf("%.3f", v.CPU[name])})
	}
	for _, p := range perOrder {
		if n, ok := v.PerOrder[p.name]; ok {
			rows = append(rows, Row{p.as + " per order", fmt.Sprintf(p.format, n)})
		}
	}
	return append(rows, Row{"errors", v.errors()}, Row{"verified", v.verdict()})
}

// processes are the names in the order in which they are shown: what is measured
// first, who measures last.
func processes(cpu map[string]float64) (names []string) {
	for _, name := range []string{"app", "api", "relay", "worker 1", "worker 2", "process 1", "process 2", "postgres", "redis", "merchant", "bench"} {
		if _, ok := cpu[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

func (l Latency) String() string {
	if l.N == 0 {
		return "–"
	}
	return fmt.Sprintf("p50 %s  p99 %s  max %s ms", millis(l.P50), millis(l.P99), millis(l.Max))
}

// millis shows tenths only where they matter.
func millis(ms float64) string {
	if ms < 10 {
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func (v *Result) errors() string {
	var list []string
	for what, n := range v.Errors {
		list = append(list, fmt.Sprintf("%d × %s", n, what))
	}
	slices.Sort(list)
	if v.Turned > 0 {
		list = append(list, fmt.Sprintf("%d turned away", v.Turned))
	}
	if v.Missed > 0 {
		list = append(list, fmt.Sprintf("%d not begun", v.Missed))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (v *Result) verdict() string {
	if v.Verified {
		return fmt.Sprintf("yes: all %d orders are where they should be", v.Orders)
	}
	return fmt.Sprintf("NO: %d findings", len(v.Findings))
}

// Err is nil when the run was right: something was measured, and every order is
// where it should be.
func (v *Result) Err() error {
	switch {
	case !v.Verified:
		return fmt.Errorf("%s was fast and wrong, findings: %d; the first is: %s", v.Target, len(v.Findings), v.Findings[0])
	case v.Completed == 0:
		return fmt.Errorf("%s completed no lifecycle within the window: %s", v.Target, v.errors())
	}
	return nil
}
