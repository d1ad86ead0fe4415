package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNoticesThatCannotBe(t *testing.T) {
	t.Parallel()
	good := NotifyOptions{Notices: 100, Rounds: 1, Limit: time.Second}
	require.NoError(t, good.Check())
	for name, change := range map[string]func(*NotifyOptions){
		"notices": func(o *NotifyOptions) { o.Notices = 99 },
		"rounds":  func(o *NotifyOptions) { o.Rounds = 0 },
		"limit":   func(o *NotifyOptions) { o.Limit = 0 },
	} {
		o := good
		change(&o)
		require.ErrorContains(t, o.Check(), name+":")
	}
}

// All that is made was paid and its merchant not told, as the rules about the
// book know it.
func TestNoticesThatWait(t *testing.T) {
	t.Parallel()
	f := newField(t)
	m := &telling{NotifyOptions: NotifyOptions{Notices: 300}, run: &run{ground: &ground{say: speaker(nil)}}}
	require.NoError(t, m.furnish(t.Context(), site{database: f.url}))
	f.sound()
	require.EqualValues(t, 300, f.count("SELECT count(*) FROM outbox WHERE kind = 'delivery:notify' AND due_at <= now() AND promoted_at IS NULL"))
	require.EqualValues(t, 300, f.count("SELECT count(*) FROM notices"))
	require.Zero(t, f.count("SELECT count(*) FROM outbox WHERE kind LIKE 'payment:%' OR due_at <= now() AND kind NOT IN ('delivery:notify', 'endpoint:verify')"), "nothing else is to be done for any order")

	b := newBook()
	require.NoError(t, b.recall(t.Context(), f.conn))
	require.Len(t, b.all(), 300)
	require.Len(t, b.findings(), 300, "nobody has been told")
	findings, err := (&orderflow{}).verify(t.Context(), f.conn, b)
	require.NoError(t, err)
	require.Len(t, findings, findingsMost+1, "%v", findings)
	for _, says := range findings {
		require.Contains(t, says, "its notice was acknowledged once")
	}
}

func TestWhatADeliveryCosts(t *testing.T) {
	t.Parallel()
	m := &telling{NotifyOptions: NotifyOptions{Notices: 2000}, counted: 1000, run: &run{
		start:  point{at: when(0), cpu: usage{"worker 1": 1, "relay": 1, "postgres": 1, "redis": 1, "merchant": 1}, redis: sums{"redis_commands": 0}},
		end:    point{at: when(500), cpu: usage{"worker 1": 1.2, "relay": 1.1, "postgres": 1.15, "redis": 1.05, "merchant": 3}, redis: sums{"redis_commands": 3000}},
		before: sums{"commits": 0}, after: sums{"commits": 500},
	}}
	v := m.result(nil)
	require.InDelta(t, 2000, v.PerSecond, 0.01)
	require.InDelta(t, 0.3, v.App(), 0.001)
	require.InDelta(t, 2000, v.PerCore, 0.01, "half a millisecond each, without the merchant")
	require.InDelta(t, 3, v.Each["redis_commands"], 0.001)
	require.InDelta(t, 0.25, v.Each["commits"], 0.001, "of the whole run")
	require.NoError(t, v.Err())
	require.Contains(t, v.String(), "2000 deliveries/s, 2000 per core")

	by := &NotifiedBy{Crew: "2 workers and a relay", Runs: []*NotifyRun{v}}
	row := by.Row()
	require.Len(t, row, len((&Notified{}).Columns()))
	require.Equal(t, []string{"2 workers and a relay", "1", "2000 (2000–2000)", "2000 (2000–2000)", "0.50", "0.30+0.15+0.05", "0.100", "2.00", "0.25", "–"}, row[:10])

	delete(m.run.end.cpu, "postgres")
	require.Zero(t, m.result(nil).PerCore, "somebody else's server does not tell")
	m.counted = 0
	require.ErrorContains(t, m.result(nil).Err(), "give more --notices")
	require.ErrorContains(t, m.result([]string{"order 1: gone"}).Err(), "order 1: gone")
}
