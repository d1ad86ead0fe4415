package pace

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// paced runs At for a while of the bubble's time. slow is what the n-th
// release does besides.
func paced(rate float64, for_ time.Duration, slow func(n int)) (at []time.Duration, missed int64) {
	ctx, cancel := context.WithTimeout(context.Background(), for_)
	defer cancel()
	began := time.Now()
	At(ctx, rate, func() {
		at = append(at, time.Since(began))
		if slow != nil {
			slow(len(at))
		}
	}, func(n int64) { missed += n })
	return at, missed
}

func TestPaceKeepsEveryRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate float64
		run  time.Duration
		want int
	}{
		{0.2, 61 * time.Second, 13}, // at 0, 5, … 60 s
		{1, 9500 * time.Millisecond, 10},
		{7.5, time.Minute + time.Millisecond, 451},
		{50, time.Minute + time.Millisecond, 3001},
		{333.3, time.Minute + time.Millisecond, 19999},
		{2000, 3*time.Second + time.Microsecond, 6001},
	} {
		t.Run(fmt.Sprint(c.rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				at, missed := paced(c.rate, c.run, nil)
				require.Equal(t, c.want, len(at)) //nolint:testifylint // Len would print them all
				require.Zero(t, missed)
				for n, got := range at {
					due := time.Duration(float64(n) / c.rate * float64(time.Second))
					if got != due {
						t.Fatalf("the %dth came at %s, want %s", n, got, due)
					}
				}
			})
		})
	}
}

func TestPaceCatchesUpWithAShortDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at, missed := paced(100, 2*time.Second-time.Millisecond, func(n int) {
			if n == 50 {
				<-time.After(800 * time.Millisecond)
			}
		})
		require.Equal(t, 200, len(at), "none is lost") //nolint:testifylint // Len would print them all
		require.Zero(t, missed)
		require.Equal(t, at[50], at[120], "what came due meanwhile comes at once")
	})
}

func TestPaceForgivesALongDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at, missed := paced(100, 3700*time.Second, func(n int) {
			if n == 50 {
				<-time.After(time.Hour)
			}
		})
		require.InDelta(t, 360_000, missed, 2)
		require.InDelta(t, 10_000, len(at), 2, "the rate before and after, and no burst")
		require.Greater(t, at[52], at[51])
	})
}

func TestPaceStopsInTheMiddleOfABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		At(ctx, 1000, func() {
			if n++; n == 10 {
				<-time.After(500 * time.Millisecond)
				cancel()
			}
		}, func(int64) {})
		require.Equal(t, 10, n)
	})
}
