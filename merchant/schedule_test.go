package merchant

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheUsualSchedule(t *testing.T) {
	t.Parallel()
	var sum time.Duration
	tries := 1
	for ; ; tries++ {
		wait, more := Schedule(nil).After(tries, 0.5)
		if !more {
			break
		}
		sum += wait
	}
	require.Equal(t, 14, tries)
	require.Equal(t, 71*time.Hour+3*time.Minute+50*time.Second, sum)
	shortest, _ := Schedule{time.Minute}.After(1, 0)
	longest, _ := Schedule{time.Minute}.After(1, 1)
	require.Equal(t, 48*time.Second, shortest)
	require.Equal(t, 72*time.Second, longest)
}

func TestAScheduleOfItsOwn(t *testing.T) {
	t.Parallel()
	s := Schedule{time.Second, time.Hour}
	wait, more := s.After(2, 0.5)
	require.True(t, more)
	require.Equal(t, time.Hour, wait)
	_, more = s.After(3, 0.5)
	require.False(t, more)
}

func TestAScheduleInSeconds(t *testing.T) {
	t.Parallel()
	require.Nil(t, ScheduleOf(nil))
	require.Nil(t, Schedule(nil).Seconds())
	s := ScheduleOf([]int64{1, 3600})
	require.Equal(t, Schedule{time.Second, time.Hour}, s)
	require.Equal(t, []int64{1, 3600}, s.Seconds())
	for _, far := range []int64{math.MinInt64, -1, int64(MaxWait/time.Second) + 1, math.MaxInt64} {
		require.Error(t, CheckSchedule(ScheduleOf([]int64{far})), "%d s", far)
	}
}

func TestWhatAnAttemptMakesOfADelivery(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		failed  int
		attempt Attempt
		state   State
		fate    Fate
		count   int
		wait    time.Duration
		reason  Reason
	}{
		"taken":                      {3, status(204, 0), "", Told, 3, 0, Queued},
		"taken by one that fails":    {3, status(204, 0), Paused, Told, 3, 0, Queued},
		"the first failure":          {0, status(500, 0), "", Again, 1, 5 * time.Second, Retry},
		"the thirteenth":             {12, status(500, 0), Failing, Again, 13, 24 * time.Hour, Retry},
		"the fourteenth":             {13, status(500, 0), "", Dead, 14, 0, Retry},
		"it asks for a pause":        {0, status(429, time.Hour), "", Again, 1, time.Hour, Throttled},
		"a shorter one than ours":    {2, status(429, time.Second), "", Again, 3, 30 * time.Second, Throttled},
		"gone":                       {13, status(410, 0), "", Gone, 13, 0, Queued},
		"a probe is not counted":     {13, status(500, 0), Paused, Again, 13, 0, Retry},
		"a late one of a disabled":   {1, status(500, 0), Disabled, Again, 1, 0, Retry},
		"cut short by us":            {13, Attempt{Error: "stopped: we stopped"}, "", Again, 13, moment, Queued},
		"our secret does not open":   {13, Attempt{Error: "secret: none signs"}, "", Again, 13, time.Minute, Queued},
		"not where we may call":      {0, Attempt{Error: "blocked: private"}, "", Dead, 1, 0, Retry},
		"taken, but not as it wants": {0, Attempt{HTTPStatus: 200, Error: "unacknowledged: no"}, "", Again, 1, 5 * time.Second, Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, fate := Delivery{Attempts: tc.failed, InFlight: true, Reason: Queued, DueAt: noon}.After(tc.attempt, nil, tc.state, noon, 0.5)
			require.Equal(t, tc.fate, fate)
			require.Equal(t, tc.count, d.Attempts)
			require.Equal(t, tc.reason, d.Reason)
			require.Equal(t, noon.Add(tc.wait), d.DueAt)
			require.False(t, d.InFlight)
		})
	}
}
