package producer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/producer"
	"github.com/orderflow/orderflow/producer/api"
)

// door is a door with all that stands behind it.
type door struct {
	http.Handler
	t       testing.TB
	store   *memory
	channel *channel
	logs    *observer.ObservedLogs
}

var keyring = map[string]access.Principal{
	"app":      {Name: "checkout", Role: access.App},
	"app2":     {Name: "kiosk", Role: access.App},
	"merchant": {Name: "demo", Role: access.Merchant, MerchantID: "m_demo"},
	"other":    {Name: "other", Role: access.Merchant, MerchantID: "m_other"},
	"operator": {Name: "alice", Role: access.Operator},
}

// guard knows the keyring. The key "broken" breaks it.
type guard struct{}

func (guard) Authenticate(_ context.Context, r *http.Request) (access.Principal, error) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, pass, ok := r.BasicAuth(); ok {
		key = pass
	}
	switch p, ok := keyring[key]; {
	case ok:
		return p, nil
	case key == "":
		return p, access.ErrNoKey
	case key == "broken":
		return p, context.DeadlineExceeded
	}
	return access.Principal{}, access.ErrUnknownKey
}

// channel is a payment channel that does as it is told.
type channel struct {
	payment.Channel // what the door must never call
	mu              sync.Mutex
	asked           []payment.Request
	refuse          error
	panics          bool
	paid            map[string]payment.Payment // by number; what is not there is pending
	queried         []string
	query           func(ctx context.Context) error // what a query meets; nothing when nil
}

func (c *channel) Name() string { return "sandbox" }

func (c *channel) Create(_ context.Context, r payment.Request) (payment.Action, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.panics {
		panic("secret of the channel")
	}
	c.asked = append(c.asked, r)
	if c.refuse != nil {
		return payment.Action{}, c.refuse
	}
	return payment.Action{Type: "redirect", URL: "https://pay.example/?a=1&no=" + r.OutTradeNo}, nil
}

func (c *channel) Query(ctx context.Context, no string) (payment.Payment, error) {
	c.mu.Lock()
	c.queried = append(c.queried, no)
	meets, p := c.query, c.paid[no]
	c.mu.Unlock()
	if meets != nil {
		if err := meets(ctx); err != nil {
			return payment.Payment{}, err
		}
	}
	if p.State == "" {
		p.State = payment.Pending
	}
	return p, nil
}

// pays has the buyer pay a payment at the channel; nobody has told us yet.
func (c *channel) pays(p *api.Payment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paid == nil {
		c.paid = map[string]payment.Payment{}
	}
	c.paid[p.ID] = payment.Payment{State: payment.Paid, OutTradeNo: p.ID, TradeNo: "T" + p.ID, Amount: p.Amount, Currency: p.Currency, PaidAt: p.CreatedAt}
}

func (c *channel) ParseNotice(h http.Header, body []byte, _ time.Time) (payment.Notice, error) {
	switch h.Get("Signature") {
	case "good":
	case "stale":
		return payment.Notice{}, payment.Errorf(payment.Auth, "sandbox notice", "too old")
	default:
		return payment.Notice{}, payment.Errorf(payment.Auth, "sandbox notice", "wrong signature")
	}
	var n struct{ ID, No string }
	if err := json.Unmarshal(body, &n); err != nil {
		return payment.Notice{}, payment.Errorf(payment.Permanent, "sandbox notice", "no JSON")
	}
	return payment.Notice{EventID: n.ID, OutTradeNo: n.No, Type: payment.PaymentSucceeded}, nil
}

func (c *channel) Ack(err error) payment.Answer {
	if err != nil {
		return payment.Answer{Status: 200, ContentType: "text/plain", Body: []byte("fail")}
	}
	return payment.Answer{Status: 200, ContentType: "text/plain", Body: []byte("success")}
}

