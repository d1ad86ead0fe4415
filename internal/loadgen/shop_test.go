package loadgen

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/producer/api"
)

// shop is the API and the pay page in one, as far as buyers see them. It writes
// down every call it takes.
type shop struct {
	base string // where its pay links lead

	mu     sync.Mutex
	orders map[string]*api.Order
	story  []string
	seen   []api.NewOrder

	// What goes otherwise than usual.
	never  bool                                              // no order ever changes by itself
	before func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func newShop() *shop {
	return &shop{base: "http://orderflow.test", orders: map[string]*api.Order{}}
}

// RoundTrip answers in the caller's own goroutine: no network, so that a
// synctest bubble's clock moves.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.before != nil && s.before(w, r) {
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders", s.create)
	mux.HandleFunc("GET /v1/orders/{id}", s.show)
	mux.HandleFunc("POST /v1/orders/{id}/payments", s.openPayment)
	mux.HandleFunc("POST /v1/orders/{id}/cancel", s.cancel)
	mux.HandleFunc("POST /v1/orders/{id}/complete", s.complete)
	mux.HandleFunc("POST /sandbox/pay/{id}/{payment}", s.pay)
	s.mu.Lock()
	defer s.mu.Unlock()
	mux.ServeHTTP(w, r)
}

func (s *shop) tell(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

func (s *shop) create(w http.ResponseWriter, r *http.Request) {
	var in api.NewOrder
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || len(in.Items) == 0 || in.Items[0].Quantity < 1 || in.MerchantID != "m_1" || in.Channel != "sandbox" {
		s.tell("refuse")
		refuse(w, http.StatusUnprocessableEntity, api.Invalid)
		return
	}
	o := &api.Order{
		ID: fmt.Sprint("o", len(s.orders)+1), Status: "pending_pay", Metadata: in.Metadata,
		ExpireAt: time.Now().Add(time.Duration(max(in.PayWithinSeconds, 1)) * time.Second),
	}
	s.orders[o.ID] = o
	s.seen = append(s.seen, in)
	s.tell("order%s%s", part(" ", in.Metadata["demo"]), part(" within ", secs(in.PayWithinSeconds)))
	o.Payment = s.payment(o, 1)
	answer(w, http.StatusCreated, o)
}

func part(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

func secs(n int64) string {
	switch n {
	case 0:
		return ""
	case 2, 3, 4, 5:
		return "2 to 5 s"
	}
	return fmt.Sprint(n, " s")
}

func (s *shop) payment(o *api.Order, n int) *api.Payment {
	return &api.Payment{ID: fmt.Sprint(n), Action: &api.Action{Type: "redirect", URL: fmt.Sprintf("%s/sandbox/pay/%s/%d", s.base, o.ID, n)}}
}

func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	switch {
	case s.never:
	case o.Status == "paid":
		o.Status = "delivered"
	case o.Status == "pending_pay" && !time.Now().Before(o.ExpireAt):
		o.Status = "closed"
	}
	s.tell("look: %s", o.Status)
	answer(w, http.StatusOK, o)
}

func (s *shop) openPayment(w http.ResponseWriter, r *http.Request) {
	s.tell("open another")
	answer(w, http.StatusCreated, s.payment(s.orders[r.PathValue("id")], 2))
}

func (s *shop) cancel(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	s.tell("cancel")
	if o.Status == "paid" {
		refuse(w, http.StatusConflict, api.NotAllowed)
		return
	}
	o.Status = "closed"
	answer(w, http.StatusAccepted, o)
}

func (s *shop) complete(w http.ResponseWriter, r *http.Request) {
	s.tell("confirm")
	answer(w, http.StatusOK, s.orders[r.PathValue("id")])
}

func (s *shop) pay(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	how := r.FormValue("fault")
	s.tell("pay %s%s", r.PathValue("payment"), part(" ", how))
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "the key is for the API alone", http.StatusTeapot)
		return
	}
	if o.Status == "closed" && how != "late" {
		answer(w, http.StatusGone, map[string]string{"code": "CLOSED"})
		return
	}
	if o.Status == "pending_pay" {
		o.Status = "paid"
	}
	answer(w, http.StatusOK, map[string]string{"status": "paid"})
}

func (s *shop) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.story...)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, t api.ProblemType) {
	answer(w, status, api.Problem{Type: t, Status: status})
}

// isOrder says that a call is the intake.
func isOrder(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/v1/orders")
}

// options reach the shop without a network.
func (s *shop) options(rate float64) Options {
	return Options{API: "http://orderflow.test", Key: "k", Rate: rate, MerchantID: "m_1", SKU: "TEA-1", Seed: 7, transport: s}
}

func find(t *testing.T, name string) script {
	t.Helper()
	for _, s := range scripts() {
		if s.name == name {
			return s
		}
	}
	require.Failf(t, "no such script", "%q", name)
	return script{}
}
