package workers

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// endpointRecover walks through what an endpoint should have heard in some time, and
// puts it into the endpoint's backlog bit by bit. The telling is endpointDeliver's.
//
// It may run twice, late or beside itself, and be killed anywhere: each step is one
// transaction that says where it ended.
type endpointRecover struct{ Deps }

func (endpointRecover) Kind() tasks.Kind { return tasks.EndpointRecover }

// walkFor is how long one task goes on. After that it is owed anew, behind the
// backlogs of others.
const walkFor = time.Second

func (w endpointRecover) Prepare(context.Context, []tasks.Row) (Do, error) { return w.walk, nil }

func (w endpointRecover) walk(ctx context.Context, row tasks.Row) tasks.Settlement {
	for until := time.Now().Add(walkFor); ; {
		step, err := w.Store.WalkRecovery(ctx, merchant.RecoveryID(row.Subject), w.Now())
		switch {
		case err != nil:
			return later(row, err)
		case step.Over:
			return done(row, nil)
		case step.Wait > 0 || time.Now().After(until):
			return tasks.Settlement{Row: row, Verdict: tasks.Anew(step.Wait)}
		}
	}
}
