// Package bench measures how fast an Orderflow is, from outside: it starts one
// as its own process, on a PostgreSQL and a Redis that lose nothing, plays the
// upstream apps, the payment channel and, in one more process, the merchant, and
// counts complete lifecycles:
//
//	POST /v1/orders with its channel    an app orders, two items, one of them of tracked stock
//	POST …/callbacks, signed            the channel says that it is paid
//	the merchant's 200                  the signed notice has arrived
//
// Afterwards it looks into the database: every order must be where it should
// be. A fast run that is wrong is a failed run.
//
// What is measured is a system, so that other services that do the same can be
// held against the same ruler; see baseline.go and compare.go. The package makes
// nothing faster and knows no secret way in: it speaks HTTP.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orderflow/orderflow/internal/seal"
)

// Load is what is asked of a system.
type Load struct {
	Clients   int           // buyers at once, each beginning an order when the one before is through
	Rate      float64       // over 0: orders a second instead, however slow the answers are
	Warm      time.Duration // not counted
	Window    time.Duration // counted
	Drain     time.Duration // how long what is still under way may take afterwards
	Unpaid    float64       // share of orders that nobody pays
	PayWithin time.Duration // how long those may be paid, in whole seconds
	Think     time.Duration // how long the merchant takes for its answer
}

func (l Load) check() error {
	switch {
	case l.Clients < 1 || l.Clients > 10_000:
		return errors.New("clients: want 1 to 10000")
	case !(l.Rate >= 0 && l.Rate <= 100_000): // NaN is neither
		return errors.New("rate: want 0 to 100000 orders a second")
	case l.Warm < 0 || l.Window < 100*time.Millisecond || l.Window > time.Hour:
		return errors.New("window: want 100ms to 1h, after a warm-up of 0s or more")
	case !(l.Unpaid >= 0 && l.Unpaid < 1):
		return errors.New("unpaid: want a share from 0 to below 1, such as 0.1")
	case l.Unpaid > 0 && (l.PayWithin < time.Second || l.PayWithin%time.Second != 0):
		return errors.New("pay-within: want whole seconds")
	}
	return nil
}

// Options are one measurement of an Orderflow.
type Options struct {
	Load    Load
	Program []string   // an orderflow: its path, and the name that it is called by
	URL     string     // one that runs already, on Database; empty: one is started
	Secret  string     // of its sandbox channel, with URL
	Keys    []seal.Key // that its merchants' secrets are sealed with, with URL

	Database string // a server to make a fresh database on, or that of URL; empty: a private one
	Redis    string // an empty one; empty: a private one
	Profile  string // a directory for the service's profiles; empty: none

	// Say is told now and then how far it is. It may be nil.
	Say func(string)
}

// Run measures. The Result is there, and says what is wrong, also when the
// orders are not where they should be.
func Run(ctx context.Context, o Options) (*Result, error) {
	if err := o.Load.check(); err != nil {
		return nil, err
	}
	if o.URL != "" && o.Database == "" {
		return nil, errors.New("with a URL the database of that Orderflow must be named as well (DATABASE_URL): the orders are looked for in it afterwards")
	}
	g := &ground{database: o.Database, redis: o.Redis, keep: o.URL != "", say: speaker(o.Say)}
	if err := g.open(ctx, true); err != nil {
		return nil, err
	}
	defer g.close()
	sys := &orderflow{program: o.Program, load: o.Load, secret: o.Secret, keys: o.Keys, profile: o.Profile}
	r := &run{ground: g, system: sys, load: o.Load, program: o.Program, url: o.URL, profile: o.Profile}
	return r.measure(ctx)
}

func speaker(say func(string)) func(string, ...any) {
	if say == nil {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) { say(fmt.Sprintf(format, args...)) }
}
