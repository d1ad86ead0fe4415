package merchant

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/order"
)

func TestTheCatalogue(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range Catalogue() {
		require.False(t, seen[e.Name], "%s is there once", e.Name)
		seen[e.Name] = true
		require.Regexp(t, `^[a-z]+\.[a-z_]+$`, e.Name)
		require.Regexp(t, `^[A-Z].*\.$`, e.When)
		var body struct{ Type string }
		require.NoError(t, json.Unmarshal(e.Example, &body), e.Name)
		require.Equal(t, e.Name, body.Type)
		require.NotNil(t, e.Form)
	}
}

// The settlement that a merchant is told of is what the ledger books.
func TestOrderCompletedBody(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(Catalogue(), func(e EventType) bool { return e.Name == OrderCompleted })
	require.Contains(t, string(Catalogue()[i].Example), `"settlement":{"amount":3498,"fee":20,"net":3478,"currency":"CNY"}`) // 3998 less 500, at 60 bps
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	list := Subscriptions()
	require.Equal(t, []string{"order.*", "refund.*", "endpoint.*"}, list[len(list)-3:])
	for _, tc := range []struct {
		events []string
		hears  []string
		not    []string
	}{
		{nil, []string{OrderPaid, RefundFailed, EndpointPaused}, nil},
		{[]string{OrderPaid}, []string{OrderPaid}, []string{OrderClosed, RefundSucceeded}},
		{[]string{"order.*"}, []string{OrderPaid, OrderClosed, RevokeRequested}, []string{RefundSucceeded, EndpointPaused, "orders.paid"}},
		{[]string{"refund.*", OrderClosed}, []string{RefundFailed, OrderClosed}, []string{OrderPaid}},
		{[]string{"*", "order", ".*", "order.pa*"}, nil, []string{OrderPaid, OrderClosed}}, // none of them is let in
	} {
		for _, paused := range []bool{false, true} {
			e := Endpoint{Events: tc.events, Paused: paused}
			for _, eventType := range tc.hears {
				require.True(t, e.Subscribes(eventType), "%v %s", tc.events, eventType)
			}
			for _, eventType := range tc.not {
				require.False(t, e.Subscribes(eventType), "%v %s", tc.events, eventType)
			}
		}
	}
}

// telling is one step of an order, by its row in docs/state-machine.md, and what
// its merchant is told of it.
type telling struct {
	row  string
	step func(o *order.Order) error
	want []string
}

// rowsOnThePage are the rows that docs/events.md names for each type.
func rowsOnThePage(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/events.md")
	require.NoError(t, err)
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| ([A-Z]\\d[^|]*) \\| `([a-z._]+)` \\|$").FindAllStringSubmatch(string(page), -1) {
		rows[m[2]] = m[1]
	}
	for _, e := range Catalogue() {
		require.Equal(t, e.Sent && !strings.HasPrefix(e.Name, "endpoint."), rows[e.Name] != "", "%s is on the page if an order sends it", e.Name)
	}
	return rows
}

