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
	bodies := map[string][]byte{}
	for _, o := range []*order.Order{unpaidExample(), calledOffExample(), deliveredExample()} {
		for _, e := range o.Events() {
			if n, tells := NoticeOf(o, e); tells {
				bodies[n.Type] = n.Body
			}
		}
	}
	for eventType, e := range endpointExamples() {
		bodies[eventType] = encode(eventType, exampleTime, endpointData{e})
	}
	return bodies
}

var exampleTime = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func exampleOrder(number byte) *order.Order {
	id := order.ID{0x01, 0x9c, 0xae, 0x1d, 0x35, 0xc0, 0x70, 0x00, 0x80, 0, 0, 0, 0, 0, number, 0}
	o, err := order.New(id, order.Draft{
		MerchantID: "m_demo", BuyerID: "b_17", MerchantOrderNo: fmt.Sprintf("A-10%d", number), Currency: "CNY", FeeBps: 60,
		Items: []order.Item{{SKU: "TEA-100", Name: "Green tea, 100 g", Quantity: 2, UnitPrice: 1999}}, Metadata: map[string]string{"table": "7"},
	}, "app:shop", exampleTime)
	possible(err)
	return o
}

func unpaidExample() *order.Order {
	o := exampleOrder(1)
	possible(o.Expire(o.ExpireAt))
	return o
}

func paidExample(number byte) *order.Order {
	o := exampleOrder(number)
	a, err := o.Pay("sandbox", "app:shop", exampleTime.Add(time.Second))
	possible(err)
	paid := exampleTime.Add(42 * time.Second)
	possible(o.Receive(order.Receipt{Attempt: a.ID, Channel: a.Channel, TradeNo: "2026030222001", Amount: a.Amount, Currency: a.Currency, PaidAt: paid}, paid.Add(time.Second)))
	return o
}

func calledOffExample() *order.Order {
	o := paidExample(2)
	possible(o.Cancel("changed my mind", "app:shop", exampleTime.Add(time.Hour)))
	return o
}

func deliveredExample() *order.Order {
	o := paidExample(3)
	late := o.OverdueAt(order.OverdueReminded)
	possible(o.Overdue(late))
	possible(o.Deliver("SF1000200030", "merchant:m_demo", late.Add(time.Hour)))
	back := late.Add(24 * time.Hour)
	r, err := o.AskRefund(500, "one bag was torn", "app:shop", back)
	possible(err)
	possible(o.SubmitRefund(r.ID, back.Add(time.Second)))
	possible(o.AbnormalRefund(r.ID, "the buyer's account is closed", back.Add(time.Minute)))
	possible(o.PayOutRefund(r.ID, "BANK-20260305-17", "operator:ming", "by bank transfer", back.Add(2*time.Hour)))
	possible(o.Complete(order.System, late.Add(7*24*time.Hour)))
	return o
}

func endpointExamples() map[string]endpointBody {
	e := endpointBody{ID: "019cae1d-35c0-7000-8000-00000000e000", URL: "https://merchant.example/notices", Since: stamp(exampleTime)}
	state := func(s, lastError string, waiting int64) endpointBody {
		e.State, e.LastError, e.Waiting = s, lastError, waiting
		return e
	}
	return map[string]endpointBody{
		EndpointFailing:   state("failing", "refused: nobody listens at the address", 3),
		EndpointPaused:    state("paused", "refused: nobody listens at the address", 41),
		EndpointDisabled:  state("disabled", "refused: nobody listens at the address", 270),
		EndpointRecovered: state("healthy", "", 41),
	}
}

// possible is for steps that are always allowed.
func possible(err error) {
	if err != nil {
		panic("merchant: the examples' orders take only steps that they may: " + err.Error())
	}
}
