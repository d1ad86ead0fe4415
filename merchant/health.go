package merchant

import "time"

// State is how an endpoint does.
type State string

// The states; the zero value is Healthy.
//
//	healthy ⇄ slow → failing → paused → disabled
//	             ↖______|________/
const (
	Healthy  State = "healthy"  // told at once
	Slow     State = "slow"     // an attempt took over a second: told in turn, one at a time
	Failing  State = "failing"  // nothing but failures: one try at a time, after waits
	Paused   State = "paused"   // for an hour: what waits is held, and it is probed now and then
	Disabled State = "disabled" // for days, or it says that it is gone: somebody must resume it
)

// States lists every State.
func States() []State { return []State{Healthy, Slow, Failing, Paused, Disabled} }

// When an endpoint goes from one state to the next.
const (
	failingAfter  = 5                  // failures in a row
	pausedAfter   = time.Hour          // of failing
	disabledAfter = 5 * 24 * time.Hour // of nothing but failures
	healthyAfter  = 3                  // quick successes in a row of one that was slow
	probeFirst    = 10 * time.Minute   // of a paused one, doubled after each
	probeLast     = 2 * time.Hour
)

// failingProbes are the waits between the tries of a failing one; the last is repeated.
var failingProbes = []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute}

// Health is what is known about an endpoint, whatever process learnt it. The
// zero value is that of one that nothing is known about: it is healthy.
type Health struct {
	State        State
	Since        time.Time // zero: always
	Window       Window    // of its backlog
	Failures     int       // in a row
	FailingSince time.Time // when it came to fail: all that it answers is seen from then on
	Quick        int       // quick successes in a row, of one that is slow
	Probes       int       // that failed in this state
	ProbeAt      time.Time // a failing or paused one is not tried before
	NotBefore    time.Time // nor any, by its Retry-After
	GoneNotice   string    // for which it answered 410
	LastError    string
}

// Sight is one thing that was seen of an endpoint.
type Sight struct {
	Attempt
	NoticeID string
	Leaving  bool // the attempt has taken over SlowAfter, and goes on
	// Recovered says that it has acknowledged something since its failure before,
	// which was not seen here.
	Recovered bool
}

func (h Health) state() State {
	if h.State == "" {
		return Healthy
	}
	return h.State
}

// Direct says whether the endpoint is told at once, without a row in the backlog.
func (h Health) Direct(now time.Time) bool {
	return h.state() == Healthy && !now.Before(h.NotBefore)
}

// Admits is how many more attempts may begin now, of its backlog. probes says
// that what they try need not be due: it is about the endpoint, not the notice.
func (h Health) Admits(inFlight int, now time.Time) (n int, probes bool) {
	if now.Before(h.NotBefore) {
		return 0, false
	}
	size := h.Window.Size()
	switch h.state() {
	case Disabled:
		return 0, false
	case Failing, Paused:
		if now.Before(h.ProbeAt) {
			return 0, false
		}
		size, probes = 1, h.State == Paused
	case Slow:
		size = min(size, slowWindow)
	}
	return max(size-inFlight, 0), probes
}

// Within is the health where no window is to be wider than most.
func (h Health) Within(most int) Health {
	if h.Window.Size() > most {
		h.Window = h.Window.Within(most)
	}
	return h
}

// Backlog is what waits for an endpoint.
type Backlog struct {
	DueAt       time.Time // of its first delivery; zero: there is none
	InFlight    int       // attempts
	LeaseEndsAt time.Time // the first of those in flight; zero: none is
}

// Look is when a backlog is to be looked at next, if nothing else happens; false:
// there is nothing to look for.
func (h Health) Look(b Backlog) (at time.Time, ok bool) {
	if b.DueAt.IsZero() || h.state() == Disabled {
		return time.Time{}, false
	}
	at = later(b.DueAt, h.NotBefore)
	if h.state() == Paused {
		at = h.NotBefore
	}
	if h.state() == Paused || h.state() == Failing {
		at = later(at, h.ProbeAt)
	}
	full := h.Window.Size()
	if h.state() != Healthy {
		full = 1
	}
	if b.InFlight >= full { // the end of an attempt says when; or its lease
		at = later(at, b.LeaseEndsAt)
	}
	return at, true
}

