package workers

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// endpointVerify finds out whether an endpoint verifies signatures: it sends a
// test, and then one with a foreign signature, which must be refused. It does so
// when the endpoint becomes active, and every VerifyEvery after that; never while
// it is paused or fails.
//
// A process asks one endpoint at a time: it shares its slots with the backlogs, and
// whoever hangs here is to hold up none of those.
type endpointVerify struct {
	Deps
	turn chan struct{} // held by the one that is asked
}

func newEndpointVerify(d Deps) endpointVerify { return endpointVerify{d, make(chan struct{}, 1)} }

func (endpointVerify) Kind() tasks.Kind { return tasks.EndpointVerify }

const (
	// verifyAgain is when it is tried once more where nothing was found out.
	verifyAgain = 24 * time.Hour
	// verifyInTurn is within which time one comes again while another is asked.
	verifyInTurn = 10 * time.Minute
)

func (w endpointVerify) Prepare(context.Context, []tasks.Row) (Do, error) { return w.verify, nil }

func (w endpointVerify) verify(ctx context.Context, row tasks.Row) tasks.Settlement {
	again := func(in time.Duration) tasks.Settlement {
		return tasks.Settlement{Row: row, Verdict: tasks.Anew(in)}
	}
	if w.VerifyEvery <= 0 { // turned off
		return again(verifyAgain)
	}
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	default:
		return again(time.Second + rand.N(verifyInTurn))
	}
	e, err := w.Store.EndpointToVerify(ctx, merchant.EndpointID(row.Subject), w.Now())
	switch {
	case errors.Is(err, order.ErrNotFound):
		return done(row, nil)
	case err != nil:
		return later(row, err)
	case e.Paused || !e.Direct(w.Now()):
		return again(verifyAgain)
	}
	p := merchant.ProbeEndpoint(ctx, w.Sender.Send, e, w.Now())
	switch p.Verifies {
	case merchant.NotKnown:
		return again(verifyAgain)
	case merchant.DoesNotVerify:
		w.Log.Warn("an endpoint takes notices that we have not signed: whoever knows its URL can tell it that an order is paid",
			zap.Stringer("endpoint_id", e.ID), zap.String("merchant_id", e.MerchantID))
	}
	if err := w.Store.Verified(ctx, e, p.Verifies, w.Now()); err != nil {
		return later(row, err)
	}
	return again(w.VerifyEvery)
}
