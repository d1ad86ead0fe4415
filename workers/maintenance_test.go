package workers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/tasks"
)

// broom is a store whose maintenance ends as it is told.
type broom struct {
	Store
	ends error
	runs int
}

func (s *broom) Maintain(context.Context, tasks.Keep, time.Time) (tasks.Maintained, error) {
	s.runs++
	return tasks.Maintained{Made: []string{"2031_01"}, InUse: []*tasks.InUse{{Month: "2029_01", Tasks: 1}}}, s.ends
}

func TestMaintenanceIsAlwaysOwed(t *testing.T) {
	shared := newBench(t)
	k := tasks.Standing()[0]
	require.NoError(t, shared.Standing(shared.ctx, shared.clock.now()))
	require.NoError(t, shared.Standing(shared.ctx, shared.clock.now().Add(time.Hour)), "it is one, however many relays start")
	for _, c := range []struct {
		name, outcome string
		ends          error
		next          time.Duration
		attempts      int
	}{
		{"done", "maintenance:run done", nil, 24 * time.Hour, 0},
		{"another process is at it", "maintenance:run done", tasks.ErrMaintaining, 10 * time.Minute, 0},
		{"it fails", "maintenance:run later", errors.New("the disk is full"), time.Minute, 1},
		{"then it does not", "maintenance:run done", nil, 24 * time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := shared.fresh(t)
			sweeps := &broom{Store: shared.Store, ends: c.ends}
			b.deps.Store = sweeps
			b.due(k)
			require.Equal(t, []string{c.outcome}, b.ran(k))
			require.Equal(t, 1, sweeps.runs)
			row := b.row(k)
			require.WithinDuration(t, b.clock.now().Add(c.next), row.DueAt, c.next/4)
			require.Equal(t, c.attempts, row.Attempts)
			require.Empty(t, b.ran(k), "not before its time")
		})
	}
	b := shared.fresh(t) // and the real one
	b.due(k)
	require.Equal(t, []string{"maintenance:run done"}, b.ran(k))
}
