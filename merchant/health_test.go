package merchant

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func ok() Sight            { return Sight{Attempt: status(204, 0), NoticeID: "n1"} }
func fails(code int) Sight { return Sight{Attempt: status(code, 0), NoticeID: "n1"} }
func slowly(s Sight) Sight { s.Duration = SlowAfter; return s }
func leaves() Sight        { return Sight{NoticeID: "n1", Leaving: true} }
func of(id string) Sight   { s := fails(410); s.NoticeID = id; return s }
func again(s Sight) Sight  { s.Recovered = true; return s }
func in(s State) Health {
	return Health{State: s, Since: noon, FailingSince: noon, Failures: failingAfter}
}
func ended(c string) Sight { return Sight{Attempt: Attempt{Error: c + ": x"}} }
func since(d time.Duration) func(Health) Health {
	return func(h Health) Health { h.Since, h.FailingSince = noon.Add(-d), noon.Add(-d); return h }
}

// What is seen of an endpoint one after another, and how it is and what its
// merchant hears after it.
func TestHealth(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before Health
		seen   []Sight
		after  State
		news   string // of the last
	}{
		"well":                               {Health{}, []Sight{ok(), ok()}, Healthy, ""},
		"one leaves its slot":                {Health{}, []Sight{leaves()}, Slow, ""},
		"a slow success":                     {Health{}, []Sight{slowly(ok())}, Slow, ""},
		"a slow failure":                     {Health{}, []Sight{slowly(fails(500))}, Slow, ""},
		"two quick ones":                     {in(Slow), []Sight{ok(), ok()}, Slow, ""},
		"three quick ones":                   {in(Slow), []Sight{ok(), ok(), ok()}, Healthy, ""},
		"not in a row":                       {in(Slow), []Sight{ok(), ok(), slowly(ok()), ok(), ok()}, Slow, ""},
		"four failures":                      {Health{}, []Sight{fails(500), fails(500), fails(500), fails(500)}, Healthy, ""},
		"five failures":                      {Health{}, []Sight{fails(500), fails(500), fails(500), fails(500), fails(500)}, Failing, EndpointFailing},
		"five, of one that is slow":          {Health{}, []Sight{leaves(), fails(500), fails(500), fails(500), fails(500), fails(500)}, Failing, EndpointFailing},
		"five, but for one":                  {Health{}, []Sight{fails(500), fails(500), ok(), fails(500), fails(500), fails(500)}, Healthy, ""},
		"five, and what another has heard":   {Health{}, []Sight{fails(500), fails(500), fails(500), fails(500), again(fails(500))}, Healthy, ""},
		"told once that it fails":            {in(Failing), []Sight{fails(500)}, Failing, ""},
		"failing for an hour":                {since(pausedAfter)(in(Failing)), []Sight{fails(500)}, Paused, EndpointPaused},
		"not yet":                            {since(pausedAfter - 1)(in(Failing)), []Sight{fails(500)}, Failing, ""},
		"paused for long":                    {since(disabledAfter - 1)(in(Paused)), []Sight{fails(500)}, Paused, ""},
		"for five days":                      {since(disabledAfter)(in(Paused)), []Sight{fails(500)}, Disabled, EndpointDisabled},
		"failing, and answers":               {in(Failing), []Sight{ok()}, Slow, EndpointRecovered},
		"paused, and answers slowly":         {in(Paused), []Sight{slowly(ok())}, Slow, EndpointRecovered},
		"and then well":                      {in(Paused), []Sight{ok(), ok(), ok()}, Healthy, ""},
		"gone":                               {Health{}, []Sight{of("n1")}, Healthy, ""},
		"gone twice for one":                 {Health{}, []Sight{of("n1"), of("n1")}, Healthy, ""},
		"gone for two":                       {Health{}, []Sight{of("n1"), of("n2")}, Disabled, EndpointDisabled},
		"gone for two, and well between":     {Health{}, []Sight{of("n1"), ok(), of("n2")}, Healthy, ""},
		"gone for two, and well for another": {Health{}, []Sight{of("n1"), again(of("n2"))}, Healthy, ""},
		"a late answer of a disabled one":    {in(Disabled), []Sight{ok()}, Disabled, ""},
		"a probe that leaves":                {in(Paused), []Sight{leaves()}, Paused, ""},
		"cut short by us":                    {in(Paused), []Sight{ended("stopped"), ended("secret")}, Paused, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, news := tc.before, ""
			for _, s := range tc.seen {
				h, news = h.After(s, noon)
			}
			require.Equal(t, tc.after, h.state())
			require.Equal(t, tc.news, news)
		})
	}
}

