package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

// script is a server that answers each request with the next of its lines and
// remembers what it was asked.
type script struct {
	mu      sync.Mutex
	answers []func(http.ResponseWriter)
	asked   []*http.Request
	bodies  []string
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.asked, s.bodies = append(s.asked, r), append(s.bodies, string(body))
	next := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	next(w)
}

func says(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func hangsUp(w http.ResponseWriter) { panic(http.ErrAbortHandler) }

func serve(t *testing.T, answers ...func(http.ResponseWriter)) (*script, *api.Client) {
	t.Helper()
	s := &script{answers: answers}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, api.New(srv.URL+"/", "k", api.WithWait(time.Microsecond))
}

const made = `{"id":"01939b1c-5f4a-7c3e-9a00-c0ffee00ab00","status":"pending_pay","amount":3998}`

func TestRetriesCarryTheSameKeyAndBody(t *testing.T) {
	t.Parallel()
	s, c := serve(t, hangsUp, says(502, "<html>"), says(503, "{}"), says(201, made))
	o, err := c.CreateOrder(t.Context(), api.NewOrder{MerchantID: "m"})
	require.NoError(t, err)
	require.EqualValues(t, 3998, o.Amount)
	require.Len(t, s.asked, 4)
	for i, r := range s.asked {
		require.NotEmpty(t, r.Header.Get("Idempotency-Key"))
		require.Equal(t, s.asked[0].Header.Get("Idempotency-Key"), r.Header.Get("Idempotency-Key"))
		require.Equal(t, s.bodies[0], s.bodies[i])
		require.Equal(t, "Bearer k", r.Header.Get("Authorization"))
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	}
	_, err = c.CreateOrder(t.Context(), api.NewOrder{MerchantID: "m"})
	require.NoError(t, err)
	require.NotEqual(t, s.asked[0].Header.Get("Idempotency-Key"), s.asked[4].Header.Get("Idempotency-Key"), "another order, another key")
	_, err = c.CreateOrder(t.Context(), api.NewOrder{MerchantID: "m"}, api.IdempotencyKey("mine"))
	require.NoError(t, err)
	require.Equal(t, "mine", s.asked[5].Header.Get("Idempotency-Key"))
}

func TestWhatIsRefusedIsAProblemAndNotRetried(t *testing.T) {
	t.Parallel()
	s, c := serve(t, says(409, `{"type":"urn:orderflow:problem:out-of-stock","title":"Out of stock","status":409,"detail":"TEA is out","sku":"TEA","available":1}`))
	_, err := c.CreateOrder(t.Context(), api.NewOrder{})
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, api.OutOfStock, p.Type)
	require.EqualValues(t, 1, *p.Available)
	require.EqualError(t, err, "POST /v1/orders: TEA is out")
	require.Len(t, s.asked, 1)
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	s, c := serve(t, says(429, ""))
	_, err := c.Order(t.Context(), "x")
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 429, p.Status)
	require.Len(t, s.asked, 4)
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	s, c := serve(t, func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel(enough)
	})
	_, err := c.Order(ctx, "x")
	require.Error(t, err)
	require.True(t, errors.Is(err, enough) || errors.Is(err, context.Canceled))
	require.Len(t, s.asked, 1)
}

func TestWhatCannotBeMadeTwiceIsNotRetried(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*api.Client) error{
		"create endpoint": func(c *api.Client) error {
			_, err := c.CreateEndpoint(t.Context(), "m", api.NewEndpoint{})
			return err
		},
		"rotate endpoint": func(c *api.Client) error { _, err := c.RotateEndpoint(t.Context(), "m", "e"); return err },
		"test endpoint":   func(c *api.Client) error { _, err := c.TestEndpoint(t.Context(), "m", "e"); return err },
	} {
		s, c := serve(t, says(503, ""))
		require.Error(t, call(c), name)
		require.Len(t, s.asked, 1, name)
	}
}

