package merchant

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
)

// RecoveryID identifies a recovery.
type RecoveryID = ident.Of[Recovery]

// Recovery is the telling once more of what an endpoint should have heard in some
// time: after it was down, or had lost it. It goes through the endpoint's window
// like all that waits, behind everything else.
type Recovery struct {
	ID           RecoveryID
	MerchantID   string
	EndpointID   EndpointID
	Since, Until time.Time   // when the notices were written; Until is not in it
	All          bool        // also what the endpoint has taken, or became pointless
	Actor        order.Actor // who asked for it; "" when that is not known
	State        RecoveryState
	Total        int64 // notices of that time, whatever becomes of them; -1: too many to count at once
	Checked      int64 // of these, how many were looked at
	Queued       int64 // of these, how many were put into the endpoint's backlog
	Delivered    int64 // of these, how many it has taken
	Failed       int64 // and how many it refused to the end of its schedule, or by 410
	Waiting      int64 // and how many it has yet to take
	CreatedAt    time.Time
	EndedAt      time.Time // zero while it runs
	// Reason is why one that runs stands still: Held, or Probing. "": it does not.
	Reason Reason

	After   Place     // the last notice that was looked at
	Walked  bool      // there is none after it
	MovedAt time.Time // when something last became of it
}

// RecoveryState is how far a recovery has got.
type RecoveryState string

// The states.
const (
	RecoveryRunning   RecoveryState = "running"
	RecoveryDone      RecoveryState = "done"      // all of it was taken, or came to nothing
	RecoveryCancelled RecoveryState = "cancelled" // by hand, or its endpoint was deleted
)

// RecoveryStates lists every state.
func RecoveryStates() []RecoveryState {
	return []RecoveryState{RecoveryRunning, RecoveryDone, RecoveryCancelled}
}

// UnderwayError says that an endpoint has a recovery already.
type UnderwayError struct{ Recovery RecoveryID }

func (e *UnderwayError) Error() string {
	return fmt.Sprintf("recovery %s of the endpoint is running: wait for its end, or cancel it", e.Recovery)
}

// MaxRecovery is how old the oldest notice may be that is recovered.
const MaxRecovery = 30 * 24 * time.Hour

// callTime is allowed for between the asking and the answer.
const callTime = time.Minute

// Check says what is wrong with what was asked for: order.Invalid, or nil.
func (r Recovery) Check(now time.Time) error {
	var faults order.Invalid
	switch {
	case r.Since.IsZero():
		faults = append(faults, order.FieldError{Field: "since", Message: "is required"})
	case r.Since.Before(now.Add(-MaxRecovery - callTime)):
		faults = append(faults, order.FieldError{Field: "since", Message: "want at most 30 days ago"})
	case !r.Since.Before(r.Until):
		faults = append(faults, order.FieldError{Field: "since", Message: "want a time before until, and before now"})
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// Dropped is how much of what was queued neither was taken nor waits any more: it
// became pointless, was resent by itself, or the recovery was cancelled.
func (r Recovery) Dropped() int64 { return r.Queued - r.Delivered - r.Failed - r.Waiting }

// Candidate is what is known of a notice that a recovery meets.
type Candidate struct {
	Place
	Type     string
	Taken    bool // by the endpoint
	Refused  bool // by the endpoint, with 410
	Known    bool // to some endpoint: it was taken there
	Owed     bool // it waits for an endpoint, or has a task, dead or alive
	Underway bool // its first try is to come, or is being made
}

// Wants says whether the recovery tells the endpoint a notice. What it does not
// subscribe to is never told; what was on its way anyhow is left to that. What asks
// for something and became pointless before anybody had heard of it is not dug
// out but by Recovery.All: it could be acted on.
func (r Recovery) Wants(e Endpoint, c Candidate) bool {
	switch {
	case !e.Subscribes(c.Type), c.Underway:
		return false
	case r.All:
		return true
	case c.Taken, c.Refused:
		return false
	}
	return c.Known || c.Owed || !Asks(c.Type)
}

// How much of a recovery is in the backlog at once: a million notices make no
// million rows.
const (
	recoveryUntried = 1000   // that were not tried yet
	recoveryWaits   = 10_000 // with those that were, and failed
	recoveryChunk   = 500    // looked at in one go
)

// Chunk is how many notices are looked at next, when so many of those that wait
// were not tried yet; 0: there is no room for more.
func (r Recovery) Chunk(untried int64) int {
	room := min(recoveryUntried-untried, recoveryWaits-r.Waiting, recoveryChunk)
	if room < recoveryChunk/2 {
		return 0
	}
	return int(room)
}

// Look is in what time there may be something to do: soon while it moves, and ever
// later when the endpoint takes nothing.
func (r Recovery) Look(now time.Time) time.Duration {
	return min(max(now.Sub(r.MovedAt)/2, 500*time.Millisecond), 30*time.Second)
}
