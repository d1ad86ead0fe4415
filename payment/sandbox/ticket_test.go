package sandbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// referenceToken was made by another implementation: base64url of the JSON, a
// dot, and base64url of HMAC-SHA256 over "pay." and what stands before the dot.
const referenceToken = "eyJvdXRfdHJhZGVfbm8iOiIwMTkwYWFhYWJiYmJjY2NjZGRkZGVlZWVmZmZmMDAwMSIsImFtb3VudCI6MTIzNCwiY3VycmVuY3kiOiJDTlkiLCJzdWJqZWN0IjoiQSBsYW1wLCDnga8iLCJleHBpcmVfYXQiOjE3MDAwMDA5MDAxMjMsIm5vdGlmeV91cmwiOiJodHRwOi8vMTI3LjAuMC4xOjgwODAvdjEvY2hhbm5lbHMvc2FuZGJveC9jYWxsYmFja3MifQ" +
	".DHf41bdPnGF0DbBPyYla4OxB1Ywnk8hnXUUFyeTIZQw"

func referenceTicket() sandbox.Ticket {
	return sandbox.Ticket{
		OutTradeNo: "0190aaaabbbbccccddddeeeeffff0001", Amount: 1234, Currency: "CNY", Subject: "A lamp, 灯",
		ExpireAt: 1_700_000_900_123, NotifyURL: "http://127.0.0.1:8080/v1/channels/sandbox/callbacks",
	}
}

func TestCreateMakesTheLinkAsPublished(t *testing.T) {
	t.Parallel()
	c, err := sandbox.New(sandbox.Options{BaseURL: "https://pay.example/sandbox/", Secret: secret})
	require.NoError(t, err)
	want := referenceTicket()
	action, err := c.Create(t.Context(), payment.Request{
		OutTradeNo: want.OutTradeNo, Amount: want.Amount, Currency: want.Currency, Subject: want.Subject,
		ExpireAt: time.UnixMilli(want.ExpireAt).Add(999 * time.Microsecond), NotifyURL: want.NotifyURL,
	})
	require.NoError(t, err)
	require.Equal(t, payment.Action{Type: "redirect", URL: "https://pay.example/sandbox/pay/" + referenceToken}, action)
	require.NotContains(t, action.URL, "?")
	require.NotContains(t, action.URL, "&")
}

func TestOpenTicket(t *testing.T) {
	t.Parallel()
	got, err := sandbox.OpenTicket(secret, referenceToken)
	require.NoError(t, err)
	require.Equal(t, referenceTicket(), got)

	said, signature, _ := strings.Cut(referenceToken, ".")
	for name, token := range map[string]string{
		"empty":               "",
		"unsigned":            said,
		"empty signature":     said + ".",
		"another signature":   said + "." + strings.Repeat("A", len(signature)),
		"another body":        strings.Replace(referenceToken, "eyJv", "eyJw", 1),
		"a letter more":       referenceToken + "A",
		"other trailing bits": referenceToken[:len(referenceToken)-1] + "x",
		"padding":             referenceToken + "=",
		"very long":           strings.Repeat("A", 5000) + "." + signature,
	} {
		_, err := sandbox.OpenTicket(secret, token)
		require.ErrorIs(t, err, sandbox.ErrTicket, name)
	}
	_, err = sandbox.OpenTicket("another secret", referenceToken)
	require.ErrorIs(t, err, sandbox.ErrTicket)
}

func TestALongSubjectIsCutAndStillMakesALink(t *testing.T) {
	t.Parallel()
	c, err := sandbox.New(sandbox.Options{BaseURL: "https://pay.example", Secret: secret})
	require.NoError(t, err)
	ticket := referenceTicket()
	action, err := c.Create(t.Context(), payment.Request{
		OutTradeNo: ticket.OutTradeNo, Amount: 1, Currency: "CNY", Subject: strings.Repeat("灯\x00", 4000),
		ExpireAt: time.UnixMilli(ticket.ExpireAt), NotifyURL: ticket.NotifyURL,
	})
	require.NoError(t, err)
	got, err := sandbox.OpenTicket(secret, strings.TrimPrefix(action.URL, "https://pay.example/pay/"))
	require.NoError(t, err)
	require.Len(t, []rune(got.Subject), 120)
}

func FuzzOpenTicket(f *testing.F) {
	said, signature, _ := strings.Cut(referenceToken, ".")
	for _, seed := range []string{referenceToken, said, "." + signature, said + ".", "..", "\x00.\xff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		ticket, err := sandbox.OpenTicket(secret, token)
		if err != nil {
			require.ErrorIs(t, err, sandbox.ErrTicket)
			require.Zero(t, ticket)
			return
		}
		again, err := ticket.Seal(secret)
		require.NoError(t, err)
		require.Equal(t, token, again, "there is one token for a ticket")
	})
}

func FuzzSealOpens(f *testing.F) {
	r := referenceTicket()
	f.Add(r.OutTradeNo, r.Amount, r.Currency, r.Subject, r.ExpireAt, r.NotifyURL)
	f.Add(r.OutTradeNo, r.Amount, r.Currency, r.Subject, r.ExpireAt, "http://a/?"+strings.Repeat("&", 1000))
	f.Add("", int64(-1), "cny", "\xff<script>&?", int64(0), "javascript:alert(1)")
	f.Fuzz(func(t *testing.T, no string, amount int64, currency, subject string, expire int64, notify string) {
		ticket := sandbox.Ticket{OutTradeNo: no, Amount: amount, Currency: currency, Subject: subject, ExpireAt: expire, NotifyURL: notify}
		token, err := ticket.Seal(secret)
		if err != nil {
			return
		}
		require.Empty(t, strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."), "it needs escaping in a URL")
		got, err := sandbox.OpenTicket(secret, token)
		require.NoError(t, err, "%d bytes", len(token))
		got.Subject, got.NotifyURL = subject, notify // what is not UTF-8 comes back as U+FFFD
		require.Equal(t, ticket, got)
	})
}