func TestEveryCallGoesToItsPlace(t *testing.T) {
	t.Parallel()
	for want, call := range map[string]func(context.Context, *api.Client) error{
		"POST /v1/orders": func(ctx context.Context, c *api.Client) error {
			_, err := c.CreateOrder(ctx, api.NewOrder{})
			return err
		},
		"GET /v1/orders/a%2Fb": func(ctx context.Context, c *api.Client) error { _, err := c.Order(ctx, "a/b"); return err },
		"GET /v1/orders?limit=2&status=paid": func(ctx context.Context, c *api.Client) error {
			_, err := c.Orders(ctx, api.OrderFilter{Status: "paid", Limit: 2})
			return err
		},
		"GET /v1/orders/o/events":    func(ctx context.Context, c *api.Client) error { _, err := c.Events(ctx, "o"); return err },
		"POST /v1/orders/o/payments": func(ctx context.Context, c *api.Client) error { _, err := c.Pay(ctx, "o", "sandbox"); return err },
		"POST /v1/orders/o/cancel":   func(ctx context.Context, c *api.Client) error { _, err := c.Cancel(ctx, "o", "r"); return err },
		"POST /v1/orders/o/delivery": func(ctx context.Context, c *api.Client) error {
			_, err := c.ReportDelivery(ctx, "o", api.DeliveryReport{})
			return err
		},
		"POST /v1/orders/o/complete": func(ctx context.Context, c *api.Client) error { _, err := c.Complete(ctx, "o"); return err },
		"PUT /v1/merchants/m": func(ctx context.Context, c *api.Client) error {
			_, err := c.PutMerchant(ctx, "m", api.MerchantTerms{})
			return err
		},
		"PUT /v1/merchants/m/stock/s": func(ctx context.Context, c *api.Client) error { _, err := c.SetStock(ctx, "m", "s", 1); return err },
		"GET /v1/merchants/m/stock/s": func(ctx context.Context, c *api.Client) error { _, err := c.Stock(ctx, "m", "s"); return err },
		"POST /v1/merchants/m/endpoints": func(ctx context.Context, c *api.Client) error {
			_, err := c.CreateEndpoint(ctx, "m", api.NewEndpoint{})
			return err
		},
		"GET /v1/merchants/m/endpoints": func(ctx context.Context, c *api.Client) error { _, err := c.Endpoints(ctx, "m"); return err },
		"PUT /v1/merchants/m/endpoints/e": func(ctx context.Context, c *api.Client) error {
			_, err := c.ChangeEndpoint(ctx, "m", "e", api.EndpointChange{})
			return err
		},
		"GET /v1/event-types":                     func(ctx context.Context, c *api.Client) error { _, err := c.EventTypes(ctx); return err },
		"GET /v1/event-types/order.paid":          func(ctx context.Context, c *api.Client) error { _, err := c.EventType(ctx, "order.paid"); return err },
		"POST /v1/merchants/m/endpoints/e/rotate": func(ctx context.Context, c *api.Client) error { _, err := c.RotateEndpoint(ctx, "m", "e"); return err },
		"POST /v1/merchants/n/endpoints/e/rotate": func(ctx context.Context, c *api.Client) error {
			_, err := c.RotateEndpointTo(ctx, "n", "e", api.NewSecret{Signature: "v1a"})
			return err
		},
		"POST /v1/merchants/m/endpoints/e/pause":  func(ctx context.Context, c *api.Client) error { _, err := c.PauseEndpoint(ctx, "m", "e"); return err },
		"POST /v1/merchants/m/endpoints/e/resume": func(ctx context.Context, c *api.Client) error { _, err := c.ResumeEndpoint(ctx, "m", "e"); return err },
		"POST /v1/merchants/m/endpoints/e/test":   func(ctx context.Context, c *api.Client) error { _, err := c.TestEndpoint(ctx, "m", "e"); return err },
		"GET /v1/merchants/m/notices?endpoint=e&limit=9&order=o&since=2026-03-02T09%3A30%3A00Z&state=undelivered&type=order.paid": func(ctx context.Context, c *api.Client) error {
			_, err := c.Notices(ctx, "m", api.NoticeFilter{
				Since: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), Type: "order.paid", State: "undelivered", Order: "o", Endpoint: "e", Limit: 9,
			})
			return err
		},
		"GET /v1/notices/n": func(ctx context.Context, c *api.Client) error { _, err := c.Notice(ctx, "n"); return err },
		"GET /v1/notices/n/attempts?cursor=c&limit=2": func(ctx context.Context, c *api.Client) error {
			_, err := c.NoticeAttempts(ctx, "n", 2, "c")
			return err
		},
		"DELETE /v1/merchants/m/endpoints/e": func(ctx context.Context, c *api.Client) error { return c.DeleteEndpoint(ctx, "m", "e") },
		"GET /v1/tasks?state=dead": func(ctx context.Context, c *api.Client) error {
			_, err := c.Tasks(ctx, api.TaskFilter{State: "dead"})
			return err
		},
		"POST /v1/tasks/order:close/s/requeue": func(ctx context.Context, c *api.Client) error { return c.Requeue(ctx, "order:close", "s", "") },
		"GET /v1/orders?held=true&hold=refund_abnormal": func(ctx context.Context, c *api.Client) error {
			_, err := c.Orders(ctx, api.OrderFilter{Held: true, Hold: "refund_abnormal"})
			return err
		},
		"POST /v1/orders/o/refunds": func(ctx context.Context, c *api.Client) error {
			_, err := c.AskRefund(ctx, "o", api.NewRefund{})
			return err
		},
		"GET /v1/refunds/r": func(ctx context.Context, c *api.Client) error { _, err := c.Refund(ctx, "r"); return err },
		"POST /v1/orders/o/payments/p/accept": func(ctx context.Context, c *api.Client) error {
			_, err := c.AcceptPayment(ctx, "o", "p", "n")
			return err
		},
		"POST /v1/orders/o/payments/p/return": func(ctx context.Context, c *api.Client) error {
			_, err := c.ReturnPayment(ctx, "o", "p", "n")
			return err
		},
		"POST /v1/orders/o/conflict": func(ctx context.Context, c *api.Client) error {
			_, err := c.ResolveConflict(ctx, "o", api.Resolution{})
			return err
		},
		"POST /v1/refunds/r/retry": func(ctx context.Context, c *api.Client) error { _, err := c.RetryRefund(ctx, "r", "n"); return err },
		"POST /v1/refunds/r/paid-out": func(ctx context.Context, c *api.Client) error {
			_, err := c.PayOutRefund(ctx, "r", api.PayOut{})
			return err
		},
		"POST /v1/refunds/r/cancel": func(ctx context.Context, c *api.Client) error { _, err := c.CancelRefund(ctx, "r", "n"); return err },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			s, c := serve(t, says(200, "{}"))
			require.NoError(t, call(t.Context(), c))
			require.Equal(t, want, s.asked[0].Method+" "+s.asked[0].URL.RequestURI())
		})
	}
}

