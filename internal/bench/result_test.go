package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLatencies(t *testing.T) {
	t.Parallel()
	var list []time.Duration
	for ms := 1; ms <= 1000; ms++ {
		list = append(list, time.Duration(ms)*time.Millisecond)
	}
	l := latency(list)
	require.EqualValues(t, 1000, l.N)
	require.InEpsilon(t, 500, l.P50, 0.002)
	require.InEpsilon(t, 990, l.P99, 0.002)
	require.InEpsilon(t, 1000, l.Max, 0.002)
	require.Equal(t, "–", latency(nil).String())
	require.Equal(t, Latency{N: 2, P50: 0, P99: 600000, Max: 600000}.N, latency([]time.Duration{-1, time.Hour}).N, "what is out of bounds counts at the bound")
}

// ended is a run of one second's window with some lives.
func ended(lives ...*life) *run {
	at := time.Now()
	r := &run{book: newBook(), system: &toy{}, load: Load{Clients: 2}}
	r.start = point{at: at, cpu: usage{"app": 1, "gone": 1}, redis: sums{"redis_commands": 10, "aof_bytes": 500}}
	r.end = point{at: at.Add(time.Second), cpu: usage{"app": 1.5}, redis: sums{"redis_commands": 30, "aof_bytes": 100}}
	r.before, r.after = sums{"commits": 5, "wal_bytes": 0}, sums{"commits": 11, "wal_bytes": 3000}
	for _, l := range lives {
		l.due, l.made = at.Add(time.Duration(l.due.UnixNano())), at.Add(time.Duration(l.made.UnixNano()))
		l.called, l.acked = l.made, l.made
		if !l.told.IsZero() {
			l.told = at.Add(time.Duration(l.told.UnixNano()))
		}
		r.book.lives[l.order] = l
	}
	return r
}

func when(ms int64) time.Time { return time.Unix(0, ms*int64(time.Millisecond)) }

func TestWhatCountsWasThroughWithinTheWindow(t *testing.T) {
	t.Parallel()
	r := ended(
		&life{receipt: receipt{order: "before"}, due: when(-300), made: when(-200), told: when(-100)},
		&life{receipt: receipt{order: "begun before"}, due: when(-300), made: when(-200), told: when(100)},
		&life{receipt: receipt{order: "within"}, due: when(100), made: when(110), told: when(210)},
		&life{receipt: receipt{order: "after"}, due: when(900), made: when(910), told: when(1010)},
		&life{receipt: receipt{order: "never"}, due: when(100), made: when(110)},
		&life{receipt: receipt{order: "unpaid"}, unpaid: true, due: when(100), made: when(150)},
	)
	v := r.result(nil, nil)
	require.EqualValues(t, 2, v.Completed)
	require.InDelta(t, 2, v.PerSecond, 0.01)
	require.Equal(t, 6, v.Orders)
	require.EqualValues(t, 3, v.Intake.N, "with the one that nobody pays")
	require.InDelta(t, 300, v.Notice.Max, 1)
	require.InDelta(t, 500.0/3, v.CPU["app"], 0.01, "half a second on three orders")
	require.NotContains(t, v.CPU, "gone")
	require.InDelta(t, 20.0/3, v.PerOrder["redis_commands"], 0.01)
	require.NotContains(t, v.PerOrder, "aof_bytes", "the file was rewritten")
	require.InDelta(t, 1, v.PerOrder["commits"], 0.01, "six of the whole run")
	require.True(t, v.Verified)
	require.NoError(t, v.Err())
}

func TestAFastWrongRunIsAFailedRun(t *testing.T) {
	t.Parallel()
	v := ended(&life{receipt: receipt{order: "1"}, due: when(100), made: when(110), told: when(210)}).result([]time.Duration{time.Second}, []string{"order 1: gone"})
	require.ErrorContains(t, v.Err(), "toy was fast and wrong, findings: 1; the first is: order 1: gone")
	shown := map[string]string{}
	for _, r := range v.Rows() {
		shown[r.What] = r.Value
	}
	require.Equal(t, "NO: 1 findings", shown["verified"])
	require.Contains(t, shown["close lateness"], "p50 1000")
	require.Equal(t, "none", shown["errors"])

	require.ErrorContains(t, ended().result(nil, nil).Err(), "no lifecycle")
}

func TestTheMedianAndHowFarItIsFromTheOthers(t *testing.T) {
	t.Parallel()
	require.Equal(t, Spread{}, spread(nil))
	require.Equal(t, Spread{2, 1, 9}, spread([]float64{9, 1, 2}))
	require.Equal(t, Spread{2.5, 1, 9}, spread([]float64{9, 1, 2, 3}))

	rounds := func(perSecond ...float64) (list []*Result) {
		for _, n := range perSecond {
			list = append(list, &Result{PerSecond: n})
		}
		return list
	}
	c := &Comparison{Results: map[string][]*Result{Bare: rounds(100, 200, 100), Orderflow: rounds(500, 600, 700)}}
	require.Equal(t, Spread{5, 3, 7}, c.Ratio(Orderflow, Bare), "each round by itself")
	require.Equal(t, Spread{600, 500, 700}, c.Of(Orderflow, func(r *Result) float64 { return r.PerSecond }))
}
