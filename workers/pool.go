package workers

import (
	"context"
	"sync"
	"time"

	"github.com/orderflow/orderflow/merchant"
)

// pool has the attempts that have left their worker's slot, and every attempt's
// context: it outlives the bundle that began it. It is bounded: when it is full,
// an attempt keeps its slot.
type pool struct {
	ctx   context.Context //nolint:containedctx // of the process's attempts
	end   context.CancelFunc
	under sync.WaitGroup

	mu       sync.Mutex
	most     int // of one endpoint
	all      int
	byID     map[merchant.EndpointID]int
	stopping bool
}

// poolMost is the most attempts in the pool of a process.
const poolMost = 1000

func newPool(mostOfOne int) *pool {
	p := &pool{most: mostOfOne, byID: map[merchant.EndpointID]int{}}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

// take says whether there is room for one more attempt, and begins to wait for it.
func (p *pool) take(id merchant.EndpointID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= poolMost || p.byID[id] >= p.most || p.stopping {
		return false
	}
	p.all++
	p.byID[id]++
	p.under.Add(1)
	return true
}

// give is take's end.
func (p *pool) give(id merchant.EndpointID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.byID[id]--; p.byID[id] == 0 {
		delete(p.byID, id)
	}
	p.under.Done()
}

// stop waits for what is in the pool, for so long at most, then cuts it short:
// that costs no merchant a try. No attempt begins after it. Stopping again is safe.
func (p *pool) stop(most time.Duration) {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.under.Wait()
	}()
	select {
	case <-over:
	case <-time.After(most):
	}
	p.end()
	<-over
}
