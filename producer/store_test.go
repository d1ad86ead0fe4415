package producer_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/internal/seal"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// memory is a store that behaves as the real one does, without keeping
// anything: one change at a time, the closure run twice, answers of
// Idempotency-Keys kept with what they made.
type memory struct {
	mu          sync.Mutex
	orders      map[order.ID]*order.Order
	events      map[order.ID][]order.Event
	kept        map[[2]string]keptAnswer
	stock       map[[2]string]*order.Stock
	counted     []order.Actor // who set stock, in turn
	merchants   map[string]merchant.Merchant
	endpoints   []merchant.Endpoint
	rotations   []merchant.Rotation
	keyless     bool                    // it can keep no secret
	notices     []merchant.NoticeRecord // newest first
	tries       []merchant.Attempt      // of any of them, newest first
	asked       merchant.NoticeFilter   // of the last list
	recoveries  []merchant.Recovery     // newest first
	waits       []merchant.Delivery
	undelivered []merchant.Undelivered
	unopened    error // what comes of opening a secret
	disabled    bool  // the endpoints are
	tasks       []tasks.Row
	requeued    []string // by whom, and why
	received    map[string][]byte
	fails       error // what every call returns, when set
}

type keptAnswer struct {
	hash   [32]byte
	status int
	body   []byte
}

func newMemory() *memory {
	return &memory{
		orders: map[order.ID]*order.Order{}, events: map[order.ID][]order.Event{}, kept: map[[2]string]keptAnswer{},
		stock: map[[2]string]*order.Stock{}, received: map[string][]byte{},
		merchants: map[string]merchant.Merchant{"m_demo": {ID: "m_demo", FeeBps: 60}, "m_other": {ID: "m_other"}},
	}
}

func (m *memory) Create(_ context.Context, o *order.Order, req *once.Request) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.before(req); err != nil {
		return err
	}
	for _, other := range m.orders {
		if o.MerchantOrderNo != "" && other.MerchantID == o.MerchantID && other.MerchantOrderNo == o.MerchantOrderNo {
			return order.ErrNumberTaken
		}
	}
	for _, it := range o.Items {
		if s := m.stock[[2]string{o.MerchantID, it.SKU}]; s != nil && it.Quantity > s.Available() {
			return &order.OutOfStock{SKU: it.SKU, Wanted: it.Quantity, Available: s.Available()}
		}
	}
	for i, it := range o.Items {
		if s := m.stock[[2]string{o.MerchantID, it.SKU}]; s != nil {
			o.Items[i].Tracked = true
			s.Held += it.Quantity
		}
	}
	m.keep(req)
	m.put(o)
	return nil
}

func (m *memory) Update(_ context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.before(req); err != nil {
		return err
	}
	o := m.orders[id]
	if o == nil {
		return fmt.Errorf("order %s: %w", id, order.ErrNotFound)
	}
	_ = fn(o.Clone()) // a batch that had to be tried again
	next := o.Clone()
	if err := fn(next); err != nil {
		return err
	}
	m.keep(req)
	m.put(next)
	return nil
}

func (m *memory) before(req *once.Request) error {
	if m.fails != nil {
		return m.fails
	}
	if req == nil {
		return nil
	}
	k, ok := m.kept[[2]string{req.Scope, req.Key}]
	switch {
	case !ok:
		return nil
	case k.hash != req.Hash:
		return once.ErrReused
	}
	return &once.Replay{Status: k.status, Body: k.body}
}

func (m *memory) keep(req *once.Request) {
	if req != nil {
		status, body := req.Answer()
		m.kept[[2]string{req.Scope, req.Key}] = keptAnswer{req.Hash, status, body}
	}
}

func (m *memory) put(o *order.Order) {
	m.events[o.ID] = append(m.events[o.ID], o.Events()...)
	o = o.Clone()
	o.Forget()
	m.orders[o.ID] = o
}

func (m *memory) Receive(_ context.Context, channel string, n payment.Notice, body []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return m.fails
	}
	m.received[channel+"/"+n.EventID] = body
	return nil
}

func (m *memory) Order(_ context.Context, id order.ID) (*order.Order, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return nil, m.fails
	}
	if o := m.orders[id]; o != nil {
		return o.Clone(), nil
	}
	return nil, fmt.Errorf("order %s: %w", id, order.ErrNotFound)
}

func (m *memory) Orders(_ context.Context, f order.Filter) (list []*order.Order, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return nil, m.fails
	}
	for _, o := range m.orders {
		if (f.MerchantID == "" || f.MerchantID == o.MerchantID) && (f.BuyerID == "" || f.BuyerID == o.BuyerID) &&
			(f.Status == "" || f.Status == o.Status) && (!f.Held || o.Hold != "") && (f.Hold == "" || f.Hold == o.Hold) && (f.Before.IsZero() || o.ID.String() < f.Before.String()) {
			list = append(list, o.Clone())
		}
	}
	slices.SortFunc(list, func(a, b *order.Order) int { return slices.Compare(b.ID[:], a.ID[:]) })
	return list[:min(len(list), f.Limit)], nil
}

