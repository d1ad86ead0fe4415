// Package loadgen is traffic to look at: buyers who order from a merchant, go to
// the sandbox channel's pay page, and then do what buyers do. They pay, call
// off, forget, pay twice or too late, confirm what they got, want their money
// back. What each of them does is a script; scripts.go has them all, and every
// hundred orders hold every script at least once.
//
// Buyers come through the door like everybody: over the public HTTP API, with an
// app's key, and over the pay page. What the merchant does is asked for in the
// order's metadata ("demo") and done by the demo merchant; what goes wrong at the
// channel is chosen at the pay page. A few orders are helped by an operator, and
// as many are left to those who look at what is held.
//
// The loop is open: orders come at their rate however slow the answers are, so
// that slowness is seen in the latencies instead of in fewer orders. It never
// piles up: when too many orders are in hand, new ones are skipped and counted.
package loadgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/pace"
	"github.com/orderflow/orderflow/producer/api"
)

// Limits.
const (
	maxRate     = 10_000.0         // orders a second
	usualInHand = 4000             // orders whose script is not through
	maxConns    = 512              // to one host
	callTime    = 20 * time.Second // one call
	tries       = 2                // of a call that cannot do harm twice
	stopGrace   = 3 * time.Second  // for calls that are under way at Stop
)

// Options are what traffic needs.
type Options struct {
	API         string  // where the API is: http://127.0.0.1:8080
	Key         string  // an app's key
	OperatorKey string  // an operator's
	Rate        float64 // orders a second; 0.2 is one every five seconds
	MerchantID  string
	// SlowMerchantID is a merchant who has seconds to deliver and to answer, so
	// that one sees what happens when that time passes.
	SlowMerchantID string
	SKU            string // both sell it

	// Seed makes the sequence of scripts, and what they leave to chance, the same
	// as in another run. 0 takes one from the clock; the log says which.
	Seed uint64
	// InHand is how many orders may be in hand at most; 0 means 4000. Half of
	// them may be waiting for an order to change.
	InHand int
	// Ended is told of each script that is through its steps; what the system
	// does of itself, such as closing or refunding the order, comes later. The
	// order's id is empty for a script that makes none. It is called from many
	// goroutines.
	Ended func(orderID, script string)
	Log   *zap.Logger

	transport http.RoundTripper // nil: the network
}

// Traffic is orders that keep coming. Start makes one.
type Traffic struct {
	o        Options
	log      *zap.Logger
	http     *http.Client
	api      *api.Client // the buyers', through their app
	operator *api.Client
	counts   counts
	inHand   chan struct{} // a slot per order in hand
	waiting  chan struct{} // a slot per buyer who waits for an order to change
	running  sync.WaitGroup
	open     context.Context // ends with Stop: no order, no further step
	shut     context.CancelFunc
	calls    context.Context // ends a grace later: whatever is still under way
	hangUp   context.CancelFunc
}

// Start lets the orders flow until Stop.
func Start(o Options) (*Traffic, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("start the traffic: %w", err)
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	t := newTraffic(o)
	t.log.Info("traffic flows", zap.Float64("orders_per_second", o.Rate), zap.Uint64("seed", o.Seed))
	t.running.Go(t.flow)
	return t, nil
}

func newTraffic(o Options) *Traffic {
	o.InHand = max(cmp.Or(o.InHand, usualInHand), 2)
	t := &Traffic{
		o: o, log: o.Log,
		inHand: make(chan struct{}, o.InHand), waiting: make(chan struct{}, o.InHand/2),
	}
	if t.log == nil {
		t.log = zap.NewNop()
	}
	t.http = &http.Client{Transport: o.transport, Timeout: callTime, CheckRedirect: stay}
	if o.transport == nil {
		network := http.DefaultTransport.(*http.Transport).Clone()
		network.MaxConnsPerHost, network.MaxIdleConns, network.MaxIdleConnsPerHost = maxConns, 0, maxConns
		t.http.Transport = network
	}
	t.api = api.New(o.API, o.Key, api.WithHTTPClient(t.http), api.WithTries(tries))
	t.operator = api.New(o.API, o.OperatorKey, api.WithHTTPClient(t.http), api.WithTries(tries))
	t.open, t.shut = context.WithCancel(context.Background())
	t.calls, t.hangUp = context.WithCancel(context.Background())
	return t
}

// stay follows no redirect: neither the API nor the pay page has any for
// programs, and the key is for the API alone.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (o Options) check() error {
	u, err := url.Parse(o.API)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		return errors.New("options: API must be the http or https URL of the API")
	case !(o.Rate > 0 && o.Rate <= maxRate): // NaN is neither
		return fmt.Errorf("options: Rate must be over 0 and at most %.0f orders a second", maxRate)
	case o.MerchantID == "" || o.SlowMerchantID == "" || o.SKU == "":
		return errors.New("options: MerchantID, SlowMerchantID and SKU must say what is bought from whom")
	case o.OperatorKey == "":
		return errors.New("options: OperatorKey must be the key of an operator, who decides about orders that are held")
	case o.InHand < 0:
		return errors.New("options: InHand must not be negative")
	}
	return nil
}

// Stop ends the traffic: no order comes any more, who waits goes home, and
// calls under way have 3 s to end. When it returns nothing is running. It may be
// called again, and from several goroutines.
func (t *Traffic) Stop() {
	t.shut()
	grace := time.AfterFunc(stopGrace, t.hangUp)
	defer grace.Stop()
	t.running.Wait()
	t.hangUp()
	t.http.CloseIdleConnections()
}

// flow lets buyers in at the rate.
func (t *Traffic) flow() {
	d := newDeck(t.o.Seed)
	pace.At(t.open, t.o.Rate, func() { t.letIn(d) }, t.counts.skip)
}

// letIn begins an order, or skips it when there is no room. A skipped order
// takes no card, so that the sequence is the same however slow the API is.
func (t *Traffic) letIn(d *deck) {
	select {
	case t.inHand <- struct{}{}:
	default:
		t.counts.skip(1)
		return
	}
	b := t.buyer(d.draw(), d.rng.Uint64())
	t.running.Go(func() {
		defer func() { <-t.inHand }()
		t.serve(b)
	})
}

// buyer is one who has just come.
func (t *Traffic) buyer(s script, seed uint64) *buyer {
	return &buyer{t: t, script: s, rng: rand.New(rand.NewPCG(seed, 0)), came: time.Now(), seller: t.o.MerchantID}
}

// serve takes a buyer through the script and counts how that ended.
func (t *Traffic) serve(b *buyer) {
	err := b.script.steps(b)
	switch {
	case err == nil:
		t.counts.end(b.script.name)
		if t.o.Ended != nil {
			t.o.Ended(b.orderID(), b.script.name)
		}
	case errors.Is(err, errStopped) || t.calls.Err() != nil:
	case isProblem(err, api.OutOfStock):
		t.counts.outOfStock()
	case isProblem(err, api.Overloaded):
		t.counts.turnAway()
	case errors.Is(err, errTooLong):
		t.counts.giveUp()
	default:
		if t.counts.fail(time.Now()) {
			t.log.Warn("traffic: a buyer could not do as the script says; there may be more than this line shows",
				zap.String("order_id", b.orderID()), zap.String("script", b.script.name), zap.Error(err))
		}
	}
}

// Stats is what the traffic came to so far.
func (t *Traffic) Stats() Stats {
	s := t.counts.stats()
	s.Rate, s.InHand = t.o.Rate, len(t.inHand)
	return s
}
