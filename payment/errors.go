package payment

import (
	"errors"
	"fmt"
)

// Class says what an error of a channel means for the money.
type Class string

// The classes of error. Unknown is the default, and for a call that moves
// money it means: ask the channel before anything else.
const (
	Unknown   Class = "unknown"   // a timeout, a broken connection, a 5xx: it may have happened
	Retryable Class = "retryable" // it certainly did not happen; try the same again later
	Permanent Class = "permanent" // definitely refused; the same again is refused again
	Conflict  Class = "conflict"  // the channel stands elsewhere than we think: query and converge
	Auth      Class = "auth"      // keys or signatures: an operator must look
)

// Error is a channel's error with its class.
type Error struct {
	Class Class
	Op    string // "sandbox query 0190…"
	Code  string // the channel's own code, when it gave one
	Err   error
}

func (e *Error) Error() string {
	s := e.Op + ": " + string(e.Class)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ErrBalanceShort is the cause of a refund's error of class Retryable when our
// own balance at the channel is too small for it. Nothing happened; the same
// number succeeds once somebody has put money there, and no sooner. It is found
// with errors.Is.
var ErrBalanceShort = errors.New("our balance at the channel is short")

// Errorf makes an Error whose cause is formatted like fmt.Errorf.
func Errorf(class Class, op, format string, args ...any) *Error {
	return &Error{Class: class, Op: op, Err: fmt.Errorf(format, args...)}
}

// ClassOf is the class of err; what is not an Error is Unknown.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Unknown
}

// Undecided says that err leaves open whether the call had its effect.
func Undecided(err error) bool {
	c := ClassOf(err)
	return err != nil && (c == Unknown || c == Conflict)
}
