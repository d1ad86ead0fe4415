package workers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// notify tells a merchant that an order is paid (delivery:notify), or anything
// else (merchant:notify). It is fulfilled when every endpoint that wants to know
// has answered; one that has is not told again because another has not.
type notify struct {
	Deps
	kind      tasks.Kind
	endpoints *endpointCache
}

func (w notify) Kind() tasks.Kind { return w.kind }

func (w notify) Prepare(ctx context.Context, rows []tasks.Row) (Do, error) {
	ids := make([]tasks.Subject, len(rows))
	for i, r := range rows {
		ids[i] = r.Subject
	}
	notices, err := w.Store.Notices(ctx, ids)
	if err != nil {
		return nil, err
	}
	known := w.endpoints.each(ctx, merchantsOf(notices), w.knownSince())
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		notice, found := notices[row.Subject]
		if !found {
			return never(row, fmt.Errorf("notice %s: %w", row.Subject, order.ErrNotFound))
		}
		of := known[notice.MerchantID]
		if of.err != nil {
			return later(row, of.err)
		}
		return w.tell(ctx, row, notice, of.endpoints)
	}, nil
}

// merchantsOf are those whom notices are for, each once.
func merchantsOf(notices map[tasks.Subject]merchant.Notice) []string {
	ids := make([]string, 0, len(notices))
	for _, n := range notices {
		ids = append(ids, n.MerchantID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (w notify) tell(ctx context.Context, row tasks.Row, notice merchant.Notice, endpoints []merchant.Endpoint) tasks.Settlement {
	todo, err := w.untold(ctx, row, notice, endpoints)
	if err != nil {
		return later(row, err)
	}
	return judged(row, w.send(ctx, todo, notice))
}

// send sends a notice to all endpoints at once. Most merchants have one, which
// needs nobody else.
func (w notify) send(ctx context.Context, endpoints []merchant.Endpoint, notice merchant.Notice) []merchant.Attempt {
	tries := make([]merchant.Attempt, len(endpoints))
	var wg sync.WaitGroup
	for i, e := range endpoints {
		if i == len(endpoints)-1 {
			tries[i] = w.Sender.Send(ctx, e, notice)
			break
		}
		wg.Go(func() { tries[i] = w.Sender.Send(ctx, e, notice) })
	}
	wg.Wait()
	return tries
}

// judged is what the endpoints' answers mean for the row. A try that we cut
// short ourselves is not in the log and costs nothing.
func judged(row tasks.Row, tries []merchant.Attempt) tasks.Settlement {
	s := tasks.Settlement{Row: row, Verdict: tasks.Done()}
	var failed, stopped error
	var wait time.Duration
	for _, t := range tries {
		if t.Class() == merchant.Stopped {
			stopped = errors.New(t.Error)
			continue
		}
		s.Tries = append(s.Tries, t)
		if !t.OK {
			failed = errors.New(t.Error)
			wait = max(wait, t.RetryAfter)
		}
	}
	switch {
	case failed != nil && wait > 0:
		s.Verdict = tasks.LaterIn(wait, failed)
	case failed != nil:
		s.Verdict = tasks.Later(failed)
	case stopped != nil:
		s.Verdict = tasks.Again(stopped)
	}
	return s
}

// untold are those of a merchant's endpoints that have yet to answer a notice.
func (w notify) untold(ctx context.Context, row tasks.Row, notice merchant.Notice, all []merchant.Endpoint) ([]merchant.Endpoint, error) {
	told := map[merchant.EndpointID]bool{}
	if row.Generation > 0 || notice.Type == merchant.RefundFailed { // it was tried before, or may have been: a refund can fail again
		before, err := w.Store.NoticeAttempts(ctx, notice.ID)
		if err != nil {
			return nil, err
		}
		for _, t := range before {
			if t.OK {
				told[t.EndpointID] = true
			}
		}
	}
	var todo []merchant.Endpoint
	for _, e := range all {
		if e.Wants(notice.Type) && !told[e.ID] {
			todo = append(todo, e)
		}
	}
	if w.kind == tasks.DeliveryNotify && len(todo) == 0 && len(told) == 0 { // without it nothing is delivered
		return nil, fmt.Errorf("merchant %s has no live endpoint for %s: register one with POST /v1/merchants/%s/endpoints", notice.MerchantID, notice.Type, notice.MerchantID)
	}
	return todo, nil
}

// knownSince is how old the list of a merchant's endpoints may be for rows that
// are taken up now. What was written because somebody had just subscribed to it is
// not dropped on the word of an older list; order.paid is never dropped, and saves
// the query.
func (w notify) knownSince() time.Time {
	if w.kind == tasks.DeliveryNotify {
		return time.Time{}
	}
	return w.Now()
}

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
