package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/db/dbtest"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/payment/sandbox"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

// market is a database in which two orders have lived as they do under load,
// and the book of it: one is paid, one nobody paid.
type market struct {
	t     *testing.T
	sys   *orderflow
	db    *db.DB
	store *db.Store
	conn  *pgx.Conn
	book  *book
	now   time.Time
}

const late = 80 * time.Millisecond // the unpaid order's closing

func newMarket(t *testing.T) *market {
	t.Helper()
	url := dbtest.URL(t)
	m := &market{t: t, book: newBook(), sys: &orderflow{load: Load{Unpaid: 0.5, PayWithin: time.Second}}, now: time.Now().UTC().Truncate(time.Second)}
	m.sys.reader()
	require.NoError(t, m.sys.prepare(t.Context(), site{database: url, doors: []string{"http://127.0.0.1:1/notices"}}))
	var err error
	m.db, err = db.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.db.Close() })
	m.conn, err = pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.conn.Close(context.WithoutCancel(t.Context())) })
	m.store = db.NewStore(m.db, db.StoreOptions{Log: zap.NewNop()})
	m.paid()
	m.unpaid()
	m.store.Close()
	return m
}

// asked is an order as the driver asks for it, and its life in the book.
func (m *market) asked(n int64, unpaid bool, at time.Time) (*order.Order, *order.Attempt, *life) {
	m.t.Helper()
	var in api.NewOrder
	dec := json.NewDecoder(bytes.NewReader(m.sys.order(n, unpaid, site{}).body))
	dec.DisallowUnknownFields()
	require.NoError(m.t, dec.Decode(&in))
	draft := order.Draft{MerchantID: in.MerchantID, BuyerID: in.BuyerID, Currency: in.Currency, PayWithin: time.Duration(in.PayWithinSeconds) * time.Second}
	for _, it := range in.Items {
		draft.Items = append(draft.Items, order.Item{SKU: it.SKU, Name: it.Name, Quantity: it.Quantity, UnitPrice: it.UnitPrice})
	}
	o, err := order.New(ident.New[order.Order](), draft, "app:bench", at)
	require.NoError(m.t, err)
	a, err := o.Pay(in.Channel, "app:bench", at)
	require.NoError(m.t, err)
	require.NoError(m.t, m.store.Create(m.t.Context(), o, nil))
	require.True(m.t, o.Items[0].Tracked, "one item is of tracked stock")
	require.False(m.t, o.Items[1].Tracked)
	l := &life{receipt: receipt{order: o.ID.String(), payment: a.ID.Compact()}, unpaid: unpaid, due: m.now, made: m.now}
	m.book.keep(l)
	return o, a, l
}

// paid is an order whose callback came and whose merchant was told.
func (m *market) paid() {
	m.t.Helper()
	o, a, l := m.asked(1, false, m.now)
	c := m.sys.callback(l.receipt)
	m.book.call(l, m.now)
	n := m.understood(c)
	require.NoError(m.t, m.store.Receive(m.t.Context(), "sandbox", n, c.body, m.now))
	m.book.acknowledge(l, m.now)
	m.settles(tasks.About(tasks.PaymentConfirm, a.ID), func(s *tasks.Settlement) {
		s.Apply = func(o *order.Order) error {
			p := n.Payment
			return o.Receive(order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: p.TradeNo, Amount: p.Amount, Currency: p.Currency, PaidAt: p.PaidAt}, m.now)
		}
	})
	endpoints, err := m.db.Endpoints(m.t.Context(), o.MerchantID)
	require.NoError(m.t, err)
	m.settles(tasks.About(tasks.DeliveryNotify, order.DeliveryID(o.ID)), func(s *tasks.Settlement) {
		s.Tries = []merchant.Attempt{{EndpointID: endpoints[0].ID, At: m.now, OK: true, HTTPStatus: http.StatusOK}}
	})
	m.book.tell(l.order, order.DeliveryID(o.ID).String(), m.now)
}

