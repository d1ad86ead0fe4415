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

// shop is the API, the pay page and the demo merchants in one, as far as buyers
// and operators see them. It writes down every call it takes.
type shop struct {
	base string // where its pay links lead

	mu     sync.Mutex
	orders map[string]*api.Order
	faults map[string]string // by order, as they were chosen at the pay page
	story  []string
	seen   []api.NewOrder

	// What goes otherwise than usual.
	never  bool                                              // no order ever changes by itself
	before func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
}

func newShop() *shop {
	return &shop{base: "http://orderflow.test", orders: map[string]*api.Order{}, faults: map[string]string{}}
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
	mux.HandleFunc("POST /v1/orders/{id}/refunds", s.askBack)
	mux.HandleFunc("POST /v1/orders/{id}/payments/{payment}/accept", s.operator(s.accept))
	mux.HandleFunc("POST /v1/orders/{id}/conflict", s.operator(s.resolve))
	mux.HandleFunc("POST /v1/refunds/{id}/{what}", s.operator(s.onRefund))
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
	if err := dec.Decode(&in); err != nil || len(in.Items) == 0 || in.Items[0].Quantity < 1 || !strings.HasPrefix(in.MerchantID, "m_1") || in.Channel != "sandbox" {
		s.tell("refuse")
		refuse(w, http.StatusUnprocessableEntity, api.Invalid)
		return
	}
	o := &api.Order{
		ID: fmt.Sprint("o", len(s.orders)+1), Status: "pending_pay", Metadata: in.Metadata, MerchantID: in.MerchantID,
		Amount:   in.Items[0].Quantity * in.Items[0].UnitPrice,
		ExpireAt: time.Now().Add(time.Duration(max(in.PayWithinSeconds, 1)) * time.Second),
	}
	s.orders[o.ID] = o
	s.seen = append(s.seen, in)
	s.tell("order%s%s%s", part(" ", in.Metadata["demo"]), part(" within ", secs(in.PayWithinSeconds)), part(" of ", strings.TrimPrefix(strings.TrimPrefix(in.MerchantID, "m_1"), " ")))
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
	if !s.never {
		s.goOn(o)
	}
	s.tell("look: %s%s", o.Status, part(", ", o.Hold))
	answer(w, http.StatusOK, o)
}

// goOn is what time, the channel and the merchant have done since.
func (s *shop) goOn(o *api.Order) {
	demo, fault := o.Metadata["demo"], s.faults[o.ID]
	switch {
	case o.Status == "pending_pay" && fault == "wrong_amount":
		o.Hold = heldMismatch
	case o.Status == "pending_pay" && !time.Now().Before(o.ExpireAt):
		o.Status = "closed"
	case o.Status == "paid" && demo == "fail" && fault == "refund_abnormal":
		o.Status, o.Hold = "refunding", heldAbnormal
		o.Refunds = []api.Refund{{ID: "r1", Status: "closed"}, {ID: "r2", Status: "abnormal"}}
	case o.Status == "paid" && demo == "deliver":
		o.Status = "delivered"
	case o.Status == "paid" && demo != "late":
		o.Status = "delivering"
	case o.Status == "returning" && demo == "deny":
		o.Status = "delivered"
	case o.Status == "returning" && demo == "contradict":
		o.Status, o.Hold = "refunding", heldConflict
	case o.Status == "returning" && demo == "protest":
		o.Status, o.Hold = "refunded", heldConflict
	}
}

func (s *shop) openPayment(w http.ResponseWriter, r *http.Request) {
	s.tell("open another")
	answer(w, http.StatusCreated, s.payment(s.orders[r.PathValue("id")], 2))
}

func (s *shop) cancel(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	s.tell("cancel")
	switch o.Status {
	case "delivered", "completed":
		refuse(w, http.StatusConflict, api.NotAllowed)
		return
	case "paid", "delivering":
		o.Status = "returning"
	default:
		o.Status = "closed"
	}
	answer(w, http.StatusAccepted, o)
}

func (s *shop) complete(w http.ResponseWriter, r *http.Request) {
	s.tell("confirm")
	answer(w, http.StatusOK, s.orders[r.PathValue("id")])
}

func (s *shop) askBack(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	var in api.NewRefund
	_ = json.NewDecoder(r.Body).Decode(&in)
	room := o.Amount
	for _, before := range o.Refunds {
		room -= before.Amount
	}
	switch {
	case o.Status != "delivered" && o.Status != "completed" || in.Amount > room:
		s.tell("ask for too much")
		refuse(w, http.StatusConflict, api.NotAllowed)
		return
	case in.Amount == o.Amount:
		s.tell("ask for all of it")
	default:
		s.tell("ask for a part")
	}
	o.Refunds = append(o.Refunds, api.Refund{ID: fmt.Sprint("r", len(o.Refunds)+1), Status: "created", Amount: in.Amount})
	answer(w, http.StatusAccepted, o.Refunds[len(o.Refunds)-1])
}

// operator lets only the operator's key in, and only with a note.
func (s *shop) operator(do func(http.ResponseWriter, *http.Request, map[string]string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var said map[string]string
		err := json.NewDecoder(r.Body).Decode(&said)
		if err != nil || said["note"] == "" || r.Header.Get("Authorization") != "Bearer op" {
			refuse(w, http.StatusForbidden, api.Forbidden)
			return
		}
		do(w, r, said)
	}
}

func (s *shop) accept(w http.ResponseWriter, r *http.Request, _ map[string]string) {
	o := s.orders[r.PathValue("id")]
	s.tell("accept payment %s", r.PathValue("payment"))
	o.Status, o.Hold = "paid", ""
	answer(w, http.StatusOK, o)
}

func (s *shop) resolve(w http.ResponseWriter, r *http.Request, said map[string]string) {
	s.tell("resolve: %s", said["outcome"])
	o := s.orders[r.PathValue("id")]
	if said["outcome"] == "delivered" && o.Status == "refunded" {
		refuse(w, http.StatusConflict, api.NotAllowed)
		return
	}
	answer(w, http.StatusOK, o)
}

func (s *shop) onRefund(w http.ResponseWriter, r *http.Request, said map[string]string) {
	s.tell("%s %s%s", r.PathValue("what"), r.PathValue("id"), part(" ", said["voucher"]))
	answer(w, http.StatusOK, api.Refund{ID: r.PathValue("id")})
}

func (s *shop) pay(w http.ResponseWriter, r *http.Request) {
	o := s.orders[r.PathValue("id")]
	how := r.FormValue("fault")
	s.tell("pay %s%s%s", r.PathValue("payment"), part(" ", how), part(" × ", r.FormValue("times")))
	if r.Header.Get("Authorization") != "" {
		http.Error(w, "the key is for the API alone", http.StatusTeapot)
		return
	}
	if o.Status == "closed" && how != "late" {
		answer(w, http.StatusGone, map[string]string{"code": "CLOSED"})
		return
	}
	s.faults[o.ID] = how
	if o.Status == "pending_pay" && how != "wrong_amount" && how != "drop" {
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
	return Options{API: "http://orderflow.test", Key: "k", OperatorKey: "op", Rate: rate, MerchantID: "m_1", SlowMerchantID: "m_1 slow", SKU: "TEA-1", Seed: 7, transport: s}
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