func TestNotesTravel(t *testing.T) {
	t.Parallel()
	s, c := serve(t, says(204, ""))
	require.NoError(t, c.Requeue(t.Context(), "order:close", "s", ""))
	require.NoError(t, c.Requeue(t.Context(), "order:close", "s", "mended"))
	require.Equal(t, []string{"", `{"note":"mended"}`}, s.bodies)
}

func TestARefundIsAskedForOnce(t *testing.T) {
	t.Parallel()
	s, c := serve(t, hangsUp, says(202, "{}"))
	_, err := c.AskRefund(t.Context(), "o", api.NewRefund{Amount: 5, Reason: "broken"})
	require.NoError(t, err)
	require.Len(t, s.asked, 2)
	require.NotEmpty(t, s.asked[0].Header.Get("Idempotency-Key"))
	require.Equal(t, s.asked[0].Header.Get("Idempotency-Key"), s.asked[1].Header.Get("Idempotency-Key"), "a retry is no second refund")
}

func TestAnswersThatAreNotTheAPIs(t *testing.T) {
	t.Parallel()
	_, c := serve(t, says(200, "<html>hello</html>"))
	_, err := c.Order(t.Context(), "x")
	require.ErrorContains(t, err, "read the answer")

	other := &script{answers: []func(http.ResponseWriter){says(200, made)}}
	elsewhere := httptest.NewServer(other)
	t.Cleanup(elsewhere.Close)
	_, c = serve(t, says(307, "", "Location", elsewhere.URL))
	_, err = c.Order(t.Context(), "x")
	require.Error(t, err)
	require.Empty(t, other.asked, "the key goes nowhere else")
}

func TestShapesLeaveOutWhatIsNotSet(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(api.Order{ID: "x"})
	require.NoError(t, err)
	for _, absent := range []string{"paid_at", "delivery", "payment", "attempts", "hold", "metadata"} {
		require.NotContains(t, string(b), `"`+absent+`"`, "%s in %s", absent, b)
	}
}
