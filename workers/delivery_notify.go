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
// else (merchant:notify). It is the direct way: each endpoint that wants to know,
// and that does well, is told at once. For any other, and for one that has not
// answered within a second, the notice goes to the endpoint's backlog
// (endpoint:deliver). Then the row is fulfilled.
type notify struct {
	*courier
	kind tasks.Kind
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
	if w.Plain {
		return plainly(row, w.send(ctx, todo, notice, w.plain))
	}
	legs := w.send(ctx, todo, notice, w.direct)
	w.count(row, notice, legs)
	return w.settlement(row, notice, legs)
}

// count tells how long the notice took to be sent for the first time, and to be
// taken.
func (w notify) count(row tasks.Row, notice merchant.Notice, legs []leg) {
	for _, l := range legs {
		if l.flight == nil {
			continue
		}
		if row.Generation == 0 {
			w.Begun(l.flight.began.Sub(notice.CreatedAt))
		}
		if !l.left && l.flight.attempt.OK {
			w.Acknowledged(w.Now().Sub(notice.CreatedAt))
		}
	}
}

// leg is one endpoint's part of telling a notice.
type leg struct {
	endpoint merchant.Endpoint
	flight   *flight // nil: it was not let out
	left     bool    // it goes on without its slot
	// recovered says that the endpoint acknowledged something since its failure
	// before, of one that has landed.
	recovered bool
}

// send sends a notice to all endpoints at once. Most merchants have one, which
// needs nobody else.
func (w notify) send(ctx context.Context, endpoints []merchant.Endpoint, notice merchant.Notice, way func(context.Context, merchant.Endpoint, merchant.Notice) leg) []leg {
	legs := make([]leg, len(endpoints))
	var wg sync.WaitGroup
	for i, e := range endpoints {
		if i == len(endpoints)-1 {
			legs[i] = way(ctx, e, notice)
			break
		}
		wg.Go(func() { legs[i] = way(ctx, e, notice) })
	}
	wg.Wait()
	return legs
}

// direct tells one endpoint, if the gate lets it. It takes no longer than a slot
// may be held, but where nothing can leave.
func (w notify) direct(ctx context.Context, e merchant.Endpoint, notice merchant.Notice) leg {
	timer := time.NewTimer(w.SlotFor)
	defer timer.Stop()
	l := leg{endpoint: e}
	if !w.gate.enter(ctx, e, timer.C) {
		return l
	}
	timer.Reset(w.SlotFor)
	l.flight = w.begin(e, notice)
	if l.left = w.wait(ctx, l.flight, tasks.DirectLane, timer.C); !l.left {
		l.recovered = w.gate.leave(e.ID, l.flight.attempt)
	}
	return l
}

// settlement fulfils the row: what was told is logged, and for whoever was not
// told the notice waits. What has failed, or goes on, is written as a delivery in
// flight; what came of it is written to that.
func (w notify) settlement(row tasks.Row, notice merchant.Notice, legs []leg) tasks.Settlement {
	s, now := tasks.Settlement{Row: row, Verdict: tasks.Done()}, w.Now()
	var after []func()
	var stopped error
	for _, l := range legs {
		d := merchant.Delivery{NoticeID: notice.ID, EndpointID: l.endpoint.ID, Type: notice.Type, DueAt: now, Reason: merchant.Queued}
		switch {
		case l.flight == nil:
		case !l.left && l.flight.attempt.OK:
			s.Tries = append(s.Tries, l.flight.attempt)
			if l.flight.attempt.Duration >= merchant.SlowAfter {
				after = append(after, func() { w.leaving(d) })
			}
			continue
		case !l.left && l.flight.attempt.Class() == merchant.Stopped:
			stopped = errors.New(l.flight.attempt.Error)
			d.DueAt, d.LastError = now.Add(time.Second), l.flight.attempt.Error
		default:
			d.InFlight, d.DueAt = true, now.Add(merchant.LeaseOf)
			after = append(after, func() { w.follow(l, d) })
		}
		s.Deliveries = append(s.Deliveries, d)
	}
	if stopped != nil && len(s.Deliveries) == 1 { // by us, and nobody else waits: the row itself comes again
		s.Verdict, s.Deliveries = tasks.Again(stopped), nil
	}
	if len(after) > 0 {
		s.Then = func(error) { // also when the row was gone: what was sent was sent
			for _, f := range after {
				f()
			}
		}
	}
	return s
}

// follow writes what came of an attempt to its delivery, now or at its end.
func (w notify) follow(l leg, d merchant.Delivery) {
	land := func() {
		w.concludes(l.flight, tasks.Landing{Delivery: d, Ring: true, Sight: merchant.Sight{NoticeID: d.NoticeID, Recovered: l.recovered}})
	}
	if !l.left {
		land()
		return
	}
	w.leaving(d)
	go w.outside(l.flight, func() {
		l.recovered = w.gate.leave(d.EndpointID, l.flight.attempt)
		land()
	})
}

// untold are those of a merchant's endpoints that have yet to answer a notice, and
// for whom it does not wait already. A paused one counts: it is held for it.
func (w notify) untold(ctx context.Context, row tasks.Row, notice merchant.Notice, all []merchant.Endpoint) ([]merchant.Endpoint, error) {
	seenTo := map[merchant.EndpointID]bool{}
	if row.Generation > 0 || notice.Type == merchant.RefundFailed { // it was tried before, or may have been: a refund can fail again
		var err error
		if seenTo, err = w.seenTo(ctx, notice.ID); err != nil {
			return nil, err
		}
	}
	var todo []merchant.Endpoint
	for _, e := range all {
		if e.Subscribes(notice.Type) && !seenTo[e.ID] {
			todo = append(todo, e)
		}
	}
	if w.kind == tasks.DeliveryNotify && len(todo) == 0 && len(seenTo) == 0 { // without it nothing is delivered
		return nil, fmt.Errorf("merchant %s has no endpoint for %s: register one with POST /v1/merchants/%s/endpoints", notice.MerchantID, notice.Type, notice.MerchantID)
	}
	return todo, nil
}

// seenTo are the endpoints that have taken a notice, and those for whom it waits.
// What waits only because somebody asked for it does not count: nobody is called
// when it comes to nothing.
func (w notify) seenTo(ctx context.Context, noticeID string) (map[merchant.EndpointID]bool, error) {
	is := map[merchant.EndpointID]bool{}
	before, err := w.Store.NoticeAttempts(ctx, noticeID)
	if err != nil {
		return nil, err
	}
	for _, t := range before {
		if t.OK {
			is[t.EndpointID] = true
		}
	}
	waits, err := w.Store.NoticeDeliveries(ctx, noticeID)
	for _, d := range waits {
		if !d.Asked {
			is[d.EndpointID] = true
		}
	}
	return is, err
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
