package producer_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/orderflow/orderflow/producer/api"
)

// FuzzCreateOrder: whatever a stranger sends, the answer is an order or a
// problem of the caller's.
func FuzzCreateOrder(f *testing.F) {
	for _, seed := range []string{
		draft, draftWithChannel, "", "{", "[]", "null", `"x"`, "1e999", `{"items":[null]}`, `{"items":{"0":1}}`, `{"metadata":{"":""}}`,
		strings.Replace(draft, "1999", "9223372036854775807", 1), strings.Replace(draft, "2", "-0", 1), strings.Replace(draft, "b1", `\ud800`, 1),
		strings.Repeat("[", 5000), `{"a":{"a":{"a":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}}}`, "\xff\xfe", "\ufeff" + draft,
	} {
		f.Add([]byte(seed))
	}
	d := newDoor(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		clear(d.store.orders)
		d.logs.TakeAll()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/orders", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer app")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		var p api.Problem
		switch {
		case w.Code == 201:
			if !utf8.Valid(body) || len(d.store.orders) != 1 {
				t.Fatalf("made of %q: %s", body, w.Body)
			}
		case w.Code < 400 || w.Code >= 500 || len(d.store.orders) != 0:
			t.Fatalf("%d to %q: %s", w.Code, body, w.Body)
		case json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Status != w.Code || p.Type == "":
			t.Fatalf("no problem to %q: %s", body, w.Body)
		}
	})
}
