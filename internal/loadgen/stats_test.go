package loadgen

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStatsAreReadAtNight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		s    Stats
		want string
	}{
		{"before the first order", Stats{Rate: 0.2}, "traffic 0.2/s: 0 orders, 0 errors"},
		{"one of each", Stats{Rate: 1, Orders: 1, Errors: 1, P50: 4 * time.Millisecond, P99: 4 * time.Millisecond}, "traffic 1/s: 1 order, 1 error; intake p50 4.0 ms p99 4.0 ms"},
		{
			"all is well",
			Stats{
				Rate: 50, Orders: 1203, InHand: 7, P50: 850 * time.Microsecond, P99: 12340 * time.Microsecond,
				Ended: map[string]int64{
					"delivered": 400, "callback dropped": 30, "undeliverable": 70, "refund slow": 5, "confirmed": 300, "expired": 61, "cancelled": 60,
					"bad request": 9, "called off": 20, "called off at once": 11, "conflict": 3, "refund abnormal": 2,
				},
			},
			"traffic 50/s: 1203 orders, 7 in hand, 0 errors; intake p50 0.8 ms p99 12 ms\n" +
				"  sold        300 confirmed, 430 paid\n" +
				"  not paid    61 left to expire, 60 cancelled, 9 bad requests\n" +
				"  called off  31 in time\n" +
				"  refunded    75 undeliverable\n" +
				"  operators   2 refunds left to them, 3 conflicts left to them",
		},
		{
			"all is not well",
			Stats{Rate: 2000, Orders: 10, OutOfStock: 3, GaveUp: 2, Skipped: 900, Errors: 5, P50: 9960 * time.Microsecond, P99: 20 * time.Second},
			"traffic 2000/s: 10 orders, 3 out of stock, 2 given up, 900 skipped, 5 errors; intake p50 10 ms p99 20000 ms",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.s.String())
		})
	}
}

func TestEveryScriptIsInALine(t *testing.T) {
	t.Parallel()
	for _, sc := range scripts() {
		s := Stats{Ended: map[string]int64{sc.name: 12345}}
		require.Regexp(t, `\n  `+string(sc.sort)+` +12345 `+sc.as+`$`, s.String())
	}
}

// A line fits a terminal that is not wide, after a night at fifty a second.
func TestLinesAreNotLong(t *testing.T) {
	t.Parallel()
	s := Stats{Rate: 50, Orders: 1_000_000, InHand: 100, GaveUp: 1000, Skipped: 1000, Ended: map[string]int64{}}
	for _, sc := range scripts() {
		s.Ended[sc.name] = int64(sc.share) * 10_000
	}
	for line := range strings.Lines(s.String()) {
		require.Less(t, len(line), 160, line)
	}
}

func TestPercentilesAreOfTheLatestOrders(t *testing.T) {
	t.Parallel()
	var c counts
	for range kept {
		c.took(time.Hour)
	}
	for i := range kept { // every slow one is pushed out
		c.took(time.Duration(i+1) * time.Millisecond)
	}
	s := c.stats()
	require.Equal(t, int64(2*kept), s.Orders)
	require.Equal(t, kept/2*time.Millisecond, s.P50)
	require.Equal(t, 4056*time.Millisecond, s.P99)
	c.took(time.Hour)
	require.Equal(t, (kept/2+1)*time.Millisecond, c.stats().P50)
}

func TestStatsShareNothing(t *testing.T) {
	t.Parallel()
	var c counts
	c.end("delivered")
	s := c.stats()
	c.end("delivered")
	require.Equal(t, int64(1), s.Ended["delivered"])
}
