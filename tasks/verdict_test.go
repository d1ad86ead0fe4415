package tasks_test

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	boom := errors.New("boom")
	for _, tc := range []struct {
		name     string
		kind     tasks.Kind
		attempts int
		verdict  tasks.Verdict

		owed     bool
		wait     time.Duration // about: jitter is allowed for
		dead     bool
		lastWord string
	}{
		{"done", tasks.OrderClose, 3, tasks.Done(), false, 0, false, ""},
		{"later, for the first time", tasks.DeliveryNotify, 0, tasks.Later(boom), true, 5 * time.Second, false, "boom"},
		{"later, in the middle", tasks.DeliveryNotify, 3, tasks.Later(boom), true, 3 * time.Minute, false, "boom"},
		{"later, for the last time", tasks.DeliveryNotify, 12, tasks.Later(boom), true, 24 * time.Hour, false, "boom"},
		{"out of tries", tasks.DeliveryNotify, 13, tasks.Later(boom), true, 0, true, "boom"},
		{"never out of tries", tasks.PaymentQuery, 1000, tasks.Later(boom), true, time.Hour, false, "boom"},
		{"no answer yet is no error", tasks.PaymentQuery, 0, tasks.Later(nil), true, 15 * time.Second, false, "before"},
		{"told when", tasks.DeliveryNotify, 0, tasks.LaterIn(42*time.Minute, boom), true, 42 * time.Minute, false, "boom"},
		{"told when, out of tries", tasks.DeliveryNotify, 13, tasks.LaterIn(time.Minute, boom), true, 0, true, "boom"},
		{"told no time", tasks.DeliveryNotify, 0, tasks.LaterIn(0, boom), true, 5 * time.Second, false, "boom"},
		{"never", tasks.PaymentQuery, 0, tasks.Never(boom), true, 0, true, "boom"},
		{"cut short by us", tasks.DeliveryNotify, 3, tasks.Again(boom), true, 2 * time.Second, false, "boom"},
		{"cut short by us, no tries left", tasks.DeliveryNotify, 13, tasks.Again(boom), true, 2 * time.Second, false, "boom"},
		{"an alert, in the end hourly", tasks.AlertSend, 28, tasks.Later(boom), true, time.Hour, false, "boom"},
		{"an alert that nobody took for a day", tasks.AlertSend, 29, tasks.Later(boom), true, 0, true, "boom"},
		{"done, and due again", tasks.MaintenanceRun, 3, tasks.Anew(24 * time.Hour), true, 24 * time.Hour, false, ""},
		{"of a kind that is gone", "coffee:make", 0, tasks.Later(boom), true, 0, true, "boom"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			was := tasks.Row{
				Key:     tasks.About(tc.kind, ident.New[order.Order]()),
				Payload: []byte("{}"), DueAt: now.Add(-time.Minute), PromotedAt: now.Add(-time.Minute), CreatedAt: now.Add(-time.Hour),
				Generation: 7, Attempts: tc.attempts, LastError: "before",
			}
			got, owed := tc.verdict.Next(was, now)
			require.Equal(t, tc.owed, owed)
			if !owed {
				require.True(t, tc.verdict.IsDone() && tc.verdict.Fulfils())
				require.NoError(t, tc.verdict.Err())
				return
			}
			require.False(t, tc.verdict.IsDone())
			require.Equal(t, tc.kind == tasks.MaintenanceRun, tc.verdict.Fulfils())
			switch {
			case tc.verdict.Fulfils():
				require.Zero(t, got.Attempts, "it begins anew")
			case strings.HasPrefix(tc.name, "cut short by us"):
				require.Equal(t, tc.attempts, got.Attempts, "it costs the row no try")
			default:
				require.Equal(t, tc.attempts+1, got.Attempts)
			}
			require.Equal(t, tc.lastWord, got.LastError)
			require.True(t, got.PromotedAt.IsZero(), "it is to be handed over again")
			if tc.dead {
				require.Equal(t, now, got.DeadAt)
			} else {
				require.True(t, got.DeadAt.IsZero())
				require.InDelta(t, tc.wait, got.DueAt.Sub(now), 0.2*float64(tc.wait)+1)
			}
			got.Attempts, got.LastError, got.PromotedAt, got.DueAt, got.DeadAt = was.Attempts, was.LastError, was.PromotedAt, was.DueAt, was.DeadAt
			require.Equal(t, was, got, "nothing else changes")
		})
	}
}

// Whatever a stranger's answer looked like, its row can be written.
func TestTheLastErrorCanBeKept(t *testing.T) {
	t.Parallel()
	r := tasks.Row{Key: tasks.About(tasks.DeliveryNotify, ident.New[order.Order]())}
	for _, text := range []string{"NUL \x00 inside", "half \xe6\xb1", strings.Repeat("汉", 5000), "x" + strings.Repeat("汉", 5000)} {
		got, _ := tasks.Later(errors.New(text)).Next(r, time.Now())
		require.True(t, utf8.ValidString(got.LastError))
		require.NotContains(t, got.LastError, "\x00")
		require.LessOrEqual(t, len(got.LastError), 1003)
		require.NotEmpty(t, got.LastError)
	}
}
