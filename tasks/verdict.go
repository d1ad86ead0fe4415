package tasks

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// Settlement is what a try of an owed row came to: the row's own fate and the
// change of its order, written together or not at all.
type Settlement struct {
	Row     Row
	Verdict Verdict
	// Apply changes the row's order in memory while it is locked; nil when the
	// order stays as it is. It may run twice and must not block. When it returns
	// order.ErrAlready the row is fulfilled all the same; when it returns another
	// error the row is tried again later.
	Apply func(*order.Order) error
	// Owes are further tasks that the try made necessary.
	Owes []Message
	// Tries are the notices that were sent, for the log.
	Tries []merchant.Attempt
	// Deliveries are for whom the row's notice now waits: the row is fulfilled,
	// and each endpoint is told by its backlog.
	Deliveries []merchant.Delivery
	// Then, if there is one, is told once the settlement is written, or is not.
	Then func(err error)
}

// ErrGone says that a row was settled by another try in the meantime. Nothing
// was changed and nothing is left to do.
var ErrGone = errors.New("the task is no longer owed in this form")

// Verdict is what became of a try of a row.
type Verdict struct {
	kind verdict
	wait time.Duration
	err  error
}

type verdict int

const (
	done verdict = iota
	later
	never
	again
	anew
)

// Done says that the row is fulfilled.
func Done() Verdict { return Verdict{kind: done} }

// Later says that the try failed, or had no answer yet: the kind's ladder says
// when the next one is.
func Later(err error) Verdict { return Verdict{kind: later, err: err} }

// LaterIn is Later with a wait of its own, for who was told when to come back.
func LaterIn(wait time.Duration, err error) Verdict {
	return Verdict{kind: later, wait: wait, err: err}
}

// Again says that it was us who cut the try short: the row is tried again in a
// moment, and it costs the row none of its tries.
func Again(err error) Verdict { return Verdict{kind: again, wait: moment, err: err} }

// moment is how long a row waits that we ourselves could not try.
const moment = 2 * time.Second

// Never says that no further try can help: an operator must look.
func Never(err error) Verdict { return Verdict{kind: never, err: err} }

// Anew says that the row is fulfilled, and owed once more after a wait.
func Anew(wait time.Duration) Verdict { return Verdict{kind: anew, wait: wait} }

// IsDone says whether the row is fulfilled, and owed no more.
func (v Verdict) IsDone() bool { return v.kind == done }

// Fulfils says whether the try did what was owed, be it owed once more or not.
func (v Verdict) Fulfils() bool { return v.kind == done || v.kind == anew }

// Err is why the row is not fulfilled; nil when it is.
func (v Verdict) Err() error { return v.err }

// Next is the row as v leaves it, and whether it is still owed. now is when
// the try ended.
func (v Verdict) Next(r Row, now time.Time) (next Row, owed bool) {
	if v.kind == done {
		return Row{}, false
	}
	r.PromotedAt = time.Time{}
	if v.kind == anew {
		r.Attempts, r.LastError, r.DueAt = 0, "", now.Add(v.wait)
		return r, true
	}
	if v.kind != again {
		r.Attempts++
	}
	if v.err != nil {
		r.LastError = clip(v.err.Error())
	}
	spec, err := SpecOf(r.Kind)
	wait, more := spec.Retry.After(r.Attempts, rand.Float64())
	switch {
	case v.kind == never || err != nil || !more && v.kind != again:
		r.DeadAt = now
	case v.wait > 0:
		r.DueAt = now.Add(v.wait)
	default:
		r.DueAt = now.Add(wait)
	}
	return r, true
}
