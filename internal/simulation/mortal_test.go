package simulation

import (
	"context"
	"time"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// mortal is a store whose process can die, and whose connection can break
// around a commit: before it, and nothing was written; after it, and it was,
// but nobody here knows.
type mortal struct {
	*db.Store
	process *process
}

// luck is what befalls a call.
type luck int

const (
	good   luck = iota
	broken      // it never arrives
	unsure      // it is done, and the answer is lost
)

func (m *mortal) luck() luck {
	if m.process.dead.Load() {
		return broken
	}
	return m.process.world.luck()
}

// after is what the caller learns of a call that was made.
func (m *mortal) after(l luck, err error) error {
	if l == unsure || m.process.dead.Load() {
		return errUncertain
	}
	return err
}

func (m *mortal) try(call func() error) error {
	l := m.luck()
	if l == broken {
		return errUncertain
	}
	return m.after(l, call())
}

// Create is db.Store's.
func (m *mortal) Create(ctx context.Context, o *order.Order, req *once.Request) error {
	return m.try(func() error { return m.Store.Create(ctx, o, req) })
}

// Update is db.Store's, without the rule that is taken away.
func (m *mortal) Update(ctx context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error {
	return m.try(func() error { return m.Store.Update(ctx, id, req, m.process.world.rule.without(fn)) })
}

// Receive is db.Store's.
func (m *mortal) Receive(ctx context.Context, channel string, n payment.Notice, body []byte, at time.Time) error {
	return m.try(func() error { return m.Store.Receive(ctx, channel, n, body, at) })
}

// Settle is db.Store's, without the rule that is taken away. It is one commit,
// and one piece of luck.
func (m *mortal) Settle(ctx context.Context, tries ...tasks.Settlement) []error {
	errs, l := make([]error, len(tries)), m.luck()
	if l != broken {
		for i := range tries {
			tries[i].Apply = m.process.world.rule.without(tries[i].Apply)
		}
		errs = m.Store.Settle(ctx, tries...)
	}
	for i := range errs {
		if l == broken {
			errs[i] = errUncertain
		} else {
			errs[i] = m.after(l, errs[i])
		}
	}
	return errs
}

// Land is db.Store's: one commit, and one piece of luck.
func (m *mortal) Land(ctx context.Context, list ...tasks.Landing) []error {
	errs, l := make([]error, len(list)), m.luck()
	if l != broken {
		errs = m.Store.Land(ctx, list...)
	}
	for i := range errs {
		if l == broken {
			errs[i] = errUncertain
		} else {
			errs[i] = m.after(l, errs[i])
		}
	}
	return errs
}

// Claim is db.DB's.
func (m *mortal) Claim(ctx context.Context, id merchant.EndpointID, now time.Time) (tasks.Claim, error) {
	return read(m, func() (tasks.Claim, error) { return m.Store.Claim(ctx, id, now) })
}

// Acknowledge is db.DB's, without the rule that is taken away.
func (m *mortal) Acknowledge(ctx context.Context, merchantID string, id merchant.EndpointID, notices []string, now time.Time) (int, error) {
	return read(m, func() (int, error) {
		if m.process.world.rule.passes("acknowledge") {
			return len(notices), nil
		}
		return m.Store.Acknowledge(ctx, merchantID, id, notices, now)
	})
}

// Resend is db.DB's, without the rule that is taken away.
func (m *mortal) Resend(ctx context.Context, id string, to merchant.EndpointID, now time.Time) ([]merchant.Delivery, error) {
	return read(m, func() ([]merchant.Delivery, error) {
		if m.process.world.rule.passes("resend") {
			return nil, nil
		}
		return m.Store.Resend(ctx, id, to, now)
	})
}

// StartRecovery is db.DB's.
func (m *mortal) StartRecovery(ctx context.Context, r merchant.Recovery, now time.Time) (merchant.Recovery, error) {
	return read(m, func() (merchant.Recovery, error) { return m.Store.StartRecovery(ctx, r, now) })
}

// WalkRecovery is db.DB's, without the rule that is taken away.
func (m *mortal) WalkRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) (tasks.Walk, error) {
	return read(m, func() (tasks.Walk, error) {
		if m.process.world.rule.passes("recover") {
			return tasks.Walk{Over: true}, m.process.world.end(ctx, id, now)
		}
		return m.Store.WalkRecovery(ctx, id, now)
	})
}

// CancelRecovery is db.DB's.
func (m *mortal) CancelRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) error {
	return m.try(func() error { return m.Store.CancelRecovery(ctx, id, now) })
}

// read is a call that answers with something.
func read[T any](m *mortal, call func() (T, error)) (answer T, err error) {
	err = m.try(func() error {
		var failed error
		answer, failed = call()
		return failed
	})
	return answer, err
}

// Owed is db.DB's.
func (m *mortal) Owed(ctx context.Context, kind tasks.Kind, subjects []tasks.Subject, now time.Time) ([]tasks.Row, error) {
	return read(m, func() ([]tasks.Row, error) { return m.Store.Owed(ctx, kind, subjects, now) })
}

// Promote is db.DB's.
func (m *mortal) Promote(ctx context.Context, now time.Time, horizon time.Duration, limit int) ([]tasks.Due, error) {
	return read(m, func() ([]tasks.Due, error) { return m.Store.Promote(ctx, now, horizon, limit) })
}

// PutBack is db.DB's.
func (m *mortal) PutBack(ctx context.Context, now time.Time, kinds []tasks.Kind, slack time.Duration, limit int) ([]tasks.Due, error) {
	return read(m, func() ([]tasks.Due, error) { return m.Store.PutBack(ctx, now, kinds, slack, limit) })
}

// ForgetPromotions is db.DB's.
func (m *mortal) ForgetPromotions(ctx context.Context) (int64, error) {
	return read(m, func() (int64, error) { return m.Store.ForgetPromotions(ctx) })
}

// dispatch hands rows over after a commit, unless the process dies between.
func (p *process) dispatch(keys []tasks.Key) {
	if !p.dead.Load() && p.world.luck() == good {
		p.dispatcher.Dispatch(keys)
	}
}
