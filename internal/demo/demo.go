// Package demo is a merchant to try Orderflow with: it takes notices, verifies
// them, and, when told to, acts on them by itself: it accepts and delivers what
// is paid, stops what was called off, and delivers what it is reminded of. Each
// order may choose how it does that, badly too: see Behaviour. It is what a
// merchant's own program would be, and reaches Orderflow only as such a program
// can: over HTTP, with a merchant's key. It keeps nothing beyond its process.
package demo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/merchant"
)

// Limits of what the merchant takes and remembers.
const (
	maxNotice   = 1 << 20
	maxRemember = 20_000 // webhook-ids, and as many orders
)

// Options of a Merchant.
type Options struct {
	Secret string // of the endpoint, whsec_…
	API    string // where Orderflow's API is: http://127.0.0.1:8080
	Key    string // the merchant's key of the API

	// AutoDeliver makes the merchant act on its notices; without it, it only
	// verifies, remembers and answers.
	AutoDeliver bool
	// Behave chooses what AutoDeliver does with an order. nil: Usual. An order's
	// own metadata.demo goes before it.
	Behave  func(Order) Behaviour
	Workers int // calls to the API at a time: 8 when 0
	Queue   int // notices that may wait for a worker: 1024 when 0

	Log *zap.Logger
}

// Stats counts what a merchant has seen and done.
type Stats struct {
	Notices    int64 // taken, each once
	Duplicates int64 // verified, and taken before
	Rejected   int64 // signature or form wrong
	Busy       int64 // put off: the queue was full

	Paid      int64 // notices by their type: order.paid
	CalledOff int64 // order.revoke_requested
	Overdue   int64 // order.delivery_overdue
	Refunded  int64 // refund.succeeded
	Informed  int64 // order.closed, order.completed, refund.failed: nothing is to be done
	Unknown   int64 // any other: they are taken all the same

	Accepted  int64 // reports that the API took, by what they say
	Delivered int64
	Failed    int64
	Revoked   int64
	Refused   int64 // reports that the API refused, such as for an order that was called off
	GaveUp    int64 // reports that failed on every try
}

// countNotice counts a notice that was taken.
func (s *Stats) countNotice(noticeType string) {
	s.Notices++
	switch noticeType {
	case merchant.OrderPaid:
		s.Paid++
	case merchant.RevokeRequested:
		s.CalledOff++
	case merchant.DeliveryOverdue:
		s.Overdue++
	case merchant.RefundSucceeded:
		s.Refunded++
	case merchant.OrderClosed, merchant.OrderCompleted, merchant.RefundFailed:
		s.Informed++
	default:
		s.Unknown++
	}
}

// Merchant is an http.Handler for notices at POST /notices.
type Merchant struct {
	verifier *standardwebhooks.Webhook
	mux      *http.ServeMux
	courier  *courier // nil unless AutoDeliver
	log      *zap.Logger

	mu      sync.Mutex // guards what follows
	stats   Stats
	notices *memory       // webhook-ids
	orders  *memory       // ids of orders that a notice came for
	changed chan struct{} // closed, and made anew, whenever the stats change
}

// New makes a Merchant. One that acts on its notices must be started.
func New(o Options) (*Merchant, error) {
	if err := merchant.ValidSecret(o.Secret); err != nil {
		return nil, fmt.Errorf("demo merchant: %w", err)
	}
	verifier, err := standardwebhooks.NewWebhook(o.Secret)
	if err != nil {
		return nil, fmt.Errorf("demo merchant: %w", err)
	}
	m := &Merchant{
		verifier: verifier,
		mux:      http.NewServeMux(),
		log:      cmp.Or(o.Log, zap.NewNop()),
		notices:  newMemory(maxRemember),
		orders:   newMemory(maxRemember),
		changed:  make(chan struct{}),
	}
	m.mux.HandleFunc("POST /notices", m.receive)
	if o.AutoDeliver {
		m.courier = newCourier(o, m.count, m.log)
	}
	return m, nil
}

// Start starts acting on notices; Start again does nothing, nor does Start after
// Stop.
func (m *Merchant) Start() {
	if m.courier != nil {
		m.courier.start()
	}
}

// Stop stops acting and waits until nothing runs. What waited in the queue is
// dropped. It may be called at any time and more than once.
func (m *Merchant) Stop() {
	if m.courier != nil {
		m.courier.stop()
	}
}

func (m *Merchant) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.mux.ServeHTTP(w, r) }

// Stats is what the merchant has seen and done so far.
func (m *Merchant) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

func (m *Merchant) count(add func(*Stats)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	add(&m.stats)
	m.wake()
}

func (m *Merchant) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Wait returns once a notice of the order, of whatever type, has been taken, at
// once when it was before; or with the context's error.
func (m *Merchant) Wait(ctx context.Context, orderID string) error {
	if err := m.until(ctx, func() bool { return m.orders.has(orderID) }); err != nil {
		return fmt.Errorf("wait for a notice of order %s: %w", orderID, err)
	}
	return nil
}

// Until returns once the stats are as wanted, or with the context's error.
func (m *Merchant) Until(ctx context.Context, wanted func(Stats) bool) error {
	if err := m.until(ctx, func() bool { return wanted(m.stats) }); err != nil {
		return fmt.Errorf("wait for the demo merchant, now at %+v: %w", m.Stats(), err)
	}
	return nil
}

func (m *Merchant) until(ctx context.Context, reached func() bool) error {
	for {
		m.mu.Lock()
		done, changed := reached(), m.changed
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notice is what the merchant reads of a notice.
type notice struct {
	Type string `json:"type"`
	Data struct {
		Order Order `json:"order"`
	} `json:"data"`
}

func (m *Merchant) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxNotice))
	if err != nil {
		m.log.Warn("demo merchant could not read a notice", zap.Error(err))
		m.reject(w, http.StatusBadRequest, "the notice could not be read")
		return
	}
	if err := m.verifier.Verify(body, r.Header); err != nil { // now and then on purpose, to see that we look
		m.log.Info("demo merchant refused a notice: its signature does not verify", zap.Error(err))
		m.reject(w, http.StatusUnauthorized, "the signature does not verify")
		return
	}
	var n notice
	if err := json.Unmarshal(body, &n); err != nil {
		m.log.Warn("demo merchant refused a notice: it is not JSON", zap.Error(err))
		m.reject(w, http.StatusBadRequest, "the notice is not JSON")
		return
	}
	if !m.take(r.Header.Get(standardwebhooks.HeaderWebhookID), n) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy: try again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (m *Merchant) reject(w http.ResponseWriter, status int, why string) {
	m.count(func(s *Stats) { s.Rejected++ })
	http.Error(w, why, status)
}

// take notes a notice and hands it on; false: there is no room, and the
// notice is to come again. Only what was taken is remembered.
func (m *Merchant) take(id string, n notice) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.wake()
	if m.notices.has(id) {
		m.stats.Duplicates++
		return true
	}
	if m.courier != nil && actsOn(n.Type) && !m.courier.offer(errand{n.Type, n.Data.Order}) {
		m.stats.Busy++
		return false
	}
	m.stats.countNotice(n.Type)
	m.notices.add(id)
	if n.Data.Order.ID != "" {
		m.orders.add(n.Data.Order.ID)
	}
	return true
}
