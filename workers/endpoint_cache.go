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

// known are a merchant's endpoints, or why nobody knows them.
type known struct {
	endpoints []merchant.Endpoint
	err       error
}

// each lists the endpoints of several merchants, as of does: once for all the
// rows of a bundle, and so that one merchant's secret which does not open holds
// up no other.
func (c *endpointCache) each(ctx context.Context, merchantIDs []string, since time.Time) map[string]known {
	list := make([]known, len(merchantIDs))
	var wg sync.WaitGroup
	for i, id := range merchantIDs {
		wg.Go(func() { list[i].endpoints, list[i].err = c.of(ctx, id, since) })
	}
	wg.Wait()
	all := make(map[string]known, len(merchantIDs))
	for i, id := range merchantIDs {
		all[id] = list[i]
	}
	return all
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
