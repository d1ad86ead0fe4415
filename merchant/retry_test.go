package merchant

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSchedulesThatAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits []time.Duration
		says  string // "": it is well
	}{
		"none":          {nil, ""},
		"the shortest":  {[]time.Duration{time.Second}, ""},
		"the longest":   {slices.Repeat([]time.Duration{24 * time.Hour}, 20), ""},
		"shorter first": {[]time.Duration{time.Minute, time.Second}, ""},
		"too many":      {slices.Repeat([]time.Duration{time.Second}, 21), "has 21 waits: want 1 to 20"},
		"no wait":       {[]time.Duration{time.Second, 0}, "wait 2 is 0s: want whole seconds, from 1 second to 24 hours"},
		"backwards":     {[]time.Duration{-time.Second}, "wait 1 is -1s"},
		"too long":      {[]time.Duration{24*time.Hour + time.Second}, "wait 1 is 24h0m1s"},
		"half a second": {[]time.Duration{500 * time.Millisecond}, "wait 1 is 500ms"},
		"and a half":    {[]time.Duration{1500 * time.Millisecond}, "wait 1 is 1.5s"},
	} {
		err := CheckSchedule(c.waits)
		if c.says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, c.says, name)
	}
}
