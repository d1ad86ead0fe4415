package monitor

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestReading(t *testing.T) {
	t.Parallel()

	t.Run("a hundred callers share one question", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			r := reading[int]{fresh: time.Second, limit: 2 * time.Second, ask: func(context.Context) (int, error) {
				asked++
				time.Sleep(time.Second)
				return asked, nil
			}}
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					got, err := r.get()
					require.NoError(t, err)
					require.Equal(t, 1, got)
				})
			}
			all.Wait()
			time.Sleep(999 * time.Millisecond)
			_, _ = r.get()
			require.Equal(t, 1, asked, "the answer is fresh for a second")
			time.Sleep(time.Millisecond)
			_, _ = r.get()
			require.Equal(t, 2, asked)
		})
	})

	t.Run("a question that never ends is waited for once, and not put again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked atomic.Int32
			release := make(chan struct{})
			r := reading[int]{fresh: time.Second, limit: 2 * time.Second, ask: func(context.Context) (int, error) {
				asked.Add(1)
				<-release
				return 7, nil
			}}
			start := time.Now()
			_, err := r.get()
			require.ErrorIs(t, err, errSlow)
			require.Equal(t, 2*time.Second, time.Since(start))
			for range 10 {
				_, err = r.get()
				require.ErrorIs(t, err, errSlow)
			}
			require.Equal(t, 2*time.Second, time.Since(start), "who comes later does not wait")
			require.EqualValues(t, 1, asked.Load())
			close(release)
			synctest.Wait()
			got, err := r.get()
			require.NoError(t, err)
			require.Equal(t, 7, got)
		})
	})

	t.Run("a question's context ends with the limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r := reading[int]{fresh: time.Second, limit: 2 * time.Second, ask: func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}}
			_, err := r.get()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})

	t.Run("a panic is an error", func(t *testing.T) {
		t.Parallel()
		r := reading[int]{limit: time.Minute, ask: func(context.Context) (int, error) { panic("broken") }}
		_, err := r.get()
		require.EqualError(t, err, "panic: broken")
	})

	t.Run("stop waits for the question in flight, twice is fine, and nothing is asked after it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			asked, ended := 0, false
			r := reading[int]{limit: 2 * time.Second, ask: func(context.Context) (int, error) {
				asked++
				time.Sleep(time.Second)
				ended = true
				return 7, nil
			}}
			go func() { _, _ = r.get() }()
			synctest.Wait()
			r.stop()
			require.True(t, ended)
			r.stop()
			got, err := r.get()
			require.NoError(t, err)
			require.Equal(t, 7, got, "what was read last")
			require.Equal(t, 1, asked)
		})
	})

	t.Run("stopped before it was ever asked", func(t *testing.T) {
		t.Parallel()
		r := reading[int]{limit: time.Second}
		r.stop()
		_, err := r.get()
		require.ErrorIs(t, err, errStopped)
	})
}
