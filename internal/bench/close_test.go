package bench

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func closeOptions() CloseOptions {
	return CloseOptions{Orders: 10, Rate: 10, Lead: 10 * time.Second, Limit: time.Minute}
}

func TestClosingsThatCannotBe(t *testing.T) {
	t.Parallel()
	require.NoError(t, closeOptions().Check())
	for name, change := range map[string]func(*CloseOptions){
		"orders": func(o *CloseOptions) { o.Orders = 0 },
		"rate":   func(o *CloseOptions) { o.Rate = -1 },
		"lead":   func(o *CloseOptions) { o.Lead = 0 },
		"limit":  func(o *CloseOptions) { o.Limit = 0 },
	} {
		o := closeOptions()
		change(&o)
		require.ErrorContains(t, o.Check(), name+":")
	}
}

// The orders are all due in one second, there is nothing else, and what is
// wrong with them is found.
func TestOrdersThatAreDueTogether(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		noPayment bool
		owed      int64 // rows of the outbox per order
	}{{false, 2}, {true, 1}} {
		t.Run(fmt.Sprintf("no payment %t", c.noPayment), func(t *testing.T) {
			t.Parallel()
			f := newField(t)
			o := closeOptions()
			o.Orders, o.NoPayment = 300, c.noPayment
			m := &closing{CloseOptions: o, system: &orderflow{}}
			m.run = &run{ground: &ground{say: speaker(nil)}, watching: f.conn, furnish: m.furnish}
			require.NoError(t, m.furnish(t.Context(), site{database: f.url}))
			f.sound()
			require.Equal(t, 300*c.owed, f.count("SELECT count(*) FROM outbox WHERE kind <> 'endpoint:verify'"))
			require.EqualValues(t, 1, f.count("SELECT count(DISTINCT due_at) FROM outbox WHERE kind = 'order:close'"))
			require.Zero(t, f.count("SELECT count(*) FROM orders WHERE created_at > now() OR expire_at <> '"+m.due.Format(time.RFC3339)+"'"))
			open, err := m.open(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 300, open)
			findings, err := m.verify(t.Context())
			require.NoError(t, err)
			require.Len(t, findings, 2, "%v", findings)
			require.Contains(t, findings[0], "300 of them are not closed")
			require.Contains(t, findings[1], "of stock are still held")
		})
	}
}

func TestTrafficIsWhatWasDueInAWhile(t *testing.T) {
	t.Parallel()
	b, began := newBook(), time.Now()
	for i := range 10 {
		due := began.Add(time.Duration(i) * time.Second)
		l := &life{receipt: receipt{order: fmt.Sprint(i)}, due: due, made: due.Add(time.Millisecond), called: due.Add(2 * time.Millisecond)}
		b.keep(l)
		if i != 4 {
			b.tell(l.order, "n", due.Add(12*time.Millisecond))
		}
	}
	v := b.traffic(began.Add(3*time.Second), began.Add(6*time.Second))
	require.EqualValues(t, 3, v.Intake.N)
	require.EqualValues(t, 2, v.Notice.N, "one was never told")
	require.InDelta(t, 10, v.Notice.P50, 0.1)
	require.InDelta(t, 2.0/3, v.PerSecond, 0.01)
}
