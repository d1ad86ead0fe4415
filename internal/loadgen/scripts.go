package loadgen

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/orderflow/orderflow/producer/api"
)

// script is one way in which a buyer, and the merchant, go about an order.
type script struct {
	name   string
	share  int    // of every hundred orders
	as     string // how a person reads it in Stats
	steps  func(*buyer) error
	ending string // where the system takes the order; whoever looks at it reads this in its metadata
}

// scripts are all the ways. Their shares sum to 100.
func scripts() []script {
	return []script{
		{"confirmed", 28, "paid and confirmed", confirmed, "completed when the buyer confirms"},
		{"delivered", 19, "paid", pays("deliver", ""), "delivered; completed after the time to complain"},
		{"undeliverable", 6, "paid", pays("fail", ""), "refunded"},
		{"refund slow", 1, "paid", pays("fail", "fault=refund_slow&delay=20s"), "refunding for a while, then refunded"},
		{"accepted", 3, "paid", pays("accept", ""), "delivering"},
		{"expired", 12, "left to expire", expired, "closed by time"},
		{"cancelled", 8, "cancelled", cancelled, "closed"},
		{"paid while cancelled", 4, "paid while cancelled", race, "either of the two, or closed and the money refunded"},
		{"paid twice", 4, "paid twice", twice, "delivered, the second payment refunded"},
		{"paid late", 3, "paid late", late, "closed, the money refunded"},
		{"callback duplicated", 3, "paid", pays("deliver", "fault=duplicate"), "delivered once"},
		{"callback dropped", 3, "paid", pays("deliver", "fault=drop"), "delivered, found by asking the channel"},
		{"callback delayed", 2, "paid", delayed, "delivered, by the callback or by asking"},
		{"wrong amount", 2, "paid wrong", pays("deliver", "fault=wrong_amount"), "held for an operator"},
		{"bad request", 2, "bad requests", badRequest, "refused, and nothing made"},
	}
}

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

func confirmed(b *buyer) error {
	if err := pays("deliver", "")(b); err != nil {
		return err
	}
	if err := b.awaits("delivered", 0); err != nil {
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

// race cancels, and pays before the answer or hardly later. Each may come too
// late for the other; neither may be lost.
func race(b *buyer) error {
	if err := b.orders("deliver", 0); err != nil {
		return err
	}
	var (
		cancelled error
		both      sync.WaitGroup
	)
	hesitates := time.Duration(b.rng.IntN(20)) * time.Millisecond
	both.Go(func() { cancelled = b.cancels() })
	paid := b.waits(hesitates)
	if paid == nil {
		paid = b.pays(b.order.Payment, "")
	}
	both.Wait()
	if paid != nil && !isGone(paid) {
		return paid
	}
	if isProblem(cancelled, api.NotAllowed) {
		return nil
	}
	return cancelled
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

// deck deals the scripts by their shares: every hundred cards are a whole deck,
// shuffled, so that the rare ones come as surely as the common ones.
type deck struct {
	rng   *rand.Rand
	cards []script
	next  int
}

func newDeck(seed uint64) *deck {
	d := &deck{rng: rand.New(rand.NewPCG(seed, 0))}
	for _, s := range scripts() {
		for range s.share {
			d.cards = append(d.cards, s)
		}
	}
	d.next = len(d.cards)
	return d
}

func (d *deck) draw() script {
	if d.next == len(d.cards) {
		d.rng.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
		d.next = 0
	}
	s := d.cards[d.next]
	d.next++
	return s
}
