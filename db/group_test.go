package db

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Commits take 10 ms for up to 4 items: how long one that comes now would take.
func TestAGroupKnowsHowLongTheWaitIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		close(hang)
		g := newGroup(4, 100, func(batch []*pending[int]) {
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
		require.Zero(t, g.wait(), "nothing is in flight")

		var wg sync.WaitGroup
		for range 1 + 9 { // one is taken at once, the others wait: two full batches, and one item
			wg.Go(func() { g.submit(t.Context(), 1) })
			synctest.Wait()
		}
		require.InDelta(t, 40*time.Millisecond, g.wait(), float64(time.Millisecond))
		wg.Wait()
		require.Zero(t, g.wait())

		hang = make(chan struct{})
		wg.Go(func() { g.submit(t.Context(), 1) })
		time.Sleep(time.Minute)
		require.Greater(t, g.wait(), time.Minute, "a commit that hangs is a wait that grows")
		close(hang)
		wg.Wait()
	})
}