// understood is the callback as the channel's own code reads it.
func (m *market) understood(c call) payment.Notice {
	m.t.Helper()
	box, err := sandbox.New(sandbox.Options{BaseURL: "http://127.0.0.1:1", Secret: m.sys.channelSecret()})
	require.NoError(m.t, err)
	name, value, _ := strings.Cut(strings.TrimSpace(c.header), ": ")
	n, err := box.ParseNotice(http.Header{name: {value}}, c.body, time.Now())
	require.NoError(m.t, err)
	require.True(m.t, n.Complete, "it carries all there is to know")
	return n
}

// unpaid is an order that was closed, a little late.
func (m *market) unpaid() {
	m.t.Helper()
	o, a, _ := m.asked(2, true, m.now.Add(-10*time.Second))
	at := o.ExpireAt.Add(late)
	require.NoError(m.t, m.store.Update(m.t.Context(), o.ID, nil, func(o *order.Order) error {
		if err := o.Expire(at); err != nil {
			return err
		}
		return o.CloseAttempt(a.ID, "closed", at)
	}))
}

func (m *market) settles(k tasks.Key, how func(*tasks.Settlement)) {
	m.t.Helper()
	rows, err := m.db.Owed(m.t.Context(), k.Kind, []tasks.Subject{k.Subject}, time.Now().Add(time.Minute))
	require.NoError(m.t, err)
	require.Len(m.t, rows, 1)
	s := tasks.Settlement{Row: rows[0], Verdict: tasks.Done()}
	how(&s)
	require.Equal(m.t, []error{nil}, m.store.Settle(m.t.Context(), s))
}

func (m *market) do(sql string) {
	m.t.Helper()
	_, err := m.conn.Exec(m.t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	require.NoError(m.t, err, sql)
}

func TestWhatIsRightIsFoundRight(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	left, err := m.sys.left(t.Context(), m.conn)
	require.NoError(t, err)
	require.Zero(t, left)
	findings, err := m.sys.verify(t.Context(), m.conn, m.book)
	require.NoError(t, err)
	require.Empty(t, append(findings, m.book.findings()...))
	lateness, err := m.sys.lateness(t.Context(), m.conn)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{late}, lateness)
}

// Each of these makes something wrong that a fast service might.
func TestWhatIsWrongIsFoundWrong(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	for name, c := range map[string]struct{ sql, finding string }{
		"an order is lost":           {"DELETE FROM orders WHERE paid_at IS NOT NULL", "an acknowledged order exists"},
		"an unpaid order is lost":    {"DELETE FROM orders WHERE paid_at IS NULL", "an acknowledged order exists"},
		"an order is made twice":     {"CREATE TEMPORARY TABLE twin AS SELECT * FROM orders LIMIT 1; UPDATE twin SET id = gen_random_uuid(); INSERT INTO orders SELECT * FROM twin", "was asked for once"},
		"a payment is lost":          {"UPDATE orders SET status = 'pending_pay' WHERE status = 'paid'", "whose callback was acknowledged is paid"},
		"an order is closed instead": {"UPDATE orders SET status = 'closed' WHERE status = 'paid'", "whose callback was acknowledged is paid"},
		"a callback is not kept":     {"DELETE FROM inbox", "its callback was kept once"},
		"money is not booked":        {"DELETE FROM ledger_postings", "its money was captured once"},
		"money is booked twice":      {"INSERT INTO ledger_postings SELECT order_id, seq + 1, line, debit, credit, amount, currency, at FROM ledger_postings", "its money was captured once"},
		"too little is booked":       {"UPDATE ledger_postings SET amount = amount - 1", "its money was captured once"},
		"a notice is not noted":      {"DELETE FROM notice_attempts", "its notice was acknowledged once"},
		"a notice was refused":       {"UPDATE notice_attempts SET ok = false", "its notice was acknowledged once"},
		"a notice was sent twice":    {"INSERT INTO notice_attempts SELECT notice_id, endpoint_id, at + interval '1 s', ok, http_status, 1, '' FROM notice_attempts", "its notice was acknowledged once"},
		"there are two notices":      {"INSERT INTO notices SELECT overlay(id::text PLACING '99' FROM 35)::uuid, merchant_id, type, body, created_at FROM notices", "under the id that the merchant saw"},
		"nobody's money":             {"UPDATE orders SET status = 'paid' WHERE status = 'closed'", "that nobody paid took no money"},
		"an order stays open":        {"UPDATE orders SET status = 'closing' WHERE status = 'closed'", "is closed in time"},
	} {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // one connection, one transaction
			m.do("BEGIN")
			defer m.do("ROLLBACK")
			m.do("SET LOCAL session_replication_role = replica") // nothing of the kind is possible otherwise
			m.do(c.sql)
			findings, err := check(t.Context(), m.conn, m.book, append(unasked(m.book, ""), orderflowRules...))
			require.NoError(t, err)
			require.Contains(t, strings.Join(findings, "\n"), c.finding)
		})
	}
	m.do("UPDATE stock SET held = held + 1 WHERE sku = 'TEA-00' AND merchant_id = 'bench_01'")
	findings, err := m.sys.verify(t.Context(), m.conn, m.book)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	require.Contains(t, findings[0], "audit: stock held is what open orders hold")
}

