package workers

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
)

func slowly(a merchant.Attempt) merchant.Attempt {
	a.Duration = merchant.SlowAfter
	return a
}

// gateOf is a gate, its clock and an endpoint.
func gateOf(most int) (*gate, *clock, merchant.Endpoint) {
	c := &clock{at: time.Now()}
	return newGate(most, c.now), c, merchant.Endpoint{ID: ident.New[merchant.Endpoint]()}
}

// passes says whether an attempt may go out at once.
func passes(g *gate, e merchant.Endpoint) bool {
	over := make(chan time.Time)
	close(over)
	return g.enter(context.Background(), e, over)
}

func TestTheGateLetsOutWhatTheWindowHasRoomFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, _, e := gateOf(3)
		require.True(t, passes(g, e))
		require.True(t, passes(g, e))
		require.False(t, passes(g, e), "nobody knows it yet: two at once")
		in := make(chan bool)
		go func() { in <- g.enter(t.Context(), e, nil) }()
		synctest.Wait()
		g.leave(e.ID, acknowledged())
		require.True(t, <-in, "whoever waits goes when another has ended")
		require.True(t, passes(g, e), "and the window has grown")
		require.False(t, passes(g, e))
		g.leave(e.ID, acknowledged())
		require.True(t, passes(g, e))
		require.False(t, passes(g, e), "as far as it is set")

		ctx, stop := context.WithCancel(t.Context())
		go func() { in <- g.enter(ctx, e, nil) }()
		synctest.Wait()
		stop()
		require.False(t, <-in)
		require.Empty(t, g.byID[e.ID].queue)
	})
}

// What shuts the door sends those away who wait; after a while it is open for a
// few.
func TestWhatShutsTheGate(t *testing.T) {
	t.Parallel()
	for name, shut := range map[string]func(*gate, merchant.EndpointID){
		"a slow success":  func(g *gate, id merchant.EndpointID) { g.leave(id, slowly(acknowledged())) },
		"a slow failure":  func(g *gate, id merchant.EndpointID) { g.leave(id, slowly(answered(500, 0))) },
		"a Retry-After":   func(g *gate, id merchant.EndpointID) { g.leave(id, answered(429, time.Minute)) },
		"one that leaves": func(g *gate, id merchant.EndpointID) { g.shut(id); g.leave(id, acknowledged()) },
		"five failures": func(g *gate, id merchant.EndpointID) {
			g.byID[id].failures = shutAfter - 1
			g.leave(id, answered(500, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, c, e := gateOf(16)
				require.True(t, passes(g, e))
				require.True(t, passes(g, e))
				in := make(chan bool, 1)
				go func() { in <- g.enter(t.Context(), e, nil) }()
				synctest.Wait()
				shut(g, e.ID)
				require.False(t, <-in)
				require.False(t, passes(g, e))
				g.leave(e.ID, failed(merchant.Stopped))
				require.Zero(t, g.byID[e.ID].out)
				c.forward(shutFor)
				require.True(t, passes(g, e))
				require.True(t, passes(g, e))
				require.False(t, passes(g, e))
			})
		})
	}
}

func TestTheGateRemembersWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	g, _, e := gateOf(16)
	require.False(t, g.recovered(e.ID, answered(500, 0)), "nothing was")
	leave := func(a merchant.Attempt) bool {
		require.True(t, passes(g, e))
		return g.leave(e.ID, a)
	}
	leave(acknowledged())
	require.False(t, g.recovered(e.ID, acknowledged()), "asked of failures alone")
	require.False(t, g.recovered(e.ID, failed(merchant.Stopped)))
	require.True(t, g.recovered(e.ID, answered(500, 0)))
	require.False(t, g.recovered(e.ID, answered(500, 0)), "said once")
	leave(acknowledged())
	require.True(t, leave(answered(500, 0)))
	require.False(t, leave(answered(500, 0)))
}

// Whatever comes, as many leave as were let in, and nobody waits where there is
// room.
func TestTheGateLosesNobody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		g, c, e := gateOf(rapid.IntRange(1, 5).Draw(r, "most"))
		out := 0
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			c.forward(time.Duration(rapid.IntRange(0, 6).Draw(r, "later")) * time.Second)
			switch {
			case rapid.Bool().Draw(r, "enters"):
				if passes(g, e) {
					out++
				}
			case out > 0:
				out--
				g.leave(e.ID, rapid.SampledFrom([]merchant.Attempt{acknowledged(), slowly(acknowledged()), answered(500, 0), answered(429, time.Minute), failed(merchant.Stopped)}).Draw(r, "answer"))
			}
			if d := g.byID[e.ID]; d != nil && (d.out != out || len(d.queue) > 0) {
				r.Fatalf("%d are out: %+v", out, d)
			}
		}
	})
}

func TestDoorsAreForgotten(t *testing.T) {
	t.Parallel()
	g, c, busy := gateOf(16)
	require.True(t, passes(g, busy))
	for range doorsMost - 1 {
		g.shut(ident.New[merchant.Endpoint]())
	}
	c.forward(shutFor + 1)
	g.shut(ident.New[merchant.Endpoint]())
	require.Len(t, g.byID, 2, "but where somebody is out")
	require.Contains(t, g.byID, busy.ID)
}

func TestThePoolIsBounded(t *testing.T) {
	t.Parallel()
	p, e := newPool(3), ident.New[merchant.Endpoint]()
	for range 3 {
		require.True(t, p.take(e))
	}
	require.False(t, p.take(e), "of one endpoint")
	p.give(e)
	require.True(t, p.take(e))
	others := 0
	for p.take(ident.New[merchant.Endpoint]()) {
		others++
	}
	require.Equal(t, poolMost-3, others, "of all")
	p = newPool(3)
	p.stop(0)
	require.False(t, p.take(ident.New[merchant.Endpoint]()), "none when we stop")
}
