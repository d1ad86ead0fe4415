package workers

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// script is a channel that answers as it is told. Being asked what it was not
// told to answer fails the test.
type script struct {
	t       *testing.T
	query   func(ctx context.Context, outTradeNo string) (payment.Payment, error)
	close   func(ctx context.Context, outTradeNo string) (payment.Payment, error)
	refund  func(ctx context.Context, r payment.RefundRequest) (payment.Refund, error)
	queried func(ctx context.Context, outTradeNo, outRefundNo string) (payment.Refund, error)

	mu    sync.Mutex
	calls int
}

func (s *script) called() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *script) count(told bool, what string) bool {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	if !told {
		s.t.Errorf("the channel is asked to %s", what)
	}
	return told
}

func (s *script) Name() string { return "sandbox" }

func (s *script) Query(ctx context.Context, no string) (payment.Payment, error) {
	if !s.count(s.query != nil, "query") {
		return payment.Payment{}, payment.Errorf(payment.Unknown, "query", "no script")
	}
	return s.query(ctx, no)
}

func (s *script) Close(ctx context.Context, no string) (payment.Payment, error) {
	if !s.count(s.close != nil, "close") {
		return payment.Payment{}, payment.Errorf(payment.Unknown, "close", "no script")
	}
	return s.close(ctx, no)
}

func (s *script) Refund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error) {
	if !s.count(s.refund != nil, "refund") {
		return payment.Refund{}, payment.Errorf(payment.Unknown, "refund", "no script")
	}
	return s.refund(ctx, r)
}

func (s *script) QueryRefund(ctx context.Context, no, refundNo string) (payment.Refund, error) {
	if !s.count(s.queried != nil, "query a refund") {
		return payment.Refund{}, payment.Errorf(payment.Unknown, "query refund", "no script")
	}
	return s.queried(ctx, no, refundNo)
}

func (s *script) Create(context.Context, payment.Request) (payment.Action, error) {
	s.t.Error("no worker creates payments")
	return payment.Action{}, payment.Errorf(payment.Permanent, "create", "not a worker's")
}

func (s *script) ParseNotice(http.Header, []byte, time.Time) (payment.Notice, error) {
	s.t.Error("no worker parses callbacks")
	return payment.Notice{}, payment.Errorf(payment.Auth, "parse", "not a worker's")
}

func (s *script) Ack(error) payment.Answer { return payment.Answer{Status: 200} }

// trouble is an error as the adapters of channels return it.
func trouble(c payment.Class) error {
	switch c {
	case payment.Unknown:
		return &payment.Error{Class: c, Op: "sandbox call", Err: context.DeadlineExceeded}
	case payment.Retryable:
		return payment.Errorf(c, "sandbox call", "the channel asks us to slow down")
	}
	refused := payment.Errorf(c, "sandbox call", "refused: no")
	refused.Code = "NO"
	return refused
}

// undecided are the classes after which nobody knows yet, or the same again
// may help.
func undecided() []payment.Class {
	return []payment.Class{payment.Unknown, payment.Retryable, payment.Conflict, payment.Auth}
}

// postman is a Sender whose endpoints answer as they are told; without being
// told they acknowledge.
type postman struct {
	clock *clock

	mu      sync.Mutex
	answers map[merchant.EndpointID]merchant.Attempt
	sent    []sent
}

type sent struct {
	to   merchant.EndpointID
	id   string
	body string
}

func (p *postman) Send(_ context.Context, e merchant.Endpoint, n merchant.Notice) merchant.Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, sent{e.ID, n.ID, string(n.Body)})
	a, told := p.answers[e.ID]
	if !told {
		a = acknowledged()
	}
	a.EndpointID, a.At = e.ID, p.clock.now()
	return a
}

func (p *postman) answer(e merchant.Endpoint, a merchant.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answers == nil {
		p.answers = map[merchant.EndpointID]merchant.Attempt{}
	}
	p.answers[e.ID] = a
}

// told counts the notices that an endpoint was sent.
func (p *postman) told(e merchant.Endpoint) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sent {
		if s.to == e.ID {
			n++
		}
	}
	return n
}

// pager is an Alerter that fails as it is told.
type pager struct {
	mu   sync.Mutex
	fail error
	rung []ring
}

type ring struct {
	id string
	tasks.Alert
}

func (p *pager) Send(_ context.Context, id string, a tasks.Alert) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rung = append(p.rung, ring{id, a})
	return p.fail
}

// Attempts as merchant.Notifier returns them.
func acknowledged() merchant.Attempt {
	return merchant.Attempt{OK: true, HTTPStatus: 200, Duration: 12 * time.Millisecond}
}

func answered(status int, wait time.Duration) merchant.Attempt {
	return merchant.Attempt{HTTPStatus: status, Error: "status: it answered " + http.StatusText(status), RetryAfter: wait}
}

func failed(c merchant.Class) merchant.Attempt {
	return merchant.Attempt{Error: string(c) + ": it failed", Duration: time.Second}
}
