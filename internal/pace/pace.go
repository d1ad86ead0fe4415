// Package pace makes things happen at a rate, whatever else happens: the open
// loop of those who make load.
package pace

import (
	"context"
	"time"
)

// maxBehind is how late an order may come. What is due longer was missed: after
// a machine has slept, nobody wants its night's orders at once.
const maxBehind = time.Second

// At calls release rate times a second until ctx ends, the first time at once.
// The n-th call is due n/rate after the start whatever happened before it, so
// the rate holds though timers are coarse: a late wake-up makes all the calls
// that have come due. missed is told how many were given up.
func At(ctx context.Context, rate float64, release func(), missed func(int64)) {
	start, n := time.Now(), 0
	due := func() time.Time { return start.Add(time.Duration(float64(n) / rate * float64(time.Second))) }
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if behind := time.Since(due()); behind > maxBehind {
			start = start.Add(behind)
			missed(int64(behind.Seconds() * rate))
		}
		for now := time.Now(); !due().After(now) && ctx.Err() == nil; n++ {
			release()
		}
		timer.Reset(time.Until(due()))
	}
}
