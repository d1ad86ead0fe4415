package workers

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// meddler is a store in whose way something comes.
type meddler struct {
	Store
	owed         func(tasks.Kind) error // an error of it is the call's
	afterOwed    func()                 // between the reading and the trying
	update       func() error
	settle       func(tries []tasks.Settlement) error
	beforeSettle func()

	endpointsRead int
}

func (m *meddler) Owed(ctx context.Context, kind tasks.Kind, subjects []tasks.Subject, now time.Time) ([]tasks.Row, error) {
	if m.owed != nil {
		if err := m.owed(kind); err != nil {
			return nil, err
		}
	}
	rows, err := m.Store.Owed(ctx, kind, subjects, now)
	if m.afterOwed != nil {
		m.afterOwed()
	}
	return rows, err
}

func (m *meddler) Update(ctx context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error {
	if m.update != nil {
		if err := m.update(); err != nil {
			return err
		}
	}
	return m.Store.Update(ctx, id, req, fn)
}

func (m *meddler) Settle(ctx context.Context, tries ...tasks.Settlement) []error {
	if m.beforeSettle != nil {
		m.beforeSettle()
	}
	if m.settle != nil {
		if err := m.settle(tries); err != nil {
			errs := make([]error, len(tries))
			for i := range errs {
				errs[i] = err
			}
			return errs
		}
	}
	return m.Store.Settle(ctx, tries...)
}

func (m *meddler) SigningEndpoints(ctx context.Context, merchantID string, now time.Time) ([]merchant.Endpoint, error) {
	m.endpointsRead++
	return m.Store.SigningEndpoints(ctx, merchantID, now)
}
