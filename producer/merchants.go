package producer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// merchants remembers merchants for a moment: every new order asks for its
// merchant's terms, which hardly ever change.
type merchants struct {
	admin Admin
	now   func() time.Time

	mu    sync.Mutex
	known map[string]remembered
}

type remembered struct {
	merchant merchant.Merchant
	until    time.Time
}

const (
	merchantFor  = 5 * time.Second // how long another process's change may take to be seen
	merchantMost = 4096
)

func newMerchants(admin Admin, now func() time.Time) *merchants {
	return &merchants{admin: admin, now: now, known: map[string]remembered{}}
}

// find is the merchant of this id; order.ErrNotFound when there is none, which
// is not remembered.
func (m *merchants) find(ctx context.Context, id string) (merchant.Merchant, error) {
	m.mu.Lock()
	r, ok := m.known[id]
	m.mu.Unlock()
	now := m.now()
	if ok && now.Before(r.until) {
		return r.merchant, nil
	}
	found, err := m.admin.Merchant(ctx, id)
	if err != nil {
		return merchant.Merchant{}, fmt.Errorf("find merchant: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= merchantMost {
		clear(m.known)
	}
	m.known[id] = remembered{found, now.Add(merchantFor)}
	return found, nil
}

func (m *merchants) forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, id)
}

// MerchantPath names a merchant.
type MerchantPath struct {
	ID string `path:"id" maxLength:"128" doc:"A merchant's id."`
}

type putMerchantInput struct {
	ID   string `path:"id" maxLength:"64" pattern:"^[A-Za-z0-9_.-]+$" patternDescription:"letters, digits, _, . and -"`
	Body api.MerchantTerms
}

type merchantOutput struct{ Body api.Merchant }

func (s *server) putMerchant(ctx context.Context, in *putMerchantInput) (*merchantOutput, error) {
	m, err := s.opt.Admin.PutMerchant(ctx, merchant.Merchant{
		ID: in.ID, Name: in.Body.Name, FeeBps: in.Body.FeeBps, CreatedAt: s.now(),
		DeliverWithin: time.Duration(in.Body.DeliverWithinSeconds) * time.Second,
		RevokeWithin:  time.Duration(in.Body.RevokeWithinSeconds) * time.Second,
	})
	if err != nil {
		return nil, err
	}
	s.merchants.forget(in.ID)
	return &merchantOutput{merchantView(m)}, nil
}

// StockPath names a SKU of a merchant.
type StockPath struct {
	MerchantPath
	SKU string `path:"sku" maxLength:"128"`
}

type setStockInput struct {
	StockPath
	Body api.StockCount
}

type stockOutput struct{ Body api.Stock }

func (s *server) setStock(ctx context.Context, in *setStockInput) (*stockOutput, error) {
	c := callOf(ctx)
	if err := c.sees(in.ID); err != nil {
		return nil, err
	}
	if !order.IsName(in.SKU) {
		return nil, invalid("path.sku", "must not begin or end with a space, nor hold invisible characters")
	}
	stock, err := s.opt.Admin.SetStock(ctx, in.ID, in.SKU, in.Body.OnHand, c.principal.Actor())
	if err != nil {
		return nil, err
	}
	return stockView(stock), nil
}

func (s *server) getStock(ctx context.Context, in *StockPath) (*stockOutput, error) {
	if err := callOf(ctx).sees(in.ID); err != nil {
		return nil, err
	}
	stock, err := s.opt.Admin.Stock(ctx, in.ID, in.SKU)
	if err != nil {
		return nil, err
	}
	return stockView(stock), nil
}

func stockView(s order.Stock) *stockOutput {
	return &stockOutput{api.Stock{MerchantID: s.MerchantID, SKU: s.SKU, OnHand: s.OnHand, Held: s.Held, Available: s.Available()}}
}
