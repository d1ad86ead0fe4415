package producer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/orderflow/orderflow/producer"
)

// BenchmarkCreateOrder is POST /v1/orders with a payment, all of it but the
// network and the database: key, schema, decision, JSON, log.
func BenchmarkCreateOrder(b *testing.B) {
	const body = `{"merchant_id":"m_demo","buyer_id":"b_000017","currency":"CNY","channel":"sandbox","items":[` +
		`{"sku":"TEA-01","name":"Green tea, 100 g","quantity":1,"unit_price":9990},{"sku":"CUP-000017","name":"Cup","quantity":3,"unit_price":1000}]}`
	d := newDoor(b)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/orders", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer app")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", fmt.Sprint(n))
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != http.StatusCreated {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
		if n%1000 == 0 { // nothing may grow
			clear(d.store.orders)
			clear(d.store.events)
			clear(d.store.kept)
			d.channel.asked = nil
			d.logs.TakeAll()
		}
	}
}

// BenchmarkRefusal is POST /v1/orders when there is too much to do.
func BenchmarkRefusal(b *testing.B) {
	d := newDoor(b, func(o *producer.Options) { o.Intake = &full{} })
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v1/orders", http.NoBody)
		r.Header.Set("Authorization", "Bearer app")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
