package simulator_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/payment/simulator"
)

const (
	secret = "dev_sandbox_secret"
	price  = 12_34
)

// world is a sandbox channel, its adapter and a shop, on a network within the
// process. In a synctest bubble its hours take no time.
type world struct {
	sim     *simulator.Simulator
	channel *sandbox.Channel
	shop    *shop
	client  *http.Client
}

// story runs a test in a bubble with a world of its own.
func story(t *testing.T, tell func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "")
		w.sim.Start()
		defer w.sim.Stop()
		tell(t, w)
	})
}

func newWorld(t *testing.T, journal string, changes ...func(*simulator.Options)) *world {
	t.Helper()
	w := &world{shop: &shop{answer: func(int) int { return http.StatusOK }}}
	w.client = &http.Client{Transport: network{w}, Timeout: 10 * time.Second}
	var err error
	o := simulator.Options{Secret: secret, BaseURL: "http://bank.test/sandbox", Journal: journal, HTTP: w.client}
	for _, change := range changes {
		change(&o)
	}
	w.sim, err = simulator.New(o)
	require.NoError(t, err)
	w.channel, err = sandbox.New(sandbox.Options{Secret: secret, BaseURL: "http://bank.test/sandbox", HTTP: w.client})
	require.NoError(t, err)
	return w
}

// network hands requests to the handlers of a world.
type network struct{ *world }

func (n network) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var to http.Handler = n.shop
	if r.URL.Host == "bank.test" {
		to = http.StripPrefix("/sandbox", n.sim)
	}
	defer func() {
		if broken := recover(); broken == http.ErrAbortHandler { //nolint:errorlint // a panic's value
			resp, err = nil, io.ErrUnexpectedEOF
		}
		if gone := r.Context().Err(); gone != nil {
			resp, err = nil, gone
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, r)
	return answer.Result(), nil
}

// shop is the merchant: it keeps what it is told and answers as it is set to.
type shop struct {
	mu     sync.Mutex
	told   []told
	answer func(n int) int // the status of the n-th answer, from 1; 0: none until the caller gives up
}

// told is a callback as the shop got it.
type told struct {
	sandbox.Event
	at     time.Time
	raw    string
	header http.Header
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	heard := told{at: time.Now(), raw: string(body), header: r.Header}
	_ = json.Unmarshal(body, &heard.Event)
	s.mu.Lock()
	s.told = append(s.told, heard)
	status := s.answer(len(s.told))
	s.mu.Unlock()
	if status == 0 {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(status)
}

// heard lets d pass and returns all that the shop was told until then.
func (s *shop) heard(d time.Duration) []told {
	time.Sleep(d) // of the bubble's time
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]told(nil), s.told...)
}

// types are the callbacks' types, shortened.
func types(all []told) (short []string) {
	for _, one := range all {
		kind, _, _ := strings.Cut(one.Type, ".")
		short = append(short, kind)
	}
	return short
}

func newNumber() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// order is a new pay link, good for 15 minutes.
func (w *world) order(t *testing.T) (outTradeNo, link string) {
	t.Helper()
	r := payment.Request{
		OutTradeNo: newNumber(), Amount: price, Currency: "CNY", Subject: "A lamp",
		ExpireAt: time.Now().Add(15 * time.Minute), NotifyURL: "http://shop.test/callback",
	}
	a, err := w.channel.Create(t.Context(), r)
	require.NoError(t, err)
	return r.OutTradeNo, a.URL
}

// paid is what the pay page answers to programs.
type paid struct {
	Status     string    `json:"status"`
	OutTradeNo string    `json:"out_trade_no"`
	TradeNo    string    `json:"trade_no"`
	Amount     int64     `json:"amount"`
	Currency   string    `json:"currency"`
	PaidAt     time.Time `json:"paid_at"`
	Code       string    `json:"code"`
	Message    string    `json:"message"`
}

// pay posts to a link, with query parameters, and returns status and answer.
func (w *world) pay(t *testing.T, link, query string) (int, paid) {
	t.Helper()
	status, _, body := w.do(t, http.MethodPost, link+"?"+query, nil, "")
	var p paid
	require.NoError(t, json.Unmarshal([]byte(body), &p), body)
	return status, p
}

// sell is a paid payment with faults.
func (w *world) sell(t *testing.T, query string) payment.Payment {
	t.Helper()
	no, link := w.order(t)
	status, answer := w.pay(t, link, query)
	require.Equal(t, http.StatusOK, status, answer)
	p, err := w.channel.Query(t.Context(), no)
	require.NoError(t, err)
	return p
}

func (w *world) refund(t *testing.T, p payment.Payment, amount int64) (payment.Refund, error) {
	t.Helper()
	return w.channel.Refund(t.Context(), payment.RefundRequest{
		OutTradeNo: p.OutTradeNo, OutRefundNo: newNumber(), TradeNo: p.TradeNo, Amount: amount, Total: p.Amount, Currency: p.Currency,
	})
}

func (w *world) do(t *testing.T, method, link string, header http.Header, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, link, strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		req.Header = header
	}
	resp, err := w.client.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(answer)
}

func signed(body string, at time.Time) http.Header {
	return http.Header{sandbox.SignatureHeader: {sandbox.Sign(secret, []byte(body), at)}}
}

func form(fields url.Values) (http.Header, string) {
	return http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, fields.Encode()
}

func isTimeout(err error) bool {
	var late interface{ Timeout() bool }
	return errors.As(err, &late) && late.Timeout()
}
