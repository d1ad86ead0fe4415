package order

import (
	"errors"
	"fmt"
)

var (
	// ErrAlready says that the step was taken before: nothing is left to do, and
	// whoever asks twice may be told the same again.
	ErrAlready = errors.New("already done")
	// ErrNotAllowed is what every Refusal is: the order stands where the step
	// cannot be taken.
	ErrNotAllowed = errors.New("not allowed")
)

// Refusal says why an order does not take a step. Nothing was changed.
type Refusal struct {
	Step   string // the step asked for: "cancel", "pay"
	Status Status // where the order stands; "" when that is not the reason
	Why    string // a sentence for whoever asked
}

func (r *Refusal) Error() string {
	switch {
	case r.Step == "":
		return r.Why
	case r.Status == "":
		return fmt.Sprintf("cannot %s: %s", r.Step, r.Why)
	case r.Why == "":
		return fmt.Sprintf("cannot %s an order that is %s", r.Step, r.Status)
	}
	return fmt.Sprintf("cannot %s an order that is %s: %s", r.Step, r.Status, r.Why)
}

// Is makes errors.Is(err, ErrNotAllowed) true.
func (r *Refusal) Is(target error) bool { return target == ErrNotAllowed }

// FieldError is a fault in what an order was to be made of.
type FieldError struct {
	Field   string // as in the API: "items[0].quantity"
	Message string
}

// Invalid is every fault of a Draft at once.
type Invalid []FieldError

func (e Invalid) Error() string {
	if len(e) == 1 {
		return e[0].Field + ": " + e[0].Message
	}
	return fmt.Sprintf("%s: %s (and %d more)", e[0].Field, e[0].Message, len(e)-1)
}
