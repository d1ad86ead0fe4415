package order

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound says that there is no such order (or stock, or task).
	ErrNotFound = errors.New("not found")
	// ErrNumberTaken says that the merchant has an order of this merchant_order_no.
	ErrNumberTaken = errors.New("merchant_order_no is taken by another order of this merchant")
	// ErrBusy says that the store takes no more changes just now. Nothing was changed.
	ErrBusy = errors.New("too busy: try again in a moment")
)

// OutOfStock says that an order could not hold what it needs.
type OutOfStock struct {
	SKU       string
	Wanted    int64
	Available int64
}

func (e *OutOfStock) Error() string {
	return fmt.Sprintf("out of stock: %d of %s wanted, %d available", e.Wanted, e.SKU, e.Available)
}

// Filter chooses orders; what is zero does not narrow. Newest come first.
type Filter struct {
	MerchantID string
	BuyerID    string
	Status     Status
	Held       bool   // only those that an operator must look at
	Hold       string // only those held for this reason
	Before     ID     // only orders older than this one: the last of the page before
	Limit      int    // 1 to 200
}

// Stock is what a merchant has of a SKU. Held is promised to orders that are
// not yet paid; Available is OnHand less Held.
type Stock struct {
	MerchantID string
	SKU        string
	OnHand     int64
	Held       int64
}

// Available is what new orders can still hold.
func (s Stock) Available() int64 { return s.OnHand - s.Held }