// A notice to an endpoint that hangs may be owed still; lost it may not be. One
// that nobody has acknowledged is waited for, wherever it waits, unless its
// endpoint hangs.
func TestANoticeThatWaitsIsNotLost(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.do("BEGIN")
	defer m.do("ROLLBACK")
	m.do("SET LOCAL session_replication_role = replica")
	m.do("DELETE FROM notice_attempts")
	left, err := m.sys.left(t.Context(), m.conn)
	require.NoError(t, err)
	require.EqualValues(t, 1, left)
	well := &clinic{orderflow: &orderflow{}, doors: Doors{Count: merchants}}
	left, err = well.left(t.Context(), m.conn)
	require.NoError(t, err)
	require.EqualValues(t, 1, left)
	well.doors.Hanging = 0.99
	left, err = well.left(t.Context(), m.conn)
	require.NoError(t, err)
	require.Zero(t, left, "its merchant, the second of fifty, hangs")

	for _, l := range m.book.all() {
		l.hangs = true
	}
	findings, err := check(t.Context(), m.conn, m.book, orderflowRules)
	require.NoError(t, err)
	require.Empty(t, findings)
	m.do("DELETE FROM notices")
	m.do("DROP TABLE book")
	findings, err = check(t.Context(), m.conn, m.book, orderflowRules)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	require.Contains(t, findings[0], "the notice to an endpoint that hangs is there")
}

func TestManyFindingsAreFew(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	for range 20 {
		m.book.keep(&life{receipt: receipt{order: ident.New[order.Order]().String()}})
	}
	findings, err := check(t.Context(), m.conn, m.book, orderflowRules[:1])
	require.NoError(t, err)
	require.Len(t, findings, findingsMost+1)
	require.Contains(t, findings[findingsMost], "15 more orders")
}

func TestOnlyAFreshDatabaseWillDo(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	err := m.sys.prepare(t.Context(), site{database: m.conn.Config().ConnString(), doors: []string{"http://127.0.0.1:1/"}})
	require.ErrorContains(t, err, "measure on a fresh one")
}

func TestTheOrderflowDriverReadsAnswers(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(api.Order{ID: "o1", Payment: &api.Payment{ID: "p1"}})
	require.NoError(t, err)
	r, err := (&orderflow{}).made(text)
	require.NoError(t, err)
	require.Equal(t, receipt{order: "o1", payment: "p1"}, r)
	_, err = (&orderflow{}).made([]byte(`{"id":"o1"}`))
	require.ErrorContains(t, err, "names no order or no payment")
}
