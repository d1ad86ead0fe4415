package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A stage of a second, from 1000 to 2000 ms; what happened before and after is
// not its own.
func TestAStepCountsWhatHappenedWithinIt(t *testing.T) {
	t.Parallel()
	s := &stage{
		name: "2x", factor: 2, rate: 200,
		start: point{at: when(1000), cpu: usage{"bench": 1}}, end: point{at: when(2000), cpu: usage{"bench": 1.5}},
	}
	one := func(due, sent, made, told int64) *life {
		return &life{due: when(due), sent: when(sent), made: when(made), called: when(made), told: when(told)}
	}
	got := s.count([]*life{
		one(900, 901, 950, 1100),    // let in before, through within
		one(1100, 1102, 1200, 1500), // both within
		one(1800, 1801, 1900, 2100), // through afterwards
		one(2000, 2001, 2100, 2200),
	}, []refusal{
		{when(990), when(990), when(999)},
		{when(1000), when(1010), when(1015)},
	})
	require.InDelta(t, 2, got.Accepted, 0.01)
	require.InDelta(t, 2, got.Goodput, 0.01)
	require.InDelta(t, 1, got.Shed, 0.01)
	require.InDelta(t, 3, got.Offered, 0.01)
	require.InDelta(t, 99, got.Intake.Max, 1, "from when it was asked for: what the load generator lost is not the service's")
	require.InDelta(t, 5, got.Refusal.Max, 1)
	require.InDelta(t, 10, got.Generator.Max, 1)
	require.InDelta(t, 300, got.Notice.Max, 1)
	require.Positive(t, got.CPU["bench"])
	require.Len(t, got.Row(), len((&Overloaded{}).Columns()))
}

func TestWhatOverloadMustKeep(t *testing.T) {
	t.Parallel()
	v := &Overloaded{Verified: true, Peak: 100, Steps: []Step{
		{Name: "peak", Ratio: 1}, {Name: "2x", Times: 2, Ratio: 0.9}, {Name: "3x", Times: 3, Ratio: 0.7}, {Name: "0.5x", Times: 0.5, Ratio: 0.5},
	}}
	require.NoError(t, v.Err())
	require.NoError(t, v.Least(0.7))
	require.ErrorContains(t, v.Least(0.8), "3x of the peak completes 0.70 of it")
	v.Verified, v.Findings = false, []string{"order 1: gone"}
	require.ErrorContains(t, v.Err(), "order 1: gone")
}

func TestAStepIsComparedToThePeaksOnBothSides(t *testing.T) {
	t.Parallel()
	steps := []Step{
		{Goodput: 100}, {Times: 2, Goodput: 90}, {Goodput: 80}, {Times: 3, Goodput: 56}, {Times: 0.5, Goodput: 35}, {Goodput: 60},
	}
	compareToPeaks(steps)
	var ratios []float64
	for _, s := range steps {
		ratios = append(ratios, s.Ratio)
	}
	require.InDeltaSlice(t, []float64{1, 1, 0.8, 0.8, 0.5, 0.6}, ratios, 1e-9)
}

func TestThePeakIsFoundAgainBeforeEachStepButARecovery(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{0, 1, 0, 2, 0, 3, 0.5, 0}, withPeaks(Steps()))
	require.Equal(t, []float64{0, 0.5, 0, 0.5, 0}, withPeaks([]float64{0.5, 0.5}))
	require.Equal(t, []float64{0, 1, 0, 0.5, 0}, withPeaks([]float64{1, 0.5}))
}

func TestOverloadSetsTheRatesItself(t *testing.T) {
	t.Parallel()
	_, err := Overload(t.Context(), Options{Load: Load{Clients: 1, Window: time.Second, Rate: 1}}, Steps())
	require.ErrorContains(t, err, "the rates follow from the peak")
	_, err = Overload(t.Context(), Options{Load: Load{Clients: 1, Window: time.Second}}, []float64{2, 0})
	require.ErrorContains(t, err, "a step of 0 times the peak: want more than 0")
}
