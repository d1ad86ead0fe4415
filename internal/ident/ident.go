// Package ident gives every identifier its own Go type.
//
// All identifiers are UUIDv7: they sort by the time they were made, so rows
// that are born together lie together. The ids of one order's parts (its
// attempts, refunds and delivery) share the order's first 15 bytes and differ
// in the last, so whoever holds any of them can see, and compute, the order;
// no secondary index is needed to find the parts.
package ident

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// Of is an identifier of a T. T is never instantiated: it only keeps an
// attempt's id from being passed where an order's is wanted.
type Of[T any] uuid.UUID

// New makes a fresh identifier whose last byte, the part, is zero.
// It panics only when the system's random source fails.
func New[T any]() Of[T] {
	id := Of[T](uuid.Must(uuid.NewV7()))
	id[15] = 0
	return id
}

// Parse reads an identifier in its canonical form or as 32 hex digits.
func Parse[T any](s string) (Of[T], error) {
	if len(s) != 36 && len(s) != 32 {
		return Of[T]{}, fmt.Errorf("%q is not an identifier: want a UUID", clip(s))
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return Of[T]{}, fmt.Errorf("%q is not an identifier: want a UUID", clip(s))
	}
	return Of[T](id), nil
}

func clip(s string) string {
	if len(s) > 48 {
		return s[:48] + "…"
	}
	return s
}

// String is the canonical form, 36 characters.
func (id Of[T]) String() string { return uuid.UUID(id).String() }

// Compact is the form without dashes, 32 characters: what payment channels
// accept as a merchant's order number.
func (id Of[T]) Compact() string { return hex.EncodeToString(id[:]) }

// IsZero says whether id was never set.
func (id Of[T]) IsZero() bool { return id == Of[T]{} }

// Part is the last byte: 0 for an order itself, else which of its parts.
func (id Of[T]) Part() byte { return id[15] }

// WithPart is the id of another part of the same family, as a U's.
func WithPart[U, T any](id Of[T], part byte) Of[U] {
	u := Of[U](id)
	u[15] = part
	return u
}

// As is the same identifier seen as a U's.
func As[U, T any](id Of[T]) Of[U] { return Of[U](id) }

// MarshalText gives the canonical form, so that JSON shows it.
func (id Of[T]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *Of[T]) UnmarshalText(b []byte) error {
	parsed, err := Parse[T](string(b))
	if err == nil {
		*id = parsed
	}
	return err
}

// Value gives database/sql the canonical form.
func (id Of[T]) Value() (driver.Value, error) { return id.String(), nil }

// Scan reads a uuid column.
func (id *Of[T]) Scan(src any) error { return (*uuid.UUID)(id).Scan(src) }
