package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func growthOptions() GrowthOptions {
	return GrowthOptions{Load: Load{Clients: 1, Window: time.Second}, Rounds: 1, Sizes: []int64{0, 10, 100}, Closes: []int64{0, 5, 50}, Days: 30}
}

func TestTheStepsOfGrowth(t *testing.T) {
	t.Parallel()
	var got [][2]int64
	for _, s := range growthOptions().steps() {
		got = append(got, [2]int64{s.Orders, s.Closes})
	}
	require.Equal(t, [][2]int64{{0, 0}, {10, 0}, {100, 0}, {100, 5}, {100, 50}}, got)
}

func TestGrowthsThatCannotBe(t *testing.T) {
	t.Parallel()
	require.NoError(t, growthOptions().Check())
	for says, change := range map[string]func(*GrowthOptions){
		"clients:": func(o *GrowthOptions) { o.Load.Clients = 0 },
		"rounds:":  func(o *GrowthOptions) { o.Rounds = 0 },
		"sizes:":   func(o *GrowthOptions) { o.Sizes = []int64{10, 0} },
		"closes:":  func(o *GrowthOptions) { o.Closes = []int64{5, 5} },
		"days:":    func(o *GrowthOptions) { o.Days = 0 },
	} {
		o := growthOptions()
		change(&o)
		require.ErrorContains(t, o.Check(), says)
	}
	o := growthOptions()
	o.Sizes = nil
	require.ErrorContains(t, o.Check(), "sizes:")
}

func TestARatioIsOfTwoRunsOfOneRound(t *testing.T) {
	t.Parallel()
	of := func(perSecond ...float64) (list []*Result) {
		for _, n := range perSecond {
			list = append(list, &Result{PerSecond: n})
		}
		return list
	}
	s := GrowthStep{Empty: of(100, 200, 400), Grown: of(90, 200, 300)}
	require.Equal(t, Spread{Median: 0.9, Min: 0.75, Max: 1}, s.Ratio())
	perSecond := func(r *Result) float64 { return r.PerSecond }
	require.InDelta(t, 200, s.Of(perSecond).Median, 0)
	require.InDelta(t, 200, s.Beside(perSecond).Median, 0)
}
