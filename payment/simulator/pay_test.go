package simulator_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
)

var browser = http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}}

func TestAProgramPays(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		no, link := w.order(t)
		status, answer := w.pay(t, link, "")
		require.Equal(t, http.StatusOK, status)
		require.Len(t, answer.TradeNo, 32)
		require.Equal(t, paid{
			Status: "paid", OutTradeNo: no, TradeNo: answer.TradeNo, Amount: price, Currency: "CNY", PaidAt: time.Now().UTC(),
		}, answer)

		status, again := w.pay(t, link, "")
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, "ALREADY_PAID", again.Code)
		require.Equal(t, answer.TradeNo, again.TradeNo)
	})
}

func TestABrowserPays(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		_, link := w.order(t)
		status, header, page := w.do(t, http.MethodGet, link, browser, "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
		for _, part := range []string{"A lamp", "12.34", "CNY", "1 January 2000, 00:15:00 UTC", `<form method="post">`, "<details>", `value="wrong_amount"`} {
			require.Contains(t, page, part)
		}
		require.NotRegexp(t, `(src|href|url)\s*[=(]`, page, "it needs nothing from elsewhere")
		style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)[1]
		sum := sha256.Sum256([]byte(style))
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Contains(t, header.Get("Content-Security-Policy"), "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"))

		status, _, page = w.do(t, http.MethodPost, link, browser, "")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, page, "Thank you")
		require.NotContains(t, page, "<form")
	})
}

func TestThePageForWhatCannotBePaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		before func(t *testing.T, w *world, no, link string) string
		want   int
		says   string
	}{
		{"paid", func(t *testing.T, w *world, _, link string) string { w.pay(t, link, ""); return link }, http.StatusConflict, "already paid"},
		{"closed unseen", func(t *testing.T, w *world, no, link string) string { w.close(t, no); return link }, http.StatusGone, "has closed"},
		{"closed while looking", func(t *testing.T, w *world, no, link string) string {
			w.do(t, http.MethodGet, link, browser, "")
			w.close(t, no)
			return link
		}, http.StatusGone, "has closed"},
		{"expired unseen", func(_ *testing.T, _ *world, _, link string) string { time.Sleep(15 * time.Minute); return link }, http.StatusGone, "has passed"},
		{"expired while looking", func(t *testing.T, w *world, _, link string) string {
			w.do(t, http.MethodGet, link, browser, "")
			time.Sleep(15 * time.Minute)
			return link
		}, http.StatusGone, "has passed"},
		{"a forged link", func(_ *testing.T, _ *world, _, link string) string { return link[:len(link)-4] + "AAAA" }, http.StatusNotFound, "not valid"},
		{"another amount", func(t *testing.T, w *world, no, link string) string {
			w.do(t, http.MethodGet, link, browser, "")
			other := sandbox.Ticket{OutTradeNo: no, Amount: 1, Currency: "CNY", ExpireAt: time.Now().Add(time.Hour).UnixMilli(), NotifyURL: "http://shop.test/"}
			token, err := other.Seal(secret)
			require.NoError(t, err)
			return "http://bank.test/sandbox/pay/" + token
		}, http.StatusConflict, "another amount"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			story(t, func(t *testing.T, w *world) {
				no, link := w.order(t)
				link = c.before(t, w, no, link)
				w.shop.heard(0) // what was sold is called back
				before := w.sim.Payments()
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					status, _, page := w.do(t, method, link, browser, "")
					require.Equal(t, c.want, status, method)
					require.Contains(t, page, c.says)
					require.NotContains(t, page, "<form")
				}
				status, answer := w.pay(t, link, "")
				require.Equal(t, c.want, status)
				require.Contains(t, answer.Message, c.says)
				require.Equal(t, before, w.sim.Payments(), "nothing was changed by trying")
			})
		})
	}
}

func (w *world) close(t *testing.T, no string) {
	t.Helper()
	p, err := w.channel.Close(t.Context(), no)
	require.NoError(t, err)
	require.Equal(t, payment.Closed, p.State)
}

func TestAmountsAreShownInMajorUnits(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			minor    int64
			currency string
			want     string
		}{
			{1, "CNY", "0.01"},
			{99, "CNY", "0.99"},
			{100, "USD", "1.00"},
			{123_456_789, "EUR", "1,234,567.89"},
			{100_000, "CNY", "1,000.00"},
			{9_223_372_036_854_775_807, "CNY", "92,233,720,368,547,758.07"},
			{1_234, "JPY", "1,234"},
			{5, "JPY", "5"},
			{1_234, "KWD", "1.234"},
			{1, "KWD", "0.001"},
		} {
			a, err := w.channel.Create(t.Context(), payment.Request{
				OutTradeNo: newNumber(), Amount: c.minor, Currency: c.currency, Subject: `<b>"lamp"</b>`,
				ExpireAt: time.Now().Add(time.Hour), NotifyURL: "http://shop.test/",
			})
			require.NoError(t, err)
			_, _, page := w.do(t, http.MethodGet, a.URL, browser, "")
			require.Contains(t, page, `<p class="amount">`+c.want+` <small>`+c.currency+`</small>`)
			require.NotContains(t, page, "<b>", "the subject is text")
		}
	})
}

