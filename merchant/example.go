package merchant

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/order"
)

// examples are a body of every type. Those about orders are what this package
// writes of three: one that nobody pays, one that is called off, and one that is
// delivered late, of which a part is given back.
func examples() map[string][]byte {
	s := sample{}
	s.unpaid()
	s.calledOff()
	s.delivered()
	for eventType, e := range endpointExamples() {
		s[eventType] = encode(eventType, exampleTime, endpointData{e})
	}
	return s
}

// sample is what merchants were told, the latest body of each type.
type sample map[string][]byte

// step notes what the merchant is told of a step of o, which is always allowed.
func (s sample) step(o *order.Order, err error) {
	if err != nil {
		panic("merchant: the examples' orders take only steps that they may: " + err.Error())
	}
	for _, e := range o.Events() {
		if n, tells := NoticeOf(o, e); tells {
			s[n.Type] = n.Body
		}
	}
	o.Forget()
}

var exampleTime = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func (s sample) order(number byte) *order.Order {
	id := order.ID{0x01, 0x9c, 0xae, 0x1d, 0x35, 0xc0, 0x70, 0x00, 0x80, 0, 0, 0, 0, 0, number, 0}
	o, err := order.New(id, order.Draft{
		MerchantID: "m_demo", BuyerID: "b_17", MerchantOrderNo: fmt.Sprintf("A-10%d", number), Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA-100", Name: "Green tea, 100 g", Quantity: 2, UnitPrice: 1999}}, Metadata: map[string]string{"table": "7"},
	}, "app:shop", exampleTime)
	s.step(o, err)
	return o
}

func (s sample) unpaid() {
	o := s.order(1)
	s.step(o, o.Expire(o.ExpireAt))
}

func (s sample) paid(number byte) *order.Order {
	o, paid := s.order(number), exampleTime.Add(42*time.Second)
	a, err := o.Pay("sandbox", "app:shop", exampleTime.Add(time.Second))
	s.step(o, err)
	s.step(o, o.Receive(order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "2026030222001", Amount: a.Amount, Currency: a.Currency, PaidAt: paid}, paid.Add(time.Second)))
	return o
}

func (s sample) calledOff() {
	o := s.paid(2)
	s.step(o, o.Cancel("changed my mind", "app:shop", exampleTime.Add(time.Hour)))
}

func (s sample) delivered() {
	o := s.paid(3)
	late := o.OverdueAt(order.OverdueReminded)
	s.step(o, o.Overdue(late))
	s.step(o, o.Deliver("SF1000200030", "merchant:m_demo", late.Add(time.Hour)))
	back := late.Add(24 * time.Hour)
	r, err := o.AskRefund(500, "one bag was torn", "app:shop", back)
	s.step(o, err)
	s.step(o, o.SubmitRefund(r.ID, back.Add(time.Second)))
	s.step(o, o.AbnormalRefund(r.ID, "the buyer's account is closed", back.Add(time.Minute)))
	s.step(o, o.PayOutRefund(r.ID, "BANK-20260305-17", "operator:ming", "by bank transfer", back.Add(2*time.Hour)))
	s.step(o, o.Complete(order.System, late.Add(7*24*time.Hour)))
}

func endpointExamples() map[string]endpointBody {
	e := endpointBody{ID: "019cae1d-35c0-7000-8000-00000000e000", URL: "https://merchant.example/notices", Since: stamp(exampleTime)}
	in := func(state, lastError string, waiting int64) endpointBody {
		e.State, e.LastError, e.Waiting = state, lastError, waiting
		return e
	}
	return map[string]endpointBody{
		EndpointFailing:   in("failing", "refused: nobody listens at the address", 3),
		EndpointPaused:    in("paused", "refused: nobody listens at the address", 41),
		EndpointDisabled:  in("disabled", "refused: nobody listens at the address", 270),
		EndpointRecovered: in("healthy", "", 41),
	}
}