func newDoor(t testing.TB, changes ...func(*producer.Options)) *door {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	d := &door{t: t, store: newMemory(), channel: &channel{}, logs: logs}
	channels, err := payment.NewRegistry(d.channel)
	require.NoError(t, err)
	o := producer.Options{
		Store: d.store, Admin: d.store, Guard: guard{}, Channels: channels, PublicURL: "https://orders.example/", Log: zap.New(core),
	}
	for _, change := range changes {
		change(&o)
	}
	d.Handler, err = producer.New(o)
	require.NoError(t, err)
	return d
}

type answer struct {
	*httptest.ResponseRecorder
	t testing.TB
}

// call makes a call. headers come in pairs and replace what is usual.
func (d *door) call(key, method, path, body string, headers ...string) answer {
	d.t.Helper()
	r := httptest.NewRequestWithContext(d.t.Context(), method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return answer{w, d.t}
}

// want is the body of an answer with this status.
func want[T any](a answer, status int) T {
	a.t.Helper()
	require.Equal(a.t, status, a.Code, a.Body.String())
	var v T
	require.NoError(a.t, json.Unmarshal(a.Body.Bytes(), &v), a.Body.String())
	return v
}

// problem is the problem that an answer is, with all that every problem has.
func (a answer) problem(name api.ProblemType) api.Problem {
	a.t.Helper()
	p := want[api.Problem](a, producer.Kinds()[name])
	require.Equal(a.t, name, p.Type, a.Body.String())
	require.Equal(a.t, a.Code, p.Status)
	require.Equal(a.t, "application/problem+json", a.Header().Get("Content-Type"))
	require.NotEmpty(a.t, p.Title)
	require.NotEmpty(a.t, p.Detail)
	require.Equal(a.t, "urn:orderflow:request:"+a.Header().Get("X-Request-Id"), p.Instance)
	return p
}

const draft = `{"merchant_id":"m_demo","buyer_id":"b1","currency":"CNY","items":[{"sku":"TEA","quantity":2,"unit_price":1999}]}`

// order makes an order.
func (d *door) order() api.Order {
	d.t.Helper()
	return want[api.Order](d.call("app", "POST", "/v1/orders", draft), 201)
}

// paid makes an order and brings it where the channel's money has arrived.
func (d *door) paid() api.Order {
	d.t.Helper()
	o := d.order()
	d.live(o, nil)
	return o
}

// live pays o with one payment, changed by wrong, and takes it through steps.
func (d *door) live(o api.Order, wrong func(*order.Receipt), steps ...func(*order.Order) error) *order.Order {
	d.t.Helper()
	id := mustID(d.t, o.ID)
	require.NoError(d.t, d.store.Update(d.t.Context(), id, nil, func(o *order.Order) error {
		a, err := o.Pay("sandbox", "app:checkout", o.CreatedAt)
		if err != nil {
			return err
		}
		r := order.Receipt{Attempt: a.ID, Channel: "sandbox", TradeNo: "T1", Amount: a.Amount, Currency: a.Currency, PaidAt: o.CreatedAt}
		if wrong != nil {
			wrong(&r)
		}
		if err := o.Receive(r, o.CreatedAt); err != nil {
			return err
		}
		for _, take := range steps {
			if err := take(o); err != nil {
				return err
			}
		}
		return nil
	}))
	now, err := d.store.Order(d.t.Context(), id)
	require.NoError(d.t, err)
	return now
}

// The steps that tests take an order through.
var (
	soldOut   = func(o *order.Order) error { return o.FailDelivery("sold out", "merchant:m_demo", o.CreatedAt) }
	delivered = func(o *order.Order) error { return o.Deliver("SF1", "merchant:m_demo", o.CreatedAt) }
	submitted = func(o *order.Order) error { return o.SubmitRefund(o.Refunds[0].ID, o.CreatedAt) }
	abnormal  = func(o *order.Order) error {
		return o.AbnormalRefund(o.Refunds[0].ID, "the card is closed", o.CreatedAt)
	}
	oneTooMuch = func(r *order.Receipt) { r.Amount++ }
)
