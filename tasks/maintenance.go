package tasks

import (
	"errors"
	"fmt"
	"time"
)

// Standing are the tasks that are always owed: done, they are due again later.
func Standing() []Key { return []Key{{Kind: MaintenanceRun}} }

// Keep is how long what is done is kept where it can be found at once.
type Keep struct {
	Orders     time.Duration // after the end of their month
	Answers    time.Duration // to requests with an Idempotency-Key
	Recoveries time.Duration // of endpoints, after their end
}

// DefaultKeep is 400 days, longer than any channel gives money back, 7 days, and 90,
// three times what a recovery reaches back.
func DefaultKeep() Keep { return Keep{Orders: 400 * day, Answers: 7 * day, Recoveries: 90 * day} }

// Maintained is what one maintenance did.
type Maintained struct {
	Made       []string // months
	Taken      []string // months that are in the archive now
	InUse      []*InUse // months that are old enough for it, and cannot go yet
	Answers    int64    // to Idempotency-Keys that were forgotten
	Recoveries int64    // that ended long ago, and were forgotten
}

// InUse says why a month cannot be taken out yet.
type InUse struct {
	Month       string
	Tasks, Open int64 // what is owed about its orders, and how many of them are unfinished or held
}

func (e *InUse) Error() string {
	return fmt.Sprintf("month %s is in use: %d of its orders are unfinished or held, %d tasks about its orders are owed; see `orderflow order held` and `orderflow task list`", e.Month, e.Open, e.Tasks)
}

// ErrMaintaining says that another process is at it.
var ErrMaintaining = errors.New("another maintenance is under way")
