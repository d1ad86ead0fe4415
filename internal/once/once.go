// Package once is the Idempotency-Key of a request that creates something: its
// answer is written with what it made, so that the same request again gets the
// same answer and makes nothing.
package once

import "errors"

// Request is a request that must have its effect once.
type Request struct {
	Scope string // whose key it is: keys of different callers never meet
	Key   string
	Hash  [32]byte // SHA-256 over method, path and body
	// Answer renders what the caller is told. The store calls it inside the
	// transaction, after the change was made in memory and before it is written.
	Answer func() (status int, body []byte)
}

// Replay is the error of a request that had its effect before: it carries the
// first answer, and nothing was changed.
type Replay struct {
	Status int
	Body   []byte
}

func (*Replay) Error() string { return "answered before" }

// ErrReused says that the key came before with another request.
var ErrReused = errors.New("the Idempotency-Key was used with another request")
