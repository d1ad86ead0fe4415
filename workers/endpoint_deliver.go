package workers

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// endpointDeliver tells an endpoint what waits for it: as much at once as its
// window allows, those due first. Each attempt that ends admits the next. When no
// more may be tried now it is done; the store finds out when there is more.
//
// It may run twice, late or beside itself: a delivery is only ever with whoever has
// claimed it, and the window is counted over all of them.
type endpointDeliver struct{ *courier }

func (endpointDeliver) Kind() tasks.Kind { return tasks.EndpointDeliver }

// drainFor is how long one task goes on. After that it is owed anew, behind those
// of others.
const drainFor = 3 * time.Second

func (w endpointDeliver) Prepare(context.Context, []tasks.Row) (Do, error) { return w.drain, nil }

func (w endpointDeliver) drain(ctx context.Context, row tasks.Row) tasks.Settlement {
	until := time.Now().Add(drainFor)
	free := make(chan struct{}, merchant.MaxWindow) // an attempt has ended, or left
	for under := 0; ; {
		var claim tasks.Claim
		var err error
		if ctx.Err() == nil && time.Now().Before(until) {
			claim, err = w.Store.Claim(ctx, merchant.EndpointID(row.Subject), w.Now())
		}
		if err == nil {
			err = w.carry(ctx, claim, free)
		}
		if err == nil {
			under += len(claim.Deliveries)
		}
		if under == 0 {
			if err != nil {
				return later(row, err)
			}
			return done(row, nil)
		}
		<-free
		under--
		for len(free) > 0 {
			<-free
			under--
		}
	}
}

// carry begins an attempt of each delivery that was claimed.
func (w endpointDeliver) carry(ctx context.Context, claim tasks.Claim, free chan<- struct{}) error {
	if len(claim.Deliveries) == 0 {
		return nil
	}
	ids := make([]tasks.Subject, len(claim.Deliveries))
	for i, d := range claim.Deliveries {
		ids[i], _ = tasks.SubjectOf(d.NoticeID) // it comes from a uuid column
	}
	notices, err := w.Store.Notices(ctx, ids)
	if err != nil {
		return err // the leases end by themselves
	}
	for i, d := range claim.Deliveries {
		notice, found := notices[ids[i]]
		go func() {
			defer func() { free <- struct{}{} }()
			if !found || !claim.Endpoint.Subscribes(d.Type) {
				w.land(tasks.Landing{Delivery: d, Moot: true})
				return
			}
			w.try(ctx, claim.Endpoint, notice, d)
		}()
	}
	return nil
}

// try makes one attempt, or leaves it to go on outside.
func (w endpointDeliver) try(ctx context.Context, e merchant.Endpoint, notice merchant.Notice, d merchant.Delivery) {
	timer := time.NewTimer(w.SlotFor)
	defer timer.Stop()
	if d.Generation == 1 && d.Attempts == 0 { // the first claim, and none before it failed
		w.Begun(w.Now().Sub(notice.CreatedAt))
	}
	f := w.begin(e, notice)
	direct := e.Direct(w.Now()) // else all that it takes is seen in its backlog
	land := func(ring bool) {
		recovered := direct && w.gate.recovered(e.ID, f.attempt)
		w.concludes(f, tasks.Landing{Delivery: d, Ring: ring, Sight: merchant.Sight{NoticeID: d.NoticeID, Recovered: recovered}})
	}
	if !w.wait(ctx, f, tasks.BacklogLane, timer.C) {
		land(false)
		return
	}
	w.leaving(d)
	go w.outside(f, func() { land(true) })
}
