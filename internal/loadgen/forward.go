package loadgen

import (
	"fmt"
	"time"
)

// The steps of orders that go forward, or come to nothing before they are paid.

// pays orders and pays. demo is what the merchant does; how is a query that
// chooses the pay page's faults.
func pays(demo, how string) func(*buyer) error {
	return func(b *buyer) error {
		if err := b.orders(demo, 0); err != nil {
			return err
		}
		return b.pays(b.order.Payment, how)
	}
}

// delayed pays; the callback comes before or after we ask the channel.
func delayed(b *buyer) error {
	return pays("deliver", fmt.Sprintf("fault=delay&delay=%ds", 2+b.rng.IntN(9)))(b)
}

// isDelivered pays, and waits for the delivery.
func isDelivered(b *buyer) error {
	if err := pays("deliver", "")(b); err != nil {
		return err
	}
	return b.awaits("delivered", 0)
}

func confirmed(b *buyer) error {
	if err := isDelivered(b); err != nil {
		return err
	}
	return b.confirms()
}

func expired(b *buyer) error {
	return b.orders("", time.Duration(2+b.rng.IntN(4))*time.Second)
}

func cancelled(b *buyer) error {
	if err := b.orders("", 0); err != nil {
		return err
	}
	return b.cancels()
}

// twice pays two payments of one order. The first closes the second at the
// channel, so the second is taken although it may be closed.
func twice(b *buyer) error {
	if err := b.orders("deliver", 0); err != nil {
		return err
	}
	second, err := b.opensAnother()
	if err != nil {
		return err
	}
	if err := b.pays(b.order.Payment, ""); err != nil {
		return err
	}
	return b.pays(second, "fault=late")
}

// late pays when the order is already closed.
func late(b *buyer) error {
	if err := b.orders("", 2*time.Second); err != nil {
		return err
	}
	if err := b.awaits("closed", time.Until(b.order.ExpireAt)); err != nil {
		return err
	}
	return b.pays(b.order.Payment, "fault=late")
}

// badRequest asks for what the API must refuse.
func badRequest(b *buyer) error {
	wrong := b.wish("", 0)
	switch b.rng.IntN(4) {
	case 0:
		wrong.Items[0].Quantity = 0
	case 1:
		wrong.Channel = "carrier-pigeon"
	case 2:
		wrong.MerchantID = "m_nobody"
	case 3:
		wrong.Currency, wrong.Items = "¥", nil
	}
	return b.isRefused(wrong)
}