func TestWhenAnEndpointIsProbed(t *testing.T) {
	t.Parallel()
	h, at := Health{}, noon
	see := func() {
		h, _ = h.After(fails(500), at)
	}
	for range failingAfter {
		see()
	}
	var waits []time.Duration
	for range 30 {
		waits = append(waits, h.ProbeAt.Sub(at))
		n, _ := h.Admits(0, h.ProbeAt.Add(-1))
		require.Zero(t, n)
		at = h.ProbeAt
		n, probes := h.Admits(0, at)
		require.Equal(t, 1, n, "one at a time")
		require.Equal(t, h.State == Paused, probes)
		n, _ = h.Admits(1, at)
		require.Zero(t, n)
		see()
	}
	const s, m = time.Second, time.Minute
	require.Equal(t, []time.Duration{5 * s, 15 * s, 30 * s, m, 2 * m, 5 * m, 5 * m}, waits[:7])
	require.Equal(t, []time.Duration{5 * m, 10 * m, 20 * m, 40 * m, 80 * m, 120 * m, 120 * m}, waits[16:23])
	require.Equal(t, Paused, h.State)
}

func TestWhatABacklogMayHave(t *testing.T) {
	t.Parallel()
	soon, lease := noon.Add(time.Minute), noon.Add(LeaseOf)
	for name, tc := range map[string]struct {
		health  Health
		backlog Backlog
		admits  int
		look    time.Time // zero: not by itself
	}{
		"nothing waits":         {Health{}, Backlog{}, 2, time.Time{}},
		"one that is due":       {Health{}, Backlog{DueAt: noon}, 2, noon},
		"one that is not":       {Health{}, Backlog{DueAt: soon}, 2, soon},
		"room for one more":     {Health{}, Backlog{DueAt: noon, InFlight: 1, LeaseEndsAt: lease}, 1, noon},
		"no room":               {Health{}, Backlog{DueAt: noon, InFlight: 2, LeaseEndsAt: lease}, 0, lease},
		"a wide window":         {Health{Window: 16}, Backlog{DueAt: noon, InFlight: 3, LeaseEndsAt: lease}, 13, noon},
		"slow":                  {Health{State: Slow, Window: 16}, Backlog{DueAt: noon}, 1, noon},
		"slow, one is at it":    {Health{State: Slow, Window: 1}, Backlog{DueAt: noon, InFlight: 1, LeaseEndsAt: lease}, 0, lease},
		"asked to wait":         {Health{NotBefore: soon}, Backlog{DueAt: noon}, 0, soon},
		"failing":               {Health{State: Failing, ProbeAt: soon}, Backlog{DueAt: noon}, 0, soon},
		"failing, nothing due":  {Health{State: Failing, ProbeAt: noon}, Backlog{DueAt: soon}, 1, soon},
		"paused, nothing due":   {Health{State: Paused, ProbeAt: noon}, Backlog{DueAt: soon}, 1, noon},
		"paused, being probed":  {Health{State: Paused, ProbeAt: noon}, Backlog{DueAt: noon, InFlight: 1, LeaseEndsAt: lease}, 0, lease},
		"paused, asked to wait": {Health{State: Paused, ProbeAt: noon, NotBefore: soon}, Backlog{DueAt: noon}, 0, soon},
		"disabled":              {Health{State: Disabled}, Backlog{DueAt: noon}, 0, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, _ := tc.health.Admits(tc.backlog.InFlight, noon)
			require.Equal(t, tc.admits, n)
			at, looked := tc.health.Look(tc.backlog)
			require.Equal(t, !tc.look.IsZero(), looked)
			require.Equal(t, tc.look, at)
		})
	}
}

