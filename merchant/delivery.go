package merchant

import (
	"time"
)

// Delivery is one notice that one endpoint has yet to acknowledge: a row of the
// backlog. What is acknowledged at the first go never becomes one.
type Delivery struct {
	NoticeID   string
	EndpointID EndpointID
	Type       string    // the notice's
	DueAt      time.Time // of one in flight: when it is taken for lost
	InFlight   bool
	Generation int // of claims: an attempt settles the claim that it was made for
	Attempts   int // that failed and count
	Reason     Reason
	LastError  string
	CreatedAt  time.Time

	// Recovery is that of which it is a part: it goes behind all others. Zero: none.
	Recovery RecoveryID
	// Asked says that it waits only because somebody asked for it to be told once
	// more. The endpoint may have taken it before, and nobody is called at its end.
	Asked bool
}

// Reason is why a delivery waits.
type Reason string

// The reasons. The last two are not a delivery's, but its endpoint's.
const (
	Queued    Reason = "queued"    // there was no credit for it, or it was asked for once more
	Recovered Reason = "recovery"  // it is part of a recovery, and goes behind all others
	Retry     Reason = "retry"     // a try failed
	Throttled Reason = "throttled" // the endpoint asked for a pause: Retry-After
	Probing   Reason = "paused"    // its endpoint fails: it is only probed
	Held      Reason = "held"      // its endpoint was paused by hand, or is disabled
)

// Reasons lists every Reason.
func Reasons() []Reason { return []Reason{Queued, Recovered, Retry, Throttled, Probing, Held} }

// LeaseOf is how long an attempt is waited for: the longest exchange and ten
// seconds. After that its process is dead, and the delivery is tried again.
const LeaseOf = 25 * time.Second

// Fate is what an attempt makes of a delivery.
type Fate int

// The fates.
const (
	Again Fate = iota // it is due later
	Told              // the endpoint acknowledged it
	Gone              // the endpoint answered 410: it does not want it
	Dead              // its schedule is at its end, or no further try can help
)

// moment is how long a delivery waits that we ourselves could not try.
const moment = 2 * time.Second

// After is the delivery after an attempt in an endpoint's state, and what became
// of it. A try that never left costs none of the schedule; nor does one of an
// endpoint that is only probed.
func (d Delivery) After(a Attempt, s Schedule, state State, now time.Time, unit float64) (Delivery, Fate) {
	d.InFlight = false
	switch class := a.Class(); {
	case a.OK:
		return d, Told
	case a.Gone:
		return d, Gone
	case class == Stopped || class == Secret:
		d.DueAt, d.LastError = now.Add(moment), a.Error
		if class == Secret { // somebody must mend it first
			d.DueAt = now.Add(time.Minute)
		}
		return d, Again
	}
	d.LastError, d.Reason = a.Error, Retry
	if a.Class() == Blocked { // the next try would go to the same address: somebody must change the URL
		d.Attempts++
		return d, Dead
	}
	if state == Paused || state == Disabled { // held: the next probe is another's turn
		d.DueAt = now
		return d, Again
	}
	d.Attempts++
	wait, more := s.After(d.Attempts, unit)
	if !more {
		return d, Dead
	}
	if a.RetryAfter > 0 {
		d.Reason = Throttled
	}
	d.DueAt = now.Add(max(wait, a.RetryAfter))
	return d, Again
}
