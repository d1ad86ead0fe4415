package workers

import (
	"context"
	"sync"
	"time"

	"github.com/orderflow/orderflow/merchant"
)

// endpointCache keeps merchants' endpoints for a moment, with their secrets open:
// for order.paid, what is new, paused or expired is seen within endpointsFor.
type endpointCache struct {
	store Store
	now   func() time.Time
	mu    sync.Mutex
	byID  map[string]cachedEndpoints
}

type cachedEndpoints struct {
	list []merchant.Endpoint
	at   time.Time
}

const (
	endpointsFor  = 2 * time.Second
	endpointsMost = 10_000 // merchants
)

func newEndpointCache(store Store, now func() time.Time) *endpointCache {
	return &endpointCache{store: store, now: now, byID: map[string]cachedEndpoints{}}
}

// of lists a merchant's endpoints as they are, or were within the last moment and
// not before since.
func (c *endpointCache) of(ctx context.Context, merchantID string, since time.Time) ([]merchant.Endpoint, error) {
	c.mu.Lock()
	got, ok := c.byID[merchantID]
	c.mu.Unlock()
	asked := c.now()
	if ok && asked.Sub(got.at) < endpointsFor && !got.at.Before(since) {
		return got.list, nil
	}
	list, err := c.store.SigningEndpoints(ctx, merchantID, asked)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) >= endpointsMost {
		clear(c.byID)
	}
	if len(list) > 0 { // a merchant's first endpoint counts at once
		c.byID[merchantID] = cachedEndpoints{list, asked}
	}
	return list, nil
}
