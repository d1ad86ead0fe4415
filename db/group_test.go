package db

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

// Commits take 10 ms for up to 4 items: how long one that comes now would take.
func TestAGroupKnowsHowLongTheWaitIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		close(hang)
		g := newGroup(4, 0, func(batch []*pending[int]) {
			time.Sleep(10 * time.Millisecond)
			<-hang
			for _, p := range batch {
				p.answer(nil)
			}
		})
		defer g.close()
		require.Zero(t, g.wait())
		for range 40 { // it learns what is usual
			g.submit(t.Context(), 1)
		}
		synctest.Wait() // who is answered may be on their way before the commit ends
		require.Zero(t, g.wait(), "nothing is in flight")

		var wg sync.WaitGroup
		for range 1 + 9 { // one is taken at once, the others wait: two full batches, and one item
			wg.Go(func() { g.submit(t.Context(), 1) })
			synctest.Wait()
		}
		require.InDelta(t, 40*time.Millisecond, g.wait(), float64(time.Millisecond))
		wg.Wait()
		synctest.Wait()
		require.Zero(t, g.wait())

		hang = make(chan struct{})
		wg.Go(func() { g.submit(t.Context(), 1) })
		time.Sleep(time.Minute)
		require.Greater(t, g.wait(), time.Minute, "a commit that hangs is a wait that grows")
		close(hang)
		wg.Wait()
	})
}

// Commits take 3 ms for up to 4 items, and begin every 8 ms at most. The first
// begins at once.
func TestAGroupGathers(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, c := range []struct {
		name  string
		after time.Duration // the first
		items int
		took  time.Duration
	}{
		{"who comes during a commit waits until 8 ms have passed", ms, 2, 7*ms + 3*ms},
		{"who comes after it too", 5 * ms, 1, 3*ms + 3*ms},
		{"who comes later waits for nothing", 9 * ms, 1, 3 * ms},
		{"a whole batch waits for the commit alone", ms, 4, 2*ms + 3*ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := newGroup(4, 8*ms, func(batch []*pending[int]) {
					time.Sleep(3 * ms)
					for _, p := range batch {
						p.answer(nil)
					}
				})
				defer g.close()
				var first sync.WaitGroup
				first.Go(func() { g.submit(t.Context(), 1) })
				time.Sleep(c.after)
				began := time.Now()
				g.submit(t.Context(), make([]int, c.items)...)
				require.Equal(t, c.took, time.Since(began))
				first.Wait()
			})
		})
	}
}

// While a commit hangs, items of the outside are refused when too many wait. What
// workers have done is written, however much that is.
func TestAGroupRefusesTheOutsideAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		g := newGroup(4, 0, func(batch []*pending[int]) {
			<-hang
			for _, p := range batch {
				p.answer(nil)
			}
		})
		defer g.close()
		var wg sync.WaitGroup
		none := func(errs []error) {
			for _, err := range errs {
				require.NoError(t, err)
			}
		}
		wg.Go(func() { none(g.offer(t.Context(), 1)) }) // is taken
		synctest.Wait()
		wg.Go(func() { none(g.offer(t.Context(), make([]int, queueMost)...)) })
		synctest.Wait()
		require.Equal(t, []error{order.ErrBusy}, g.offer(t.Context(), 1))
		wg.Go(func() { none(g.submit(t.Context(), make([]int, queueMost)...)) })
		synctest.Wait()
		close(hang)
		wg.Wait()
	})
}
