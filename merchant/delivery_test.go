package merchant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatBecomesOfADelivery(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	failed := func(c Class) Attempt { return Attempt{Error: string(c) + ": why"} }
	asks := failed(Status)
	asks.RetryAfter = time.Hour
	gone := failed(Status)
	gone.Gone = true
	three := Schedule{time.Second, time.Minute, time.Hour}
	for name, c := range map[string]struct {
		attempt Attempt
		state   State
		before  int // tries that failed
		fate    Fate
		tries   int
		wait    time.Duration
		reason  Reason
	}{
		"taken":                              {Attempt{OK: true}, Failing, 2, Told, 2, 0, Queued},
		"not wanted":                         {gone, Healthy, 0, Gone, 0, 0, Queued},
		"failed":                             {failed(Timeout), Healthy, 0, Again, 1, time.Second, Retry},
		"failed again":                       {failed(Status), Healthy, 1, Again, 2, time.Minute, Retry},
		"failed for the last time":           {failed(Status), Healthy, 3, Dead, 4, 0, Retry},
		"its host name does not resolve":     {failed(DNS), Healthy, 0, Again, 1, time.Second, Retry},
		"asked for a pause":                  {asks, Healthy, 0, Again, 1, time.Hour, Throttled},
		"cut short by us":                    {failed(Stopped), Healthy, 3, Again, 3, moment, Queued},
		"a secret that does not open":        {failed(Secret), Healthy, 3, Again, 3, time.Minute, Queued},
		"a probe of a paused one":            {failed(Timeout), Paused, 3, Again, 3, 0, Retry},
		"its address may not be called":      {failed(Blocked), Healthy, 0, Dead, 1, 0, Retry},
		"nor may that of one that is paused": {failed(Blocked), Paused, 0, Dead, 1, 0, Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := Delivery{InFlight: true, Attempts: c.before, Reason: Queued, DueAt: now.Add(LeaseOf)}
			d, fate := was.After(c.attempt, three, c.state, now, 0.5)
			require.Equal(t, c.fate, fate)
			require.Equal(t, c.tries, d.Attempts)
			require.Equal(t, c.reason, d.Reason)
			require.False(t, d.InFlight)
			if fate == Again {
				require.Equal(t, c.wait, d.DueAt.Sub(now))
				require.Equal(t, c.attempt.Error, d.LastError)
			}
		})
	}
}