func TestLargeBodiesAreNotRead(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		no, link := w.order(t)
		large := `{"note":"` + strings.Repeat("x", sandbox.MaxBody) + `","fault":"drop"}`
		status, _, _ := w.do(t, http.MethodPost, link, http.Header{"Content-Type": {"application/json"}}, large)
		require.Equal(t, http.StatusBadRequest, status)
		status, _, _ = w.do(t, http.MethodPost, "http://bank.test/sandbox/gateway", signed(large, time.Now()), large)
		require.Equal(t, http.StatusRequestEntityTooLarge, status)
		_, known := w.sim.Payment(no)
		require.False(t, known)
	})
}

func TestTheGatewayAnswersTheMerchantAlone(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		no, link := w.order(t)
		stranger, err := sandbox.New(sandbox.Options{BaseURL: "http://bank.test/sandbox", Secret: "another secret", HTTP: w.client})
		require.NoError(t, err)
		_, err = stranger.Close(t.Context(), no)
		require.Equal(t, payment.Auth, payment.ClassOf(err), "%v", err)

		late, err := sandbox.New(sandbox.Options{
			BaseURL: "http://bank.test/sandbox", Secret: secret, HTTP: w.client,
			Now: func() time.Time { return time.Now().Add(-301 * time.Second) },
		})
		require.NoError(t, err)
		_, err = late.Close(t.Context(), no)
		require.Equal(t, payment.Auth, payment.ClassOf(err), "%v", err)

		status, _ := w.pay(t, link, "")
		require.Equal(t, http.StatusOK, status, "nobody has closed it")
	})
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		p := w.sell(t, "")
		r, err := w.refund(t, p, 200)
		require.NoError(t, err)
		pending, link := w.order(t)
		w.do(t, http.MethodGet, link, browser, "")
		good := payment.RefundRequest{OutTradeNo: p.OutTradeNo, OutRefundNo: newNumber(), TradeNo: p.TradeNo, Amount: 100, Currency: "CNY"}
		for _, c := range []struct {
			change func(r *payment.RefundRequest)
			class  payment.Class
			code   string
		}{
			{func(r *payment.RefundRequest) { r.OutTradeNo = newNumber() }, payment.Conflict, "PAYMENT_NOT_FOUND"},
			{func(r *payment.RefundRequest) { r.OutTradeNo = pending }, payment.Conflict, "NOT_PAID"},
			{func(again *payment.RefundRequest) { again.OutRefundNo = r.OutRefundNo }, payment.Conflict, "REFUND_DIFFERS"},
			{func(r *payment.RefundRequest) { r.TradeNo = newNumber() }, payment.Conflict, "TRADE_DIFFERS"},
			{func(r *payment.RefundRequest) { r.Amount = price - 200 + 1 }, payment.Permanent, "REFUND_EXCEEDS"},
			{func(r *payment.RefundRequest) { r.Amount = 0 }, payment.Permanent, "BAD_AMOUNT"},
			{func(r *payment.RefundRequest) { r.Amount = -100 }, payment.Permanent, "BAD_AMOUNT"},
			{func(r *payment.RefundRequest) { r.Currency = "USD" }, payment.Permanent, "BAD_AMOUNT"},
			{func(r *payment.RefundRequest) { r.OutRefundNo = "R-1" }, payment.Permanent, "BAD_REQUEST"},
			{func(r *payment.RefundRequest) { r.OutTradeNo = "../faults" }, payment.Permanent, "BAD_REQUEST"},
		} {
			bad := good
			c.change(&bad)
			_, err := w.channel.Refund(t.Context(), bad)
			var refused *payment.Error
			require.ErrorAs(t, err, &refused, c.code)
			require.Equal(t, c.code, refused.Code)
			require.Equal(t, c.class, refused.Class, c.code)
		}
		known, _ := w.sim.Payment(p.OutTradeNo)
		require.Len(t, known.Refunds, 1, "nothing came of it")
		_, err = w.channel.Refund(t.Context(), good)
		require.NoError(t, err)
	})
}

func TestAnExpiredPaymentIsClosed(t *testing.T) {
	t.Parallel()
	story(t, func(t *testing.T, w *world) {
		no, link := w.order(t)
		w.do(t, http.MethodGet, link, browser, "")
		time.Sleep(15*time.Minute - time.Nanosecond)
		p, err := w.channel.Query(t.Context(), no)
		require.NoError(t, err)
		require.Equal(t, payment.Pending, p.State)
		time.Sleep(time.Nanosecond)
		p, err = w.channel.Query(t.Context(), no)
		require.NoError(t, err)
		require.Equal(t, payment.Closed, p.State)
		w.close(t, no)
	})
}