// What merchants hear, row by row, as the page says it. A step that is taken
// twice is taken once, so it says nothing more.
func TestWhatAMerchantHears(t *testing.T) {
	t.Parallel()
	const by, seller, clerk order.Actor = "app:shop", "merchant:m_1", "operator:ming"
	var (
		at     = noon
		pay    = func(o *order.Order) error { _, err := o.Pay("sandbox", by, at); return err }
		expire = func(o *order.Order) error { return o.Expire(o.ExpireAt) }
		cancel = func(o *order.Order) error { return o.Cancel("changed my mind", by, at) }
		brings = func(attempt int, amount int64) func(o *order.Order) error {
			return func(o *order.Order) error {
				a := o.Attempts[attempt]
				return o.Receive(order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "T1", Amount: amount, Currency: "CNY", PaidAt: at}, at)
			}
		}
		paid    = brings(0, 1900)
		gone    = func(o *order.Order) error { return o.CloseAttempt(o.Attempts[0].ID, "closed at the channel", at) }
		accept  = func(o *order.Order) error { return o.Accept(seller, at) }
		deliver = func(o *order.Order) error { return o.Deliver("SF1", seller, at) }
		fail    = func(o *order.Order) error { return o.FailDelivery("sold out", seller, at) }
		revoke  = func(o *order.Order) error { return o.Revoke("stopped", seller, at) }
		late    = func(level int) func(o *order.Order) error {
			return func(o *order.Order) error {
				if o.Delivery.Overdue >= level {
					return order.ErrAlready
				}
				return o.Overdue(o.OverdueAt(level))
			}
		}
		complete = func(o *order.Order) error { return o.Complete(by, at) }
		ask      = func(o *order.Order) error {
			if len(o.Refunds) > 0 {
				return order.ErrAlready
			}
			_, err := o.AskRefund(500, "torn", by, at)
			return err
		}
		first = func(step func(o *order.Order, id order.RefundID) error) func(o *order.Order) error {
			return func(o *order.Order) error { return step(o, o.Refunds[0].ID) }
		}
		submit    = first(func(o *order.Order, id order.RefundID) error { return o.SubmitRefund(id, at) })
		succeed   = first(func(o *order.Order, id order.RefundID) error { return o.SucceedRefund(id, at) })
		abnormal  = first(func(o *order.Order, id order.RefundID) error { return o.AbnormalRefund(id, "account closed", at) })
		shut      = first(func(o *order.Order, id order.RefundID) error { return o.CloseRefund(id, "refused", at) })
		retry     = first(func(o *order.Order, id order.RefundID) error { return o.RetryRefund(id, clerk, "mended", at) })
		payOut    = first(func(o *order.Order, id order.RefundID) error { return o.PayOutRefund(id, "V1", clerk, "by bank", at) })
		callBack  = first(func(o *order.Order, id order.RefundID) error { return o.CancelRefund(id, clerk, "a mistake", at) })
		unheard   = func(o *order.Order) error { return o.RevokeUnanswered(o.Delivery.RevokeBy) }
		second    = func(o *order.Order) error { return errors.Join(pay(o), o.Claim(o.Attempts[1].ID, by, at)) }
		tooLittle = brings(0, 1)
		tells     = func(types ...string) []string { return types }
	)
	page := rowsOnThePage(t)
	for name, life := range map[string][]telling{
		"nobody pays":               {{"O2, O3", expire, tells(OrderClosed)}},
		"called off unpaid":         {{"O2, O3", cancel, tells(OrderClosed)}},
		"called off while open":     {{"P2", pay, nil}, {"O2", cancel, nil}, {"O3", gone, tells(OrderClosed)}},
		"late money":                {{"P2", pay, nil}, {"O2", expire, nil}, {"O3", gone, tells(OrderClosed)}, {"O15, P6", paid, nil}, {"R2", submit, nil}, {"R4", succeed, nil}},
		"late money cannot go back": {{"P2", pay, nil}, {"O2", expire, nil}, {"O3", gone, tells(OrderClosed)}, {"O15, P6", paid, nil}, {"R2", submit, nil}, {"R5", abnormal, nil}},
		"called off, paid, unheard": {{"P2", pay, nil}, {"O2", cancel, nil}, {"O4, O8, O9", paid, nil}, {"R2", submit, nil}, {"R5", abnormal, nil}, {"R6, O12", payOut, nil}},
		"paid while closing":        {{"P2", pay, nil}, {"O2", expire, nil}, {"O4", paid, tells(OrderPaid)}},
		"paid twice":                {{"P2", pay, nil}, {"P2", second, nil}, {"O4", paid, tells(OrderPaid)}, {"P7, R1", brings(1, 1900), nil}, {"R2", submit, nil}, {"R4", succeed, nil}},
		"the wrong sum":             {{"P2", pay, nil}, {"P8", tooLittle, nil}},
		"delivered and settled":     {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O5", accept, nil}, {"O6", deliver, nil}, {"O7", complete, tells(OrderCompleted)}},
		"late":                      {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"D8", late(1), tells(DeliveryOverdue)}, {"D8", late(2), nil}, {"D8, O8", late(3), tells(RevokeRequested)}, {"O9", unheard, nil}},
		"called off":                {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O8", cancel, tells(RevokeRequested)}, {"O9", revoke, nil}, {"R2", submit, nil}, {"R4, O12", succeed, tells(RefundSucceeded)}},
		"called off and too late":   {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O8", cancel, tells(RevokeRequested)}, {"O10", deliver, nil}, {"O7", complete, tells(OrderCompleted)}},
		"cannot be delivered":       {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O11", fail, nil}, {"R2", submit, nil}, {"R4, O12", succeed, tells(RefundSucceeded)}, {"D9", deliver, nil}},
		"a part goes back":          {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O6", deliver, nil}, {"O13", ask, nil}, {"R2", submit, nil}, {"R4", succeed, tells(RefundSucceeded)}, {"O7", complete, tells(OrderCompleted)}},
		"a part cannot go back":     {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O6", deliver, nil}, {"O13", ask, nil}, {"R2", submit, nil}, {"R5", abnormal, tells(RefundFailed)}, {"R6", payOut, tells(RefundSucceeded)}},
		"a refund fails twice":      {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O11", fail, nil}, {"R2", submit, nil}, {"R5", abnormal, tells(RefundFailed)}, {"R6", retry, nil}, {"R5", abnormal, tells(RefundFailed)}},
		"a refund is replaced":      {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O11", fail, nil}, {"R2", submit, nil}, {"R7", shut, nil}},
		"a refund is called back":   {{"P2", pay, nil}, {"O4", paid, tells(OrderPaid)}, {"O6", deliver, nil}, {"O13", ask, nil}, {"R8", callBack, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := freshOrder(t)
			ids := map[string]string{} // the type of each notice
			for _, s := range life {
				require.NoError(t, s.step(o), s.row)
				require.Equal(t, s.want, hear(t, o, ids), s.row)
				for _, eventType := range s.want {
					require.True(t, slices.ContainsFunc(strings.Split(s.row, ", "), func(row string) bool { return strings.Contains(page[eventType], row) }),
						"%s follows from %s, and the page says from %s", eventType, s.row, page[eventType])
				}
				if s.row != "P2" { // a payment more is a step of its own
					_ = s.step(o)
					require.Empty(t, hear(t, o, ids), "%s, once more", s.row)
				}
			}
		})
	}
}

func freshOrder(t *testing.T) *order.Order {
	t.Helper()
	o, err := order.New(order.ID{1}, order.Draft{
		MerchantID: "m_1", BuyerID: "b_1", Currency: "CNY", FeeBps: 60, PayWithin: time.Hour,
		Items: []order.Item{{SKU: "tea", Quantity: 2, UnitPrice: 950}},
	}, "app:shop", noon)
	require.NoError(t, err)
	return o
}

// hear lists the types that the merchant hears of what has happened to o.
func hear(t *testing.T, o *order.Order, ids map[string]string) (heard []string) {
	t.Helper()
	for _, e := range o.Events() {
		n, tells := NoticeOf(o, e)
		require.Equal(t, n.Type, TypeOf(o, e))
		if !tells {
			continue
		}
		require.Contains(t, string(n.Body), `{"type":"`+n.Type+`","timestamp":"`)
		require.True(t, json.Valid(n.Body))
		require.Contains(t, []string{"", n.Type}, ids[n.ID], "an id is of one notice")
		ids[n.ID] = n.Type
		heard = append(heard, n.Type)
	}
	o.Forget()
	return heard
}
