package merchant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatARecoveryWants(t *testing.T) {
	t.Parallel()
	e := Endpoint{Events: []string{"order.*"}}
	for name, c := range map[string]struct {
		met       Candidate
		want, all bool
	}{
		"not taken":                         {Candidate{Type: OrderClosed}, true, true},
		"taken":                             {Candidate{Type: OrderPaid, Taken: true, Known: true}, false, true},
		"refused with 410":                  {Candidate{Type: OrderPaid, Refused: true}, false, true},
		"taken by another":                  {Candidate{Type: OrderPaid, Known: true}, true, true},
		"waits, or is dead":                 {Candidate{Type: OrderPaid, Owed: true}, true, true},
		"pointless before anybody heard it": {Candidate{Type: OrderPaid}, false, true},
		"on its way":                        {Candidate{Type: OrderPaid, Owed: true, Underway: true}, false, false},
		"not subscribed to":                 {Candidate{Type: RefundFailed}, false, false},
	} {
		require.Equal(t, c.want, Recovery{}.Wants(e, c.met), name)
		require.Equal(t, c.all, Recovery{All: true}.Wants(e, c.met), name)
	}
}

func TestHowMuchOfARecoveryIsQueued(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		untried, waiting int64
		chunk            int
	}{{0, 0, 500}, {500, 500, 500}, {600, 600, 400}, {751, 751, 0}, {1000, 1000, 0}, {0, 9_500, 500}, {0, 9_600, 400}, {0, 9_800, 0}, {0, 20_000, 0}} {
		require.Equal(t, c.chunk, Recovery{Waiting: c.waiting}.Chunk(c.untried), "%+v", c)
	}
}

func TestWhenARecoveryIsLookedAt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	for since, want := range map[time.Duration]time.Duration{
		0: 500 * time.Millisecond, -time.Hour: 500 * time.Millisecond, 4 * time.Second: 2 * time.Second, 24 * time.Hour: 30 * time.Second,
	} {
		require.Equal(t, want, Recovery{MovedAt: now.Add(-since)}.Look(now), since)
	}
}
