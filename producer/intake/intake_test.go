package intake_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/producer/intake"
)

// machine is a pipeline that confirms so many payments a second. What is let in
// comes to be confirmed a little later, as orders do that are made and paid.
type machine struct {
	t        *testing.T
	limiter  *intake.Limiter
	logs     *observer.ObservedLogs
	capacity float64
	onTheWay []int // by millisecond

	mu     sync.Mutex // guards what the limiter sees, and what it says
	broken error      // of the look
	owed   float64
	done   float64
	wait   time.Duration
	states []intake.State
}

// way is from the letting in to the callback.
const way = 200

func newMachine(t *testing.T, capacity float64) *machine {
	core, logs := observer.New(zapcore.DebugLevel)
	m := &machine{t: t, capacity: capacity, logs: logs, onTheWay: make([]int, way)}
	m.limiter = intake.Start(intake.Options{
		Wait: func() (wait time.Duration) {
			m.change(func() { wait = m.wait })
			return wait
		},
		Look: func(context.Context) (w intake.Work, err error) {
			m.change(func() { w, err = intake.Work{Owed: int(m.owed), Done: int64(m.done)}, m.broken })
			return w, err
		},
		Within: 200 * time.Millisecond, Behind: 500 * time.Millisecond, Log: zap.New(core),
		Seen: func(s intake.State) { m.change(func() { m.states = append(m.states, s) }) },
	})
	t.Cleanup(m.limiter.Stop)
	return m
}

// change changes the machine between two looks.
func (m *machine) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// second is what one second came to.
type second struct{ accepted, refused, confirmed int }

// offer lets so many orders a second come for a while, a millisecond at a time.
func (m *machine) offer(rate float64, d time.Duration) (list []second) {
	due := 0.0
	for range int(d / time.Second) {
		var s second
		before := m.done
		for ms := range 1000 {
			m.change(func() { m.owed += float64(m.onTheWay[ms%way]) })
			m.onTheWay[ms%way] = 0
			for due += rate / 1000; due >= 1; due-- {
				if _, refused := m.limiter.Refuse(); refused {
					s.refused++
					continue
				}
				s.accepted++
				m.onTheWay[ms%way]++
			}
			m.change(func() {
				n := min(m.owed, m.capacity/1000)
				m.owed, m.done = m.owed-n, m.done+n
			})
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		s.confirmed = int(m.done - before)
		list = append(list, s)
	}
	return list
}

// begins and ends are how often the log says so.
func (m *machine) begins() int { return m.logs.FilterMessageSnippet("overloaded: a part").Len() }
func (m *machine) ends() int   { return m.logs.FilterMessageSnippet("no longer overloaded").Len() }

func (m *machine) last() (s intake.State) {
	m.change(func() { s = m.states[len(m.states)-1] })
	return s
}

// forget lets what was seen so far be no matter.
func (m *machine) forget() { m.change(func() { m.states = nil }) }

func (m *machine) longestLag() (lag time.Duration) {
	m.change(func() {
		for _, s := range m.states {
			lag = max(lag, s.Lag)
		}
	})
	return lag
}

func TestWhatCanBeDoneIsLetIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		for _, s := range m.offer(890, 20*time.Second) {
			require.Zero(t, s.refused)
		}
		require.Zero(t, m.logs.Len(), "and not a word about it")
	})
}

// With three times of what can be done, as much comes in as gets through: no
// second is idle, none is flooded, and the lag stays where it is.
func TestOverloadSettlesWhereAsMuchComesInAsGetsThrough(t *testing.T) {
	t.Parallel()
	for name, factor := range map[string]float64{"a little more": 1.2, "twice": 2, "three times": 3, "ten times": 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const capacity = 900
				m := newMachine(t, capacity)
				m.offer(factor*capacity, 8*time.Second)
				m.forget()
				for _, s := range m.offer(factor*capacity, 20*time.Second) {
					t.Log(s, m.last())
					require.InDelta(t, capacity, s.confirmed, 2, "it is always busy")
					require.InDelta(t, capacity, s.accepted, capacity/6, "and lets in what it can do")
				}
				require.Less(t, m.longestLag(), 2500*time.Millisecond)
				require.Equal(t, 1, m.begins())
				require.Zero(t, m.ends())
			})
		})
	}
}

func TestItRecoversByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		m.offer(3*900, 15*time.Second)
		m.offer(450, 3*time.Second)
		for _, s := range m.offer(450, 10*time.Second) {
			require.Zero(t, s.refused)
			require.InDelta(t, 450, s.confirmed, 2)
		}
		require.Equal(t, 1, m.begins())
		require.Equal(t, 1, m.ends())
		require.Equal(t, intake.State{}, m.last())
	})
}

// An order that would wait too long to be written is refused, however little
// there is to confirm; a share at a time, evenly.
func TestALongWaitRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		for _, c := range []struct {
			wait    time.Duration
			refused int
		}{
			{0, 0},
			{200 * time.Millisecond, 0},
			{400 * time.Millisecond, 50},
			{600 * time.Millisecond, 75},
			{time.Hour, 100},
			{100 * time.Millisecond, 0},
		} {
			m.change(func() { m.wait = c.wait })
			require.InDelta(t, c.refused, m.offer(100, time.Second)[0].refused, 1, "at %s", c.wait)
		}
		require.Equal(t, "writing", m.logs.All()[0].ContextMap()["reason"])
	})
}

func TestWhoIsRefusedIsToldWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		m.change(func() { m.wait = time.Hour })
		seen := map[time.Duration]bool{}
		for range 1000 {
			after, refused := m.limiter.Refuse()
			require.True(t, refused)
			seen[after] = true
		}
		require.Len(t, seen, 5, "not all at once")
		for after := range seen {
			require.GreaterOrEqual(t, after, time.Second)
			require.LessOrEqual(t, after, 5*time.Second)
		}
	})
}

// While it is not known how confirmation is doing, nobody is refused for it.
func TestALookThatFailsRefusesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		require.NotZero(t, m.offer(3*900, 10*time.Second)[9].refused)
		m.change(func() { m.broken = errors.New("redis is away") })
		m.offer(3*900, time.Second)
		require.Zero(t, m.offer(3*900, time.Second)[0].refused)
	})
}

// Where nothing is confirmed at all, no worker runs: what is owed is safe, and
// refusing orders would not help.
func TestAnOutageIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		m.offer(450, 3*time.Second)
		m.capacity = 0
		for _, s := range m.offer(450, 10*time.Second) {
			require.Zero(t, s.refused)
		}
	})
}

// What a worker took with it when it died is put back after a while. Until then
// it is no queue that anybody stands in.
func TestAFewThatAreStuckAreNoQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		m.offer(100, 2*time.Second)
		m.change(func() { m.owed, m.capacity = 60, 0 })
		for _, s := range m.offer(0.5, 10*time.Second) {
			require.Zero(t, s.refused)
		}
	})
}

// Redis was emptied: the count of what was done begins anew.
func TestACountThatBeginsAnewIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, 900)
		m.offer(3*900, 10*time.Second)
		m.change(func() { m.done = 0 })
		m.forget()
		m.offer(3*900, 10*time.Second)
		require.Less(t, m.longestLag(), 3*time.Second)
	})
}
