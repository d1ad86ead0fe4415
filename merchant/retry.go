package merchant

import (
	"fmt"
	"time"
)

// The bounds of a schedule that an endpoint has of its own.
const (
	MaxWaits = 20
	MinWait  = time.Second
	MaxWait  = 24 * time.Hour
)

// CheckSchedule says what is wrong with the waits between the tries to tell an
// endpoint something; nil: nothing. None at all are the usual ones.
func CheckSchedule(waits []time.Duration) error {
	if len(waits) > MaxWaits {
		return fmt.Errorf("has %d waits: want 1 to %d", len(waits), MaxWaits)
	}
	for i, w := range waits {
		if w < MinWait || w > MaxWait || w%time.Second != 0 {
			return fmt.Errorf("wait %d is %s: want whole seconds, from 1 second to 24 hours", i+1, w)
		}
	}
	return nil
}
