package order

import (
	"fmt"
	"time"

	"golang.org/x/text/currency"
)

// Limits of what an order may be made of.
const (
	MaxItems       = 200
	MaxUnits       = int64(1_000_000_000)         // of one line
	MaxAmount      = int64(1_000_000_000_000_000) // minor units
	MaxMetadata    = 20
	MinPayWindow   = time.Second
	MaxPayWindow   = 30 * 24 * time.Hour
	defaultWindow  = 15 * time.Minute
	MaxDelivery    = 90 * 24 * time.Hour
	maxTextLen     = 128
	maxMetadataLen = 512
)

// Draft is what an upstream app asks for.
type Draft struct {
	MerchantID      string
	BuyerID         string
	MerchantOrderNo string
	Currency        string
	Items           []Item
	Metadata        map[string]string
	PayWithin       time.Duration // 0 means 15 minutes
	FeeBps          int
	// Virtual goods need no parcel: they are delivered, or stopped, in minutes.
	Virtual bool
	// What the merchant agreed to; 0 means 48 and 24 hours, or 10 minutes each
	// for virtual goods.
	DeliverWithin, RevokeWithin time.Duration
}

// New makes an order from a draft (O1), or returns an Invalid naming every
// fault. ExpireAt is rounded up to a whole second: timers have no finer grain.
func New(id ID, d Draft, by Actor, now time.Time) (*Order, error) {
	amount, faults := check(d)
	if len(faults) > 0 {
		return nil, faults
	}
	within := d.PayWithin
	if within == 0 {
		within = defaultWindow
	}
	o := &Order{
		ID: id, MerchantID: d.MerchantID, BuyerID: d.BuyerID, MerchantOrderNo: d.MerchantOrderNo,
		Currency: d.Currency, Amount: amount, FeeBps: d.FeeBps, Items: d.Items, Metadata: d.Metadata,
		DeliverWithin: d.within(d.DeliverWithin, 48*time.Hour), RevokeWithin: d.within(d.RevokeWithin, 24*time.Hour),
		CreatedAt: now, ExpireAt: ceilSecond(now.Add(within)),
	}
	o.move(PendingPay)
	o.record(EventCreated, by, now, Detail{Amount: amount, Currency: d.Currency})
	return o, nil
}

// within is what was agreed, else the usual time for such goods.
func (d Draft) within(agreed, usual time.Duration) time.Duration {
	switch {
	case agreed != 0:
		return agreed
	case d.Virtual:
		return 10 * time.Minute
	}
	return usual
}

func ceilSecond(t time.Time) time.Time {
	if down := t.Truncate(time.Second); down.Before(t) {
		return down.Add(time.Second)
	}
	return t
}

// isCurrency says whether s is a code of ISO 4217.
func isCurrency(s string) bool {
	unit, err := currency.ParseISO(s)
	return err == nil && unit.String() == s
}

func check(d Draft) (amount int64, faults Invalid) {
	fault := func(field, format string, args ...any) {
		faults = append(faults, FieldError{field, fmt.Sprintf(format, args...)})
	}
	text := func(field, value string, required bool) {
		switch {
		case value == "" && required:
			fault(field, "is required")
		case len(value) > maxTextLen:
			fault(field, "is longer than %d bytes", maxTextLen)
		case !printable(value):
			fault(field, "has control characters or is not UTF-8")
		}
	}
	// A name that looks like another but is not would hold no stock, or another's.
	name := func(field, value string, required bool) {
		text(field, value, required)
		if value != "" && len(value) <= maxTextLen && printable(value) && !IsName(value) {
			fault(field, "must not begin or end with a space, nor hold invisible characters")
		}
	}
	name("merchant_id", d.MerchantID, true)
	name("buyer_id", d.BuyerID, true)
	name("merchant_order_no", d.MerchantOrderNo, false)
	if !isCurrency(d.Currency) {
		fault("currency", "want an ISO 4217 code such as CNY")
	}
	if d.PayWithin != 0 && (d.PayWithin < MinPayWindow || d.PayWithin > MaxPayWindow) {
		fault("pay_within_seconds", "want %d to %d", int(MinPayWindow.Seconds()), int(MaxPayWindow.Seconds()))
	}
	for field, within := range map[string]time.Duration{"deliver_within_seconds": d.DeliverWithin, "revoke_within_seconds": d.RevokeWithin} {
		if within != 0 && (within < time.Second || within > MaxDelivery || within%time.Second != 0) {
			fault(field, "want 1 to %d", int(MaxDelivery.Seconds()))
		}
	}
	if len(d.Items) == 0 || len(d.Items) > MaxItems {
		fault("items", "want 1 to %d lines", MaxItems)
	}
	over := false
	for i, it := range d.Items {
		at := fmt.Sprintf("items[%d].", i)
		name(at+"sku", it.SKU, true)
		text(at+"name", it.Name, false)
		quantityOK := it.Quantity >= 1 && it.Quantity <= MaxUnits
		if !quantityOK {
			fault(at+"quantity", "want 1 to %d", MaxUnits)
		}
		priceOK := it.UnitPrice >= 0 && it.UnitPrice <= MaxAmount
		if !priceOK {
			fault(at+"unit_price", "want 0 to %d minor units", MaxAmount)
		}
		switch {
		case !quantityOK || !priceOK:
		case it.UnitPrice > 0 && it.Quantity > (MaxAmount-amount)/it.UnitPrice: // their product may not fit an int64
			over = true
		default:
			amount += it.Quantity * it.UnitPrice
		}
	}
	if over {
		fault("items", "the order's amount is over %d minor units", MaxAmount)
	}
	if len(faults) == 0 && amount == 0 {
		fault("items", "the order's amount is 0; an order takes a payment")
	}
	if len(d.Metadata) > MaxMetadata {
		fault("metadata", "has over %d entries", MaxMetadata)
	}
	for k, v := range d.Metadata {
		if k == "" || len(k) > maxTextLen || len(v) > maxMetadataLen || !printable(k) || !storable(v) {
			fault("metadata", "keys are 1 to %d bytes, values up to %d, both UTF-8 without NUL", maxTextLen, maxMetadataLen)
			break
		}
	}
	return amount, faults
}
