package workers

import (
	"context"
	"errors"
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
type endpointVerify struct{ Deps }

func (endpointVerify) Kind() tasks.Kind { return tasks.EndpointVerify }

// verifyAgain is when it is tried once more where nothing was found out.
const verifyAgain = 24 * time.Hour

func (w endpointVerify) Prepare(context.Context, []tasks.Row) (Do, error) { return w.verify, nil }

func (w endpointVerify) verify(ctx context.Context, row tasks.Row) tasks.Settlement {
	again := func(in time.Duration) tasks.Settlement {
		return tasks.Settlement{Row: row, Verdict: tasks.Anew(in)}
	}
	if w.VerifyEvery <= 0 { // turned off
		return again(verifyAgain)
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
