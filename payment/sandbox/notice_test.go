package sandbox_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

const (
	tradeNo = "0190aaaabbbbccccddddeeeeffff0001"
	paidOne = `{"event_id":"e1","type":"payment.succeeded","out_trade_no":"` + tradeNo + `","trade_no":"s1","amount":1234,"currency":"CNY","paid_at":"2026-01-02T03:04:05.678Z"}`
)

func TestTheEventIsAsPublished(t *testing.T) {
	t.Parallel()
	paidAt := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	body, err := json.Marshal(sandbox.Event{
		EventID: "e1", Type: "payment.succeeded", OutTradeNo: tradeNo, TradeNo: "s1", Amount: 1234, Currency: "CNY", PaidAt: paidAt,
	})
	require.NoError(t, err)
	require.Equal(t, paidOne, string(body))

	n, err := parse(t, paidOne)
	require.NoError(t, err)
	require.Equal(t, payment.Notice{
		EventID: "e1", Type: payment.PaymentSucceeded, OutTradeNo: tradeNo, Complete: true,
		Payment: payment.Payment{
			State: payment.Paid, OutTradeNo: tradeNo, TradeNo: "s1", Amount: 1234, Currency: "CNY", PaidAt: paidAt,
		},
	}, n)
}

func TestASignedNotice(t *testing.T) {
	t.Parallel()
	change := func(old, now string) string { return strings.Replace(paidOne, old, now, 1) }
	refund := change("payment.succeeded", "refund.succeeded")
	for _, c := range []struct {
		name     string
		body     string
		class    payment.Class // empty: it is read
		complete bool
	}{
		{"in full", paidOne, "", true},
		{"with a field of a later version", change(`{`, `{"payer":{"id":1},`), "", true},
		{"of a kind that we do not know", change("payment.succeeded", "payment.disputed"), "", false},
		{"of a refund", change(`"type":"payment.succeeded"`, `"type":"refund.succeeded","out_refund_no":"0190aaaabbbbccccddddeeeeffff0002"`), "", false},
		{"without the channel's number", change(`"trade_no":"s1",`, ``), "", false},
		{"without an amount", change(`"amount":1234,`, ``), "", false},
		{"with a negative amount", change(`1234`, `-1`), "", false},
		{"without a currency", change(`"currency":"CNY",`, ``), "", false},
		{"with half a currency", change(`CNY`, `cny`), "", false},
		{"without a time", change(`,"paid_at":"2026-01-02T03:04:05.678Z"`, ``), "", false},

		{"without an event", change(`"event_id":"e1",`, ``), payment.Permanent, false},
		{"with an event of two lines", change(`e1`, `e\n1`), payment.Permanent, false},
		{"with a very long event", change(`e1`, strings.Repeat("e", 65)), payment.Permanent, false},
		{"without a type", change(`"type":"payment.succeeded",`, ``), payment.Permanent, false},
		{"without our number", change(`"out_trade_no":"`+tradeNo+`",`, ``), payment.Permanent, false},
		{"with capitals in our number", change(`aaaa`, `AAAA`), payment.Permanent, false},
		{"with a short number", change(`ffff0001`, `ffff001`), payment.Permanent, false},
		{"of a refund without its number", refund, payment.Permanent, false},
		{"with an amount in yuan", change(`1234`, `12.34`), payment.Permanent, false},
		{"with an amount beyond int64", change(`1234`, `9223372036854775808`), payment.Permanent, false},
		{"twice", paidOne + paidOne, payment.Permanent, false},
		{"that is a list", `[` + paidOne + `]`, payment.Permanent, false},
		{"that is empty", ``, payment.Permanent, false},
		{"that is null", `null`, payment.Permanent, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, err := parse(t, c.body)
			if c.class != "" {
				require.Error(t, err)
				require.Equal(t, c.class, payment.ClassOf(err), "%v", err)
				require.Zero(t, n)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.complete, n.Complete)
			require.Equal(t, c.complete, n.Payment != payment.Payment{})
			require.Equal(t, tradeNo, n.OutTradeNo)
		})
	}
}

func TestAck(t *testing.T) {
	t.Parallel()
	c := channel(t)
	taken := c.Ack(nil)
	require.Equal(t, http.StatusOK, taken.Status)
	require.Equal(t, "application/json", taken.ContentType)
	require.JSONEq(t, `{"code":"SUCCESS"}`, string(taken.Body))
	again := c.Ack(http.ErrHandlerTimeout)
	require.Equal(t, http.StatusInternalServerError, again.Status)
	require.JSONEq(t, `{"code":"FAIL","message":"not taken, please send it again"}`, string(again.Body))
}

// FuzzParseNotice is what strangers send.
func FuzzParseNotice(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	good := sandbox.Sign(secret, []byte(paidOne), now)
	f.Add(good, []byte(paidOne))
	f.Add(good+","+good, []byte(paidOne))
	f.Add("t=,v1=", []byte(`{}`))
	f.Add("t=1700000000,v1=00", []byte(nil))
	f.Add("", []byte("\xff\x00"))
	c := channel(f)
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		n, err := c.ParseNotice(http.Header{sandbox.SignatureHeader: {header}}, body, now)
		if err != nil {
			require.Equal(t, payment.Notice{}, n)
			return
		}
		require.Equal(t, paidOne, string(body), "a body that we did not sign was believed")
	})
}

// FuzzSignedNotice is what a channel could send by mistake.
func FuzzSignedNotice(f *testing.F) {
	f.Add([]byte(paidOne))
	f.Add([]byte(strings.Replace(paidOne, "payment.", "refund.", 1)))
	f.Add([]byte(`{"event_id":"e","type":"x","out_trade_no":"` + tradeNo + `","paid_at":"9999-12-31T23:59:59+23:59"}`))
	f.Add([]byte(`{"amount":1e3}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := parse(t, string(body))
		if err != nil {
			require.NotEqual(t, payment.Unknown, payment.ClassOf(err), "a notice is read or refused: %v", err)
			require.Equal(t, payment.Notice{}, n)
			return
		}
		require.True(t, sandbox.IsNumber(n.OutTradeNo))
		require.NotEmpty(t, n.EventID)
		if n.Complete {
			require.Positive(t, n.Payment.Amount)
			require.Equal(t, n.OutTradeNo, n.Payment.OutTradeNo)
		}
	})
}

// parse reads a body that the channel signed just now.
func parse(t testing.TB, body string) (payment.Notice, error) {
	t.Helper()
	now := time.Unix(1_700_000_000, 0)
	h := http.Header{sandbox.SignatureHeader: {sandbox.Sign(secret, []byte(body), now)}}
	return channel(t).ParseNotice(h, []byte(body), now)
}

func channel(t testing.TB) *sandbox.Channel {
	t.Helper()
	c, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1/sandbox", Secret: secret})
	require.NoError(t, err)
	return c
}