// What it has taken at once since a failure long ago is not seen here: the days of
// nothing but failures are counted from when all that it answers is seen.
func TestAFailureOfLongAgoDisablesNobody(t *testing.T) {
	t.Parallel()
	h, at := Health{}, noon
	h, _ = h.After(fails(500), at)
	at = at.Add(30 * 24 * time.Hour)
	for h.State != Paused {
		h, _ = h.After(fails(500), at)
		at = at.Add(5 * time.Minute)
	}
	began := at
	h, _ = h.After(again(fails(500)), at) // a late word of one that began before
	for ; h.State != Disabled; at = at.Add(2 * time.Hour) {
		h, _ = h.After(fails(500), at)
	}
	require.InDelta(t, disabledAfter, at.Sub(began), float64(5*time.Hour))
}

func TestRetryAfterPausesAllThatWaits(t *testing.T) {
	t.Parallel()
	h, _ := Health{}.After(Sight{Attempt: status(429, time.Hour)}, noon)
	require.False(t, h.Direct(noon.Add(time.Hour-1)))
	require.True(t, h.Direct(noon.Add(time.Hour)))
	h, _ = h.After(Sight{Attempt: status(429, time.Minute)}, noon)
	require.False(t, h.Direct(noon.Add(time.Hour-1)), "a later word does not shorten it")
}

func TestResumed(t *testing.T) {
	t.Parallel()
	require.Equal(t, Health{}, Health{}.Resumed(noon), "one that does well goes on as it was")
	asked := Health{Window: 7, Failures: 2, FailingSince: noon, NotBefore: noon.Add(time.Hour), GoneNotice: "n1", LastError: "status: no"}
	require.Equal(t, Health{Window: 7}, asked.Resumed(noon), "without waiting for what it asked for")
	for _, s := range []State{Slow, Failing, Paused, Disabled} {
		require.Equal(t, Health{State: Slow, Since: noon, Window: 1}, in(s).Resumed(noon))
	}
}

// Whatever is seen: what waits is looked at again as long as somebody may be
// told, never busily, and when it is looked at there is something to do.
func TestNoBacklogIsForgotten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, now := Health{}, noon
		for range rapid.IntRange(1, 40).Draw(t, "sights") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4*3600).Draw(t, "later")) * time.Second)
			s := Sight{Attempt: status(rapid.SampledFrom([]int{200, 410, 429, 500}).Draw(t, "status"), 0), NoticeID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "notice")}
			s.Leaving, s.Recovered = rapid.Bool().Draw(t, "leaving"), rapid.Bool().Draw(t, "recovered")
			s.RetryAfter = rapid.SampledFrom([]time.Duration{0, 0, time.Minute}).Draw(t, "retry after")
			h, _ = h.After(s, now)
			flying := rapid.IntRange(0, 3).Draw(t, "in flight")
			b := Backlog{DueAt: now, InFlight: flying}
			if flying > 0 {
				b.LeaseEndsAt = now.Add(LeaseOf)
			}
			at, looked := h.Look(b)
			n, _ := h.Admits(flying, now)
			switch {
			case looked == (h.state() == Disabled):
				t.Fatalf("%+v is looked at: %v", h, looked)
			case looked && n > 0 && at.After(now), looked && n == 0 && !at.After(now):
				t.Fatalf("%+v admits %d now, and is looked at in %s", h, n, at.Sub(now))
			}
		}
	})
}
