package sandbox_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

// wire is a network of one answer.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// answering is an adapter whose channel answers every call so.
func answering(t *testing.T, status int, body, signedWith string) *sandbox.Channel {
	t.Helper()
	return over(t, func(*http.Request) (*http.Response, error) {
		h := http.Header{"Location": {"http://elsewhere.example/"}}
		if signedWith != "" {
			h.Set(sandbox.SignatureHeader, sandbox.Sign(signedWith, []byte(body), time.Now()))
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
}

func over(t *testing.T, w wire) *sandbox.Channel {
	t.Helper()
	c, err := sandbox.New(sandbox.Options{BaseURL: "http://sandbox.example", Secret: secret, HTTP: &http.Client{Transport: w}})
	require.NoError(t, err)
	return c
}

// What an answer means for the money: only what the channel has signed decides.
func TestAnswersAndTheirClasses(t *testing.T) {
	t.Parallel()
	const about = `"out_trade_no":"` + tradeNo + `"`
	for _, c := range []struct {
		name   string
		status int
		body   string
		signed string
		want   payment.Class
	}{
		{"500", 500, "", "", payment.Unknown},
		{"502, signed or not", 502, `{}`, secret, payment.Unknown},
		{"503", 503, "", "", payment.Unknown},
		{"a redirect is not followed", 307, "", "", payment.Unknown},
		{"204 is no answer", 204, "", "", payment.Unknown},
		{"429", 429, "", "", payment.Retryable},
		{"401", 401, "", "", payment.Auth},
		{"a signed 400", 400, `{"code":"BAD_REQUEST"}`, secret, payment.Permanent},
		{"a signed 422", 422, `{"code":"REFUND_EXCEEDS"}`, secret, payment.Permanent},
		{"a signed 403", 403, `{"code":"FORBIDDEN"}`, secret, payment.Permanent},
		{"a short balance", 403, `{"code":"BALANCE_SHORT"}`, secret, payment.Retryable},
		{"a stranger's short balance", 403, `{"code":"BALANCE_SHORT"}`, "another secret", payment.Unknown},
		{"a signed 404", 404, `{"code":"PAYMENT_NOT_FOUND"}`, secret, payment.Conflict},
		{"a signed 409", 409, `{"code":"NOT_PAID"}`, secret, payment.Conflict},
		{"a proxy's 404", 404, `not found`, "", payment.Unknown},
		{"a proxy's 403", 403, `forbidden`, "", payment.Unknown},
		{"a stranger's refusal", 400, `{"code":"BAD_REQUEST"}`, "another secret", payment.Unknown},
		{"an unsigned answer", 200, `{` + about + `,"state":"closed"}`, "", payment.Unknown},
		{"a stranger's answer", 200, `{` + about + `,"state":"closed"}`, "another secret", payment.Unknown},
		{"an answer about another payment", 200, `{"out_trade_no":"0190aaaabbbbccccddddeeeeffff0002","state":"closed"}`, secret, payment.Unknown},
		{"a state of its own", 200, `{` + about + `,"state":"maybe"}`, secret, payment.Unknown},
		{"paid, but not what", 200, `{` + about + `,"state":"paid"}`, secret, payment.Unknown},
		{"not JSON", 200, `<html>`, secret, payment.Unknown},
		{"too much", 200, `{` + about + `,"state":"closed"}` + strings.Repeat(" ", sandbox.MaxBody), secret, payment.Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := answering(t, c.status, c.body, c.signed).Close(t.Context(), tradeNo)
			require.Error(t, err)
			require.Equal(t, c.want, payment.ClassOf(err), "%v", err)
			require.Contains(t, err.Error(), "sandbox close "+tradeNo)
			require.NotContains(t, err.Error(), secret)
			require.Equal(t, c.want == payment.Retryable && c.status == 403, errors.Is(err, payment.ErrBalanceShort))
			require.Zero(t, p)
		})
	}
	p, err := answering(t, 200, `{`+about+`,"state":"closed"}`, secret).Close(t.Context(), tradeNo)
	require.NoError(t, err)
	require.Equal(t, payment.Payment{State: payment.Closed, OutTradeNo: tradeNo}, p)
}

func TestARefundAnswerMustBeOfTheAmountAskedFor(t *testing.T) {
	t.Parallel()
	const refundNo = "0190aaaabbbbccccddddeeeeffff0002"
	c := answering(t, 200, `{"out_trade_no":"`+tradeNo+`","out_refund_no":"`+refundNo+`","state":"done","amount":5}`, secret)
	_, err := c.Refund(t.Context(), payment.RefundRequest{OutTradeNo: tradeNo, OutRefundNo: refundNo, Amount: 6, Currency: "CNY"})
	require.Equal(t, payment.Conflict, payment.ClassOf(err), "%v", err)
	r, err := c.Refund(t.Context(), payment.RefundRequest{OutTradeNo: tradeNo, OutRefundNo: refundNo, Amount: 5, Currency: "CNY"})
	require.NoError(t, err)
	require.Equal(t, payment.RefundDone, r.State)
}

func TestCallsAreSigned(t *testing.T) {
	t.Parallel()
	broken := errors.New("the network is gone")
	var sent []byte
	var header http.Header
	c := over(t, func(r *http.Request) (*http.Response, error) {
		require.Equal(t, "POST http://sandbox.example/gateway", r.Method+" "+r.URL.String())
		header = r.Header
		sent, _ = io.ReadAll(r.Body)
		return nil, broken
	})
	_, err := c.Query(t.Context(), tradeNo)
	require.ErrorIs(t, err, broken)
	require.True(t, payment.Undecided(err))
	require.NoError(t, sandbox.Verify(secret, header, sent, time.Now()))
	var call map[string]any
	require.NoError(t, json.NewDecoder(bytes.NewReader(sent)).Decode(&call))
	require.Equal(t, map[string]any{"method": "payment.query", "out_trade_no": tradeNo}, call)
}

func TestNewRefusesHalfASetup(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{
		"no secret":          {BaseURL: "http://127.0.0.1:8080/sandbox"},
		"no URL":             {Secret: secret},
		"a path alone":       {Secret: secret, BaseURL: "/sandbox"},
		"another scheme":     {Secret: secret, BaseURL: "ftp://127.0.0.1/sandbox"},
		"a query":            {Secret: secret, BaseURL: "http://127.0.0.1/sandbox?x=1"},
		"a password in view": {Secret: secret, BaseURL: "http://u:p@127.0.0.1/sandbox"},
	} {
		_, err := sandbox.New(o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), secret, name)
	}
}
