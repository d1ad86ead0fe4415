package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func isolationOptions() IsolationOptions {
	return IsolationOptions{
		Endpoints: 10, Shares: []float64{0, 0.4}, Hang: time.Second, Rate: 10, Workers: 2, Plain: true, Rounds: 1, Window: time.Second,
	}
}

func TestIsolationsThatCannotBe(t *testing.T) {
	t.Parallel()
	require.NoError(t, isolationOptions().Check())
	for name, change := range map[string]func(*IsolationOptions){
		"endpoints": func(o *IsolationOptions) { o.Endpoints = 0 },
		"hanging":   func(o *IsolationOptions) { o.Shares = []float64{0, 1} },
		"hang":      func(o *IsolationOptions) { o.Hang = 0 },
		"rate":      func(o *IsolationOptions) { o.Rate = 0 },
		"workers":   func(o *IsolationOptions) { o.Workers = 0 },
		"rounds":    func(o *IsolationOptions) { o.Rounds = 0 },
		"window":    func(o *IsolationOptions) { o.Window = 0 },
	} {
		o := isolationOptions()
		change(&o)
		require.ErrorContains(t, o.Check(), name+":")
	}
}

func TestTheQueuesTakeTurns(t *testing.T) {
	t.Parallel()
	o := isolationOptions()
	require.Equal(t, []bool{false, true}, o.modes(0))
	require.Equal(t, []bool{true, false}, o.modes(1))
	o.Plain = false
	require.Equal(t, []bool{false}, o.modes(1))
}

// Both who orders and who takes the notice must know the same endpoints for
// those that hang.
func TestWhoHangsIsSpreadEvenly(t *testing.T) {
	t.Parallel()
	c := &clinic{orderflow: &orderflow{sellers: 10}, doors: Doors{Count: 10, Hanging: 0.4}}
	s := site{doors: strings.Fields("a b c d e f g h i j")}
	hanging := map[string]bool{}
	for n := range int64(20) {
		if door := s.door(c.seller(n)); c.hangs(n) {
			hanging[door] = true
		} else {
			require.False(t, hanging[door])
		}
	}
	require.Len(t, hanging, 4)
	require.Len(t, c.well(), 6)
	require.False(t, Doors{}.Hangs(0), "one door, and it is open")
}

// A window of a second, from 1000 to 2000 ms, and those that hang until 3000.
func TestStartedIsWhatArrivedWhileTheOthersHung(t *testing.T) {
	t.Parallel()
	w := &ward{
		run:    &run{book: newBook(), start: point{at: when(1000), cpu: usage{"relay": 1}}, end: point{at: when(2000), cpu: usage{"relay": 1.25}}},
		clinic: &clinic{orderflow: &orderflow{}}, healed: when(3000),
		before: sums{detachedTotal: 3}, after: sums{detachedTotal: 10},
	}
	for order, l := range map[string]*life{
		"before":      {called: when(900), acked: when(1100), told: when(1200)},
		"within":      {called: when(1100), acked: when(1110), told: when(1150)},
		"late":        {called: when(1900), acked: when(1910), told: when(2900)},
		"too late":    {called: when(1200), acked: when(1210), told: when(3100)},
		"never":       {called: when(1200), acked: when(1210)},
		"not certain": {called: when(1200)},
		"after":       {called: when(2100), acked: when(2110), told: when(2120)},
		"hangs":       {called: when(1500), acked: when(1510), hangs: true},
	} {
		l.order = order
		w.book.lives[order] = l
	}
	v := w.result(nil)
	require.Equal(t, 4, v.Well)
	require.Equal(t, 2, v.Started)
	require.InDelta(t, 0.5, v.Share(), 0)
	require.InDelta(t, 5, v.Events, 0.01, "with the one that hangs")
	require.EqualValues(t, 2, v.Notice.N)
	require.InDelta(t, 1000, v.Notice.Max, 1)
	require.EqualValues(t, 7, *v.Detached)
	require.InDelta(t, 0.25, v.Processors["relay"], 0.01)
	require.Equal(t, 8, v.Orders)
	require.NoError(t, v.Err())
	require.Contains(t, v.String(), "5 events/s; healthy endpoints: 50% started")
	require.Contains(t, v.String(), "7 detached")
}

func TestTheTableOfIsolation(t *testing.T) {
	t.Parallel()
	run := func(started int, p99 float64) *IsolationRun {
		return &IsolationRun{Well: 10_000, Started: started, Notice: Latency{N: int64(started), P50: 10, P99: p99}, Verified: true, Processors: map[string]float64{"api": 1, "relay": 0.25, "bench": 1}}
	}
	seven := int64(7)
	good := run(10_000, 800)
	good.Detached = &seven
	s := &IsolationStep{Hanging: 0.4, Isolated: []*IsolationRun{good}, Plain: []*IsolationRun{run(0, 0)}}
	v := &Isolation{Steps: []*IsolationStep{s}}
	require.Equal(t, []string{"40%", "0", "100%", "10", "800", "7", "1.25", "0.25", "0%", "–", "–", "1.25"}, s.Row())
	require.Len(t, s.Row(), len(v.Columns()))
	require.Len(t, (&IsolationStep{}).Row(), len(v.Columns()))
	require.NoError(t, v.Within(time.Second))
	require.ErrorContains(t, v.Within(800*time.Millisecond), "40% hang, isolated: p99 of healthy endpoints is 800ms")
	s.Isolated = append(s.Isolated, run(9_999, 10))
	require.ErrorContains(t, v.Within(time.Second), "9999 of 10000 notices started")
	require.Equal(t, "99.99%", percent(s.Isolated[1].Share()))
	require.Equal(t, "99.99%", percent(0.999999))
	require.Equal(t, "2%", percent(0.02))
}

func TestAnIsolationThatLostSomethingHasFailed(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, (&IsolationRun{Findings: []string{"order 1: gone"}}).Err(), "order 1: gone")
	require.ErrorContains(t, (&IsolationRun{Verified: true, Turned: 3}).Err(), "no order of a healthy endpoint was paid within the window: 3 turned away")
}

func TestCountersOfAProcess(t *testing.T) {
	t.Parallel()
	all := sums{"orderflow_notices_detached_total": 2}
	require.NoError(t, addCounters(strings.NewReader(`# HELP orderflow_notices_detached_total Attempts.
# TYPE orderflow_notices_detached_total counter
orderflow_notices_detached_total{lane="slow",why="a } b"} 3
orderflow_notices_detached_total{lane="fast"} 1e+06
orderflow_plain_total 4

go_goroutines 17
`), all))
	require.Equal(t, sums{"orderflow_notices_detached_total": 1_000_005, "orderflow_plain_total": 4}, all)
	require.Error(t, addCounters(strings.NewReader("a_total x\n"), all))
}
