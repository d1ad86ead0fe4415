package sandbox_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/orderflow/orderflow/payment/sandbox"
)

// BenchmarkParseNotice is what a callback costs before it is kept.
func BenchmarkParseNotice(b *testing.B) {
	c, err := sandbox.New(sandbox.Options{BaseURL: "https://pay.example", Secret: "secret"})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	h := http.Header{sandbox.SignatureHeader: {sandbox.Sign("secret", []byte(paidOne), now)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.ParseNotice(h, []byte(paidOne), now); err != nil {
			b.Fatal(err)
		}
	}
}
