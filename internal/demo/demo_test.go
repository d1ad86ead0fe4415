package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a Merchant behind a real socket, and the Notifier that tells it.
type shop struct {
	*Merchant
	endpoint merchant.Endpoint
	notifier *merchant.Notifier
}

func open(t *testing.T, o Options) *shop {
	t.Helper()
	o.Secret = merchant.NewSecret()
	m, err := New(o)
	require.NoError(t, err)
	server := httptest.NewServer(m)
	s := &shop{
		Merchant: m,
		endpoint: merchant.Endpoint{URL: server.URL + "/notices", Secrets: []string{o.Secret}},
		notifier: merchant.NewNotifier(merchant.Options{AllowLoopback: true}),
	}
	if m.courier != nil {
		m.courier.pause = time.Millisecond
	}
	t.Cleanup(func() { m.Stop(); s.notifier.Close(); server.Close() })
	return s
}

// tell sends the notice order.paid under an id.
func (s *shop) tell(t *testing.T, id string, o *order.Order) merchant.Attempt {
	t.Helper()
	return s.tellOf(t, id, o, order.Event{Type: order.EventPaid})
}

func (s *shop) tellOf(t *testing.T, id string, o *order.Order, e order.Event) merchant.Attempt {
	t.Helper()
	e.At = time.Now()
	n, tells := merchant.NoticeOf(o, e)
	require.True(t, tells)
	n.ID = id
	return s.notifier.Send(t.Context(), s.endpoint, n)
}

// The events of which merchants are told besides.
var (
	calledOff = order.Event{Type: order.EventReturning}
	reminded  = order.Event{Type: order.EventOverdue, Detail: order.Detail{Level: order.OverdueReminded}}
)

func ordered(t *testing.T, wish string) *order.Order {
	t.Helper()
	draft := order.Draft{
		MerchantID: "m_demo", BuyerID: "b_1", Currency: "CNY",
		Items: []order.Item{{SKU: "tea", Quantity: 1, UnitPrice: 950}},
	}
	if wish != "" {
		draft.Metadata = map[string]string{"demo": wish}
	}
	o, err := order.New(ident.New[order.Order](), draft, "app", time.Now())
	require.NoError(t, err)
	return o
}

func TestNoticeIsTakenOnce(t *testing.T) {
	t.Parallel()
	s, o := open(t, Options{}), ordered(t, "")
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(t.Context(), o.ID.String()) }()

	require.True(t, s.tell(t, "n1", o).OK)
	require.True(t, s.tell(t, "n1", o).OK, "a repeat is acknowledged too")
	require.NoError(t, <-waited)
	require.NoError(t, s.Wait(t.Context(), o.ID.String()), "what has arrived is not waited for")
	require.Equal(t, Stats{Notices: 1, Paid: 1, Duplicates: 1}, s.Stats())
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, open(t, Options{}).Wait(ctx, "never"), context.Canceled)
}

func TestNoticesThatAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		name   string
		body   string
		change func(*http.Request)
		status int
	}{
		{"as it should be", `{}`, func(*http.Request) {}, 200},
		{"of a type it does not know", `{"type":"order.sung","data":{}}`, func(*http.Request) {}, 200},
		{"unsigned", `{}`, func(r *http.Request) { r.Header.Del("webhook-signature") }, 401},
		{"signed by another", `{}`, func(r *http.Request) { sign(t, r, merchant.NewSecret(), now, `{}`) }, 401},
		{"with a body that was changed", `{}`, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{ }`)); r.ContentLength = 3 }, 401},
		{"with an id that was changed", `{}`, func(r *http.Request) { r.Header.Set("webhook-id", "n2") }, 401},
		{"too large", strings.Repeat(" ", maxNotice+1), func(*http.Request) {}, 400},
		{"signed, but not JSON", `no`, func(*http.Request) {}, 400},
		{"to another path", `{}`, func(r *http.Request) { r.URL.Path = "/" }, 404},
		{"by GET", `{}`, func(r *http.Request) { r.Method = http.MethodGet }, 405},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			secret := merchant.NewSecret()
			m, err := New(Options{Secret: secret})
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, "/notices", bytes.NewReader([]byte(c.body)))
			sign(t, r, secret, now, c.body)
			c.change(r)
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code, w.Body)
			if c.status != 200 {
				require.Zero(t, m.Stats().Notices)
			}
		})
	}
}

func TestOldNoticeIsRefused(t *testing.T) {
	t.Parallel()
	secret := merchant.NewSecret()
	m, err := New(Options{Secret: secret})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/notices", strings.NewReader(`{}`))
	sign(t, r, secret, time.Now().Add(-time.Hour), `{}`)
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

func sign(t *testing.T, r *http.Request, secret string, at time.Time, body string) {
	t.Helper()
	signature, err := merchant.Sign([]string{secret}, "n1", at, []byte(body))
	require.NoError(t, err)
	r.Header.Set("webhook-id", "n1")
	r.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("webhook-signature", signature)
}

func TestNewRefusesABadSecret(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Secret: "whsec_"})
	require.ErrorContains(t, err, "signing secret")
}

// api is Orderflow's side: it writes down what the merchant reports and answers
// with the next of its statuses, then 200.
func api(t *testing.T, statuses ...int) (url string, calls chan string) {
	t.Helper()
	calls = make(chan string, 100)
	next := make(chan int, len(statuses))
	for _, status := range statuses {
		next <- status
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/orders/{id}/delivery", func(w http.ResponseWriter, r *http.Request) {
		var u report
		if err := json.NewDecoder(r.Body).Decode(&u); err != nil || r.Header.Get("Authorization") != "Bearer key" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		calls <- fmt.Sprintf("%s %s proof=%t reason=%t", r.PathValue("id"), u.Status, u.Proof != "", u.Reason != "")
		select {
		case status := <-next:
			w.WriteHeader(status)
		default:
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, calls
}

func TestAutoDeliver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		wish    string
		answers []int
		want    Stats
		calls   []string
	}{
		{"delivers", "deliver", nil, Stats{Notices: 1, Paid: 1, Accepted: 1, Delivered: 1}, []string{"accepted proof=false reason=false", "delivered proof=true reason=false"}},
		{"only accepts", "accept", nil, Stats{Notices: 1, Paid: 1, Accepted: 1}, []string{"accepted proof=false reason=false"}},
		{"accepts, and then fails", "break", nil, Stats{Notices: 1, Paid: 1, Accepted: 1, Failed: 1}, []string{"accepted proof=false reason=false", "failed proof=false reason=true"}},
		{"fails", "fail", nil, Stats{Notices: 1, Paid: 1, Failed: 1}, []string{"failed proof=false reason=true"}},
		{"does what it usually does", "", nil, Stats{Notices: 1, Paid: 1, Failed: 1}, []string{"failed proof=false reason=true"}},
		{"does what it usually does with a wish it does not know", "sing", nil, Stats{Notices: 1, Paid: 1, Failed: 1}, []string{"failed proof=false reason=true"}},
		{"tries again when the API is down", "accept", []int{503, 500, 429}, Stats{Notices: 1, Paid: 1, Accepted: 1}, slicesOf(4, "accepted proof=false reason=false")},
		{"gives up in the end", "deliver", []int{500, 500, 500, 500, 500}, Stats{Notices: 1, Paid: 1, GaveUp: 1}, slicesOf(5, "accepted proof=false reason=false")},
		{"takes a refusal for an answer", "deliver", []int{409}, Stats{Notices: 1, Paid: 1, Refused: 1}, []string{"accepted proof=false reason=false"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, calls := api(t, c.answers...)
			s := open(t, Options{API: url + "/", Key: "key", AutoDeliver: true, Behave: func(Order) Behaviour { return Fail }})
			s.Start()
			o := ordered(t, c.wish)
			require.True(t, s.tell(t, "n1", o).OK)
			require.NoError(t, s.Until(t.Context(), func(now Stats) bool { return now == c.want }))
			s.Stop()
			for _, call := range c.calls {
				require.Equal(t, o.ID.String()+" "+call, <-calls)
			}
			require.Empty(t, calls)
		})
	}
}

func slicesOf(n int, s string) []string { return strings.Split(strings.Repeat(s+"\n", n-1)+s, "\n") }

// What the merchant does beyond delivering what is paid, by what it is told.
func TestEachNoticeIsActedUponByItsType(t *testing.T) {
	t.Parallel()
	const (
		accepts  = "accepted proof=false reason=false"
		delivers = "delivered proof=true reason=false"
		fails    = "failed proof=false reason=true"
		revokes  = "revoked proof=false reason=true"
	)
	for _, c := range []struct {
		wish string
		told order.Event
		want Stats
		says []string
	}{
		{"deliver", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"fail", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"break", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"accept", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"late", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"deny", calledOff, Stats{Delivered: 1}, []string{delivers}},
		{"contradict", calledOff, Stats{Revoked: 1, Delivered: 1}, []string{revokes, delivers}},
		{"protest", calledOff, Stats{Revoked: 1}, []string{revokes}},
		{"silent", calledOff, Stats{}, nil},
		{"ignore", calledOff, Stats{}, nil},

		{"deliver", reminded, Stats{Delivered: 1}, []string{delivers}},
		{"late", reminded, Stats{Delivered: 1}, []string{delivers}},
		{"fail", reminded, Stats{Failed: 1}, []string{fails}},
		{"break", reminded, Stats{Failed: 1}, []string{fails}},
		{"accept", reminded, Stats{}, nil},
		{"deny", reminded, Stats{}, nil},
		{"contradict", reminded, Stats{}, nil},
		{"protest", reminded, Stats{}, nil},
		{"silent", reminded, Stats{}, nil},
		{"ignore", reminded, Stats{}, nil},

		{"late", order.Event{Type: order.EventPaid}, Stats{}, nil},
		{"deny", order.Event{Type: order.EventPaid}, Stats{Accepted: 1}, []string{accepts}},
		{"contradict", order.Event{Type: order.EventPaid}, Stats{Accepted: 1}, []string{accepts}},
		{"protest", order.Event{Type: order.EventPaid}, Stats{Accepted: 1}, []string{accepts}},
		{"silent", order.Event{Type: order.EventPaid}, Stats{Accepted: 1}, []string{accepts}},
	} {
		t.Run(c.wish+" of "+string(c.told.Type), func(t *testing.T) {
			t.Parallel()
			url, calls := api(t)
			s := open(t, Options{API: url, Key: "key", AutoDeliver: true, Workers: 1})
			s.Start()
			o, next := ordered(t, c.wish), ordered(t, "accept")
			require.True(t, s.tellOf(t, "n1", o, c.told).OK)
			require.True(t, s.tell(t, "n2", next).OK) // one worker takes them in turn: with this the first is through
			for _, says := range c.says {
				require.Equal(t, o.ID.String()+" "+says, <-calls)
			}
			require.Equal(t, next.ID.String()+" "+accepts, <-calls)

			c.want.Notices, c.want.Accepted = 2, c.want.Accepted+1
			c.want.countByEvent(c.told)
			c.want.Paid++
			require.NoError(t, s.Until(t.Context(), func(now Stats) bool { return now.Accepted == c.want.Accepted }))
			require.Equal(t, c.want, s.Stats())
		})
	}
}

// countByEvent counts the notice that tells of an event.
func (s *Stats) countByEvent(e order.Event) {
	switch e.Type {
	case order.EventReturning:
		s.CalledOff++
	case order.EventOverdue:
		s.Overdue++
	case order.EventPaid:
		s.Paid++
	}
}

// told sends a notice of a type whose body says no more than its order.
func (s *shop) told(t *testing.T, noticeType string, o *order.Order) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"type": noticeType, "data": map[string]any{"order": Order{o.ID.String(), o.Metadata}}})
	require.NoError(t, err)
	require.True(t, s.notifier.Send(t.Context(), s.endpoint, merchant.Notice{ID: noticeType, Type: noticeType, Body: body}).OK)
}

// A refund tells of an order, and so may what is not known yet; neither is a
// reason to deliver it.
func TestWhatOnlyTellsIsCountedAndLeftAlone(t *testing.T) {
	t.Parallel()
	url, calls := api(t)
	s := open(t, Options{API: url, Key: "key", AutoDeliver: true, Workers: 1})
	s.Start()
	o, last := ordered(t, "deliver"), ordered(t, "accept")
	s.told(t, merchant.RefundSucceeded, o)
	s.told(t, "order.sung", o)
	require.NoError(t, s.Wait(t.Context(), o.ID.String()))
	require.True(t, s.tell(t, "n3", last).OK)
	require.Contains(t, <-calls, last.ID.String())
	require.NoError(t, s.Until(t.Context(), func(now Stats) bool {
		return now == Stats{Notices: 3, Refunded: 1, Unknown: 1, Paid: 1, Accepted: 1}
	}))
}

func TestAProtestComesWhenTheMoneyIsBack(t *testing.T) {
	t.Parallel()
	url, calls := api(t)
	s := open(t, Options{API: url, Key: "key", AutoDeliver: true})
	s.Start()
	o := ordered(t, "protest")
	s.told(t, merchant.RefundSucceeded, o)
	require.Equal(t, o.ID.String()+" delivered proof=true reason=false", <-calls)
	require.NoError(t, s.Until(t.Context(), func(now Stats) bool { return now == Stats{Notices: 1, Refunded: 1, Delivered: 1} }))
}

// An order has several notices; each is taken once, whatever came before.
func TestNoticesOfOneOrderAreToldApart(t *testing.T) {
	t.Parallel()
	s, o := open(t, Options{}), ordered(t, "")
	for range 2 {
		require.True(t, s.tell(t, "paid", o).OK)
		require.True(t, s.tellOf(t, "overdue", o, reminded).OK)
		require.True(t, s.tellOf(t, "called off", o, calledOff).OK)
	}
	require.Equal(t, Stats{Notices: 3, Paid: 1, Overdue: 1, CalledOff: 1, Duplicates: 3}, s.Stats())
}

// One worker takes orders in turn, so the second order's call shows that the
// first was left alone.
func TestAutoDeliverIgnores(t *testing.T) {
	t.Parallel()
	url, calls := api(t)
	s := open(t, Options{API: url, Key: "key", AutoDeliver: true, Workers: 1})
	s.Start()
	second := ordered(t, "accept")
	require.True(t, s.tell(t, "n1", ordered(t, "ignore")).OK)
	require.True(t, s.tell(t, "n2", second).OK)
	require.Contains(t, <-calls, second.ID.String())
}

func TestFullQueuePutsNoticesOff(t *testing.T) {
	t.Parallel()
	url, _ := api(t)
	s := open(t, Options{API: url, Key: "key", AutoDeliver: true, Queue: 1})
	first, second := ordered(t, "accept"), ordered(t, "accept")
	require.True(t, s.tell(t, "n1", first).OK)
	a := s.tell(t, "n2", second)
	require.Equal(t, http.StatusServiceUnavailable, a.HTTPStatus)
	require.Equal(t, time.Second, a.RetryAfter)

	s.Start()
	require.NoError(t, s.Until(t.Context(), func(now Stats) bool { return now.Accepted == 1 }))
	require.True(t, s.tell(t, "n2", second).OK, "what was put off is not remembered as taken")
	require.NoError(t, s.Until(t.Context(), func(now Stats) bool {
		return now == Stats{Notices: 2, Paid: 2, Accepted: 2, Busy: 1}
	}))
}

func TestStopInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	called := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(called)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	s := open(t, Options{API: server.URL, Key: "key", AutoDeliver: true})
	s.Start()
	s.Start()
	require.True(t, s.tell(t, "n1", ordered(t, "accept")).OK)
	<-called
	s.Stop()
	s.Stop()
	s.Start()
	require.Equal(t, Stats{Notices: 1, Paid: 1}, s.Stats())
	require.Equal(t, http.StatusServiceUnavailable, s.tell(t, "n2", ordered(t, "accept")).HTTPStatus, "a stopped merchant takes no work")
}

func TestUsualFailsAFew(t *testing.T) {
	t.Parallel()
	failed := 0
	for range 2000 {
		o := Order{ID: ident.New[order.Order]().String()}
		if Usual(o) == Fail {
			failed++
		}
		again := Usual(Order{ID: o.ID})
		require.Equal(t, Usual(o), again, "the same order, the same end")
	}
	require.InDelta(t, 100, failed, 60)
}

func TestMemoryForgetsItsOldest(t *testing.T) {
	t.Parallel()
	m := newMemory(3)
	for _, key := range []string{"a", "b", "c", "b", "d"} {
		m.add(key)
	}
	require.False(t, m.has("a"))
	for _, key := range []string{"b", "c", "d"} {
		require.True(t, m.has(key), key)
	}
	require.Len(t, m.known, 3)
}
