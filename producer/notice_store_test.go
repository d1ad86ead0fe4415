package producer_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func (m *memory) SigningEndpoint(_ context.Context, merchantID string, id merchant.EndpointID, _ time.Time) (e merchant.Endpoint, err error) {
	err = m.endpoint(merchantID, id, func(i int) { e = m.endpoints[i] })
	if err == nil {
		err = m.unopened
	}
	return e, err
}

func (m *memory) NoticeRecords(_ context.Context, f merchant.NoticeFilter) (list []merchant.NoticeRecord, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = f
	for _, r := range m.notices {
		if r.MerchantID == f.MerchantID && (f.Before.IsZero() || r.CreatedAt.Before(f.Before.At)) && len(list) < f.Limit {
			r.Body = nil
			list = append(list, r)
		}
	}
	return list, m.fails
}

func (m *memory) NoticeRecord(_ context.Context, id string) (merchant.NoticeRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.notices {
		if r.ID == id {
			return r, m.fails
		}
	}
	return merchant.NoticeRecord{}, fmt.Errorf("notice %s: %w", id, order.ErrNotFound)
}

func (m *memory) NoticeAttempts(context.Context, string) (list []merchant.Attempt, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.tries {
		a.Answer = merchant.Answer{}
		list = append(list, a)
	}
	return list, nil
}

func (m *memory) NoticeDeliveries(_ context.Context, id string) (list []merchant.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.waits {
		if d.NoticeID == id {
			list = append(list, d)
		}
	}
	return list, nil
}

func (m *memory) Undelivered(_ context.Context, f merchant.UndeliveredFilter) (list []merchant.Undelivered, err error) {
	if err := m.endpoint(f.MerchantID, f.Endpoint, func(int) {}); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range m.undelivered {
		if (f.After.IsZero() || u.WaitsFrom.After(f.After.At)) && len(list) < f.Limit {
			list = append(list, u)
		}
	}
	return list, m.fails
}

func (m *memory) Acknowledge(_ context.Context, merchantID string, id merchant.EndpointID, notices []string, _ time.Time) (n int, err error) {
	if err := m.endpoint(merchantID, id, func(int) {}); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, notice := range notices {
		if !slices.ContainsFunc(m.notices, func(r merchant.NoticeRecord) bool { return r.ID == notice }) {
			return 0, order.Invalid{{Field: fmt.Sprintf("ids[%d]", i), Message: "the merchant has no such notice"}}
		}
	}
	before := len(m.undelivered)
	m.undelivered = slices.DeleteFunc(m.undelivered, func(u merchant.Undelivered) bool { return slices.Contains(notices, u.ID) })
	return before - len(m.undelivered), nil
}

func (m *memory) StartRecovery(_ context.Context, r merchant.Recovery, now time.Time) (merchant.Recovery, error) {
	if r.Until.IsZero() || r.Until.After(now) {
		r.Until = now
	}
	if err := m.endpoint(r.MerchantID, r.EndpointID, func(int) {}); err != nil {
		return r, err
	}
	if err := r.Check(now); err != nil {
		return r, err
	}
	if m.disabled {
		return r, &order.Refusal{Step: "recover the endpoint", Why: "it is disabled: resume it first"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.recoveries {
		if other.EndpointID == r.EndpointID && other.State == merchant.RecoveryRunning {
			return r, &merchant.UnderwayError{Recovery: other.ID}
		}
	}
	r.State, r.CreatedAt = merchant.RecoveryRunning, now
	m.recoveries = append([]merchant.Recovery{r}, m.recoveries...)
	return r, m.fails
}

func (m *memory) Recovery(_ context.Context, id merchant.RecoveryID) (merchant.Recovery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.recoveries {
		if r.ID == id {
			return r, m.fails
		}
	}
	return merchant.Recovery{}, order.ErrNotFound
}

func (m *memory) Recoveries(_ context.Context, merchantID string, before merchant.RecoveryID, limit int) (list []merchant.Recovery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.recoveries {
		if r.MerchantID == merchantID && (before.IsZero() || r.ID.String() < before.String()) && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, m.fails
}

func (m *memory) CancelRecovery(_ context.Context, id merchant.RecoveryID, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.recoveries {
		switch {
		case r.ID != id:
		case r.State == merchant.RecoveryDone:
			return &order.Refusal{Step: "cancel the recovery", Why: "it is done"}
		default:
			m.recoveries[i].State, m.recoveries[i].EndedAt = merchant.RecoveryCancelled, now
		}
	}
	return nil
}

func (m *memory) Resend(_ context.Context, id string, to merchant.EndpointID, now time.Time) (list []merchant.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notices[slices.IndexFunc(m.notices, func(r merchant.NoticeRecord) bool { return r.ID == id })]
	for _, e := range m.endpoints {
		if e.MerchantID == n.MerchantID && (to.IsZero() || e.ID == to) {
			d := merchant.Delivery{NoticeID: id, EndpointID: e.ID, Type: n.Type, DueAt: now, Reason: merchant.Queued, Asked: true}
			if e.Paused {
				d.Reason = merchant.Held
			}
			list = append(list, d)
		}
	}
	switch {
	case len(list) > 0:
		m.waits = list
		return list, m.fails
	case to.IsZero():
		return nil, &order.Refusal{Step: "resend the notice", Why: "nobody wants it"}
	}
	return nil, order.ErrNotFound
}

func (m *memory) AttemptLog(_ context.Context, f merchant.AttemptFilter) (list []merchant.Attempt, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.tries {
		if (f.Before.IsZero() || a.At.Before(f.Before.At)) && len(list) < f.Limit {
			list = append(list, a)
		}
	}
	return list, nil
}