// After is the health after something was seen, and the type of what the
// merchant is to hear about it; "" when that is nothing.
func (h Health) After(s Sight, now time.Time) (_ Health, news string) {
	switch class := s.Class(); {
	case h.state() == Disabled, class == Stopped, class == Secret:
		return h, ""
	case s.Leaving:
		if h.state() == Healthy || h.state() == Slow {
			h.enter(Slow, now)
			h.Window, h.Quick = slowWindow, 0
		}
		return h, ""
	case s.OK:
		return h.succeeded(s, now)
	}
	return h.failed(s, now)
}

func (h Health) succeeded(s Sight, now time.Time) (_ Health, news string) {
	h.Failures, h.FailingSince, h.GoneNotice, h.LastError = 0, time.Time{}, "", ""
	quick := s.Duration < SlowAfter
	switch h.state() {
	case Failing, Paused: // a slow start: in turn at first
		h.enter(Slow, now)
		h.Window, h.Quick, news = slowWindow, 0, EndpointRecovered
	case Slow:
	default:
		h.Window = h.Window.After(s.Attempt)
		if !quick {
			h.enter(Slow, now)
		}
	}
	if !quick {
		h.Quick = 0
		return h, news
	}
	if h.Quick++; h.state() == Slow && h.Quick >= healthyAfter {
		h.enter(Healthy, now)
		h.Window = firstWindow
	}
	return h, news
}

func (h Health) failed(s Sight, now time.Time) (_ Health, news string) {
	if s.Recovered {
		h.Failures, h.GoneNotice = 0, ""
	}
	h.Failures++
	h.Quick, h.LastError, h.Window = 0, clip(s.Error, 300), h.Window.After(s.Attempt)
	if s.RetryAfter > 0 {
		h.NotBefore = later(h.NotBefore, now.Add(s.RetryAfter))
	}
	goneTwice := s.Gone && h.GoneNotice != "" && h.GoneNotice != s.NoticeID
	if s.Gone && h.GoneNotice == "" {
		h.GoneNotice = s.NoticeID
	}
	switch state := h.state(); {
	case goneTwice, state == Paused && now.Sub(h.FailingSince) >= disabledAfter:
		h.enter(Disabled, now)
		return h, EndpointDisabled
	case state == Failing && now.Sub(h.Since) >= pausedAfter:
		h.enter(Paused, now)
		h.ProbeAt = now.Add(probeFirst)
		return h, EndpointPaused
	case state == Failing || state == Paused:
		h.probed(now)
	case h.Failures >= failingAfter:
		h.enter(Failing, now)
		h.FailingSince, h.ProbeAt = now, now.Add(failingProbes[0])
		return h, EndpointFailing
	case s.Duration >= SlowAfter:
		h.enter(Slow, now)
	}
	return h, ""
}

// probed counts a probe that failed. An attempt that began before the probe's
// time is none.
func (h *Health) probed(now time.Time) {
	if now.Before(h.ProbeAt) {
		return
	}
	h.Probes++
	wait := min(probeFirst<<min(h.Probes, 10), probeLast)
	if h.State == Failing {
		wait = failingProbes[min(h.Probes, len(failingProbes)-1)]
	}
	h.ProbeAt = now.Add(wait)
}

func (h *Health) enter(s State, now time.Time) {
	if h.state() == s {
		return
	}
	h.State, h.Since, h.Quick, h.Probes, h.ProbeAt = s, now, 0, 0, time.Time{}
}

// Resumed is the health of an endpoint that somebody lets go on: a slow start
// where it did not do well, and no waiting for what it had asked for.
func (h Health) Resumed(now time.Time) Health {
	if h.state() == Healthy {
		return Health{Window: h.Window}
	}
	return Health{State: Slow, Since: now, Window: slowWindow}
}

func later(x, y time.Time) time.Time {
	if y.After(x) {
		return y
	}
	return x
}