func (m *memory) Events(_ context.Context, id order.ID) ([]order.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events[id], nil
}

func (m *memory) Merchant(_ context.Context, id string) (merchant.Merchant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return merchant.Merchant{}, m.fails
	}
	if mm, ok := m.merchants[id]; ok {
		return mm, nil
	}
	return merchant.Merchant{}, fmt.Errorf("merchant %s: %w", id, order.ErrNotFound)
}

func (m *memory) PutMerchant(_ context.Context, mm merchant.Merchant) (merchant.Merchant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.merchants[mm.ID] = mm
	return mm, nil
}

func (m *memory) SetStock(_ context.Context, merchantID, sku string, onHand int64, by order.Actor) (order.Stock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stock[[2]string{merchantID, sku}]
	if _, ok := m.merchants[merchantID]; !ok {
		return order.Stock{}, order.ErrNotFound
	}
	if s == nil {
		s = &order.Stock{MerchantID: merchantID, SKU: sku}
		m.stock[[2]string{merchantID, sku}] = s
	}
	if s.Held > onHand {
		return order.Stock{}, &order.Refusal{Step: "set the stock of " + sku, Why: fmt.Sprintf("unpaid orders hold %d of it", s.Held)}
	}
	s.OnHand = onHand
	m.counted = append(m.counted, by)
	return *s, nil
}

func (m *memory) Stock(_ context.Context, merchantID, sku string) (order.Stock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.stock[[2]string{merchantID, sku}]; s != nil {
		return *s, nil
	}
	return order.Stock{}, order.ErrNotFound
}

func (m *memory) CreateEndpoint(_ context.Context, e merchant.Endpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.merchants[e.MerchantID]; !ok {
		return order.ErrNotFound
	}
	if m.keyless {
		return seal.ErrNoKey
	}
	m.endpoints = append(m.endpoints, e)
	return nil
}

func (m *memory) Endpoints(_ context.Context, merchantID string) (list []merchant.Endpoint, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.endpoints {
		if e.MerchantID == merchantID {
			e.Secrets = nil
			list = append(list, e)
		}
	}
	return list, nil
}

func (m *memory) endpoint(merchantID string, id merchant.EndpointID, change func(i int)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.endpoints, func(e merchant.Endpoint) bool { return e.ID == id && e.MerchantID == merchantID })
	if i < 0 {
		return order.ErrNotFound
	}
	change(i)
	return nil
}

func (m *memory) ChangeEndpoint(_ context.Context, e merchant.Endpoint, _ time.Time) error {
	return m.endpoint(e.MerchantID, e.ID, func(i int) {
		was := &m.endpoints[i]
		was.URL, was.Events, was.Ack, was.Schedule = e.URL, e.Events, e.Ack, e.Schedule
	})
}

func (m *memory) RotateEndpoint(_ context.Context, merchantID string, id merchant.EndpointID, r merchant.Rotation) error {
	if m.keyless {
		return seal.ErrNoKey
	}
	return m.endpoint(merchantID, id, func(i int) {
		m.rotations = append(m.rotations, r)
		m.endpoints[i].Secrets = append([]string{r.Secret}, m.endpoints[i].Secrets...)
		m.endpoints[i].PublicKey = merchant.PublicKey(r.Secret)
	})
}

func (m *memory) PauseEndpoint(_ context.Context, merchantID string, id merchant.EndpointID, paused bool, _ time.Time) error {
	return m.endpoint(merchantID, id, func(i int) { m.endpoints[i].Paused = paused })
}

func (m *memory) DeleteEndpoint(_ context.Context, merchantID string, id merchant.EndpointID, _ time.Time) error {
	return m.endpoint(merchantID, id, func(i int) { m.endpoints = slices.Delete(m.endpoints, i, i+1) })
}

func (m *memory) Tasks(_ context.Context, f tasks.Filter) (list []tasks.Row, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.tasks {
		if (f.State == tasks.Dead) == !r.DeadAt.IsZero() && (f.Kind == "" || f.Kind == r.Kind) &&
			(f.After.At.IsZero() || r.DueAt.After(f.After.At)) {
			list = append(list, r)
		}
	}
	return list[:min(len(list), f.Limit)], nil
}

func (m *memory) Requeue(_ context.Context, key tasks.Key, by order.Actor, why string, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.tasks {
		if r.Key == key {
			m.tasks[i].DeadAt, m.tasks[i].DueAt = time.Time{}, now
			m.requeued = append(m.requeued, string(by)+": "+why)
			return nil
		}
	}
	return order.ErrNotFound
}
