package producer_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
)

// FuzzCreateOrder: whatever a stranger sends, the answer is an order or a
// problem of the caller's.
func FuzzCreateOrder(f *testing.F) {
	for _, seed := range []string{
		draft, draftWithChannel, strings.Replace(draft, `"items"`, `"virtual":true,"items"`, 1), "", "{", "[]", "null", `"x"`, "1e999", `{"items":[null]}`, `{"items":{"0":1}}`, `{"metadata":{"":""}}`,
		strings.Replace(draft, "1999", "9223372036854775807", 1), strings.Replace(draft, "2", "-0", 1), strings.Replace(draft, "b1", `\ud800`, 1),
		strings.Repeat("[", 5000), `{"a":{"a":{"a":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}}}`, "\xff\xfe", "\ufeff" + draft,
	} {
		f.Add([]byte(seed))
	}
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		clear(d.store.orders)
		d.logs.TakeAll()
		w := d.sends(t, "app", "/v1/orders", body)
		made := 0
		if w.Code == http.StatusCreated {
			made = 1
		}
		if len(d.store.orders) != made {
			t.Fatalf("%d to %q, and %d orders: %s", w.Code, body, len(d.store.orders), w.Body)
		}
	})
}

// FuzzCreateRefund: whatever a stranger asks back, it is given or it is the
// caller's problem, and never more than was paid.
func FuzzCreateRefund(f *testing.F) {
	for _, seed := range []string{
		`{"amount":1000,"reason":"r"}`, `{"amount":3998,"reason":"r"}`, `{"amount":3999,"reason":"r"}`, `{"amount":9223372036854775807,"reason":"r"}`,
		`{"amount":-1,"reason":"r"}`, `{"amount":1e3,"reason":"r"}`, `{"amount":"1","reason":"r"}`, `{"amount":1,"reason":"\u202e\u0085"}`, `{"amount":1}`, "null", "",
	} {
		f.Add([]byte(seed))
	}
	d := newDoor(f)
	o := d.order()
	sold := d.live(o, nil, delivered)
	f.Fuzz(func(t *testing.T, body []byte) {
		d.store.orders[sold.ID] = sold.Clone()
		d.logs.TakeAll()
		w := d.sends(t, "app", "/v1/orders/"+o.ID+"/refunds", body)
		var back int64
		for _, r := range d.store.orders[sold.ID].Refunds {
			back += r.Amount
		}
		if (w.Code == http.StatusAccepted) != (back > 0) || back > o.Amount {
			t.Fatalf("%d to %q, and %d go back: %s", w.Code, body, back, w.Body)
		}
	})
}

// FuzzNotes: an operator's words are kept as one line, or refused.
func FuzzNotes(f *testing.F) {
	for _, seed := range []string{`{"note":"n"}`, `{"note":" "}`, `{"note":"\u3000"}`, `{"note":"\n"}`, `{"note":"\u001b[2J"}`, `{"note":"\ud800"}`, "null", "[]", "", "{}", "\ufeff{}"} {
		f.Add([]byte(seed))
	}
	d := newDoor(f)
	o := d.order()
	held := d.live(o, oneTooMuch)
	f.Fuzz(func(t *testing.T, body []byte) {
		d.store.orders[held.ID], d.store.events[held.ID] = held.Clone(), nil
		d.logs.TakeAll()
		w := d.sends(t, "operator", "/v1/orders/"+o.ID+"/payments/"+held.Attempts[0].ID.Compact()+"/accept", body)
		if (w.Code == http.StatusOK) != (d.store.orders[held.ID].Hold == "") {
			t.Fatalf("%d to %q: %s", w.Code, body, w.Body)
		}
		for _, e := range d.store.events[held.ID] {
			if e.Type == order.EventMismatchAccepted && (strings.TrimSpace(e.Detail.Reason) == "" || strings.ContainsFunc(e.Detail.Reason, unicode.IsControl)) {
				t.Fatalf("%q is on the timeline as %q", body, e.Detail.Reason)
			}
		}
	})
}

// sends posts a body. The answer is a success, or a problem of the caller's.
func (d *door) sends(t *testing.T, key, path string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(string(body)))
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	var p api.Problem
	switch {
	case w.Code < 300:
		if !utf8.Valid(body) {
			t.Fatalf("made of %q: %s", body, w.Body)
		}
	case w.Code < 400 || w.Code >= 500:
		t.Fatalf("%d to %q: %s", w.Code, body, w.Body)
	case json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Status != w.Code || p.Type == "":
		t.Fatalf("no problem to %q: %s", body, w.Body)
	}
	return w
}
