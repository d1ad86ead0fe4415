package workers

import (
	"context"
	"sync"
	"time"

	"github.com/orderflow/orderflow/merchant"
)

// gate lets attempts of the direct way out to endpoints: of each as many at once
// as its window has room for, in this process alone. It knows what the database
// does not know yet: an endpoint that hangs is shut at once. What it does not let
// out goes to the endpoint's backlog, whose window is one over all processes.
type gate struct {
	now  func() time.Time
	most int // the widest window
	mu   sync.Mutex
	byID map[merchant.EndpointID]*door
}

// door is the gate of one endpoint.
type door struct {
	window    merchant.Window
	out       int             // attempts under way
	queue     []chan struct{} // who waits for one of them to end; closed: go, or see that it is shut
	shutUntil time.Time
	failures  int  // in a row
	recovered bool // it acknowledged something since its last failure
	used      time.Time
}

const (
	// shutFor is longer than the list of a merchant's endpoints is kept, and its
	// health takes to be written: after it the database knows.
	shutFor = 5 * time.Second
	// shutAfter is how many failures in a row are enough without the database's word.
	shutAfter = 5
	// queueMost is how many wait for one endpoint in memory. They wait no longer than
	// merchant.SlowAfter, and a window of quick answers takes so many through by then.
	queueMost = 1024
	// doorsMost bounds the memory: doors at which nobody is are forgotten.
	doorsMost = 10_000
)

func newGate(most int, now func() time.Time) *gate {
	return &gate{now: now, most: most, byID: map[merchant.EndpointID]*door{}}
}

// enter says whether an attempt may go out now. It waits for room until patience
// comes. Whoever was let in leaves.
func (g *gate) enter(ctx context.Context, e merchant.Endpoint, patience <-chan time.Time) bool {
	if !e.Direct(g.now()) {
		return false
	}
	g.mu.Lock()
	d := g.door(e.ID)
	if g.now().Before(d.shutUntil) || len(d.queue) >= queueMost {
		g.mu.Unlock()
		return false
	}
	if d.out < g.room(d) && len(d.queue) == 0 {
		d.out++
		g.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	d.queue = append(d.queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
	case <-patience:
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, waits := range d.queue {
		if waits == turn { // nobody called
			d.queue = append(d.queue[:i], d.queue[i+1:]...)
			return false
		}
	}
	if g.now().Before(d.shutUntil) {
		d.out--
		g.callNext(d)
		return false
	}
	return true
}

// leave ends an attempt, and lets the next out. It says whether the endpoint has
// acknowledged something since its failure before.
func (g *gate) leave(id merchant.EndpointID, a merchant.Attempt) (recovered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.door(id)
	d.out--
	d.window = d.window.After(a).Within(g.most)
	switch {
	case a.OK:
		d.failures, d.recovered = 0, true
	case blames(a):
		recovered, d.recovered = d.recovered, false
		if d.failures++; d.failures >= shutAfter || a.RetryAfter > 0 {
			g.shutDoor(d)
		}
	}
	if a.Duration >= merchant.SlowAfter {
		g.shutDoor(d)
	}
	g.callNext(d)
	return recovered
}

// blames says that an attempt failed, and not because of us.
func blames(a merchant.Attempt) bool {
	return !a.OK && a.Class() != merchant.Stopped && a.Class() != merchant.Secret
}

// recovered says of an attempt of the backlog's that failed whether the endpoint has
// acknowledged something on the direct way since its failure before.
func (g *gate) recovered(id merchant.EndpointID, a merchant.Attempt) (recovered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.byID[id]; d != nil && blames(a) {
		recovered, d.recovered = d.recovered, false
	}
	return recovered
}

// shut lets nobody out to an endpoint for a while. Who waits is sent away.
func (g *gate) shut(id merchant.EndpointID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shutDoor(g.door(id))
}

func (g *gate) shutDoor(d *door) {
	d.shutUntil, d.window, d.failures = g.now().Add(shutFor), 0, 0
	for _, turn := range d.queue {
		d.out++ // each finds the door shut, and leaves
		close(turn)
	}
	d.queue = nil
}

func (g *gate) callNext(d *door) {
	for len(d.queue) > 0 && d.out < g.room(d) {
		d.out++
		close(d.queue[0])
		d.queue = d.queue[1:]
	}
}

// room is how many attempts may be out at a door at once.
func (g *gate) room(d *door) int { return d.window.Within(g.most).Size() }

// door finds an endpoint's, under the lock.
func (g *gate) door(id merchant.EndpointID) *door {
	d := g.byID[id]
	if d == nil {
		if len(g.byID) >= doorsMost {
			g.forget()
		}
		d = &door{}
		g.byID[id] = d
	}
	d.used = g.now()
	return d
}

// forget takes away the doors at which nobody is or was lately.
func (g *gate) forget() {
	for id, d := range g.byID {
		if d.out == 0 && len(d.queue) == 0 && g.now().Sub(d.used) > shutFor {
			delete(g.byID, id)
		}
	}
}
