package loadgen

import "math/rand/v2"

// script is one way in which a buyer, the merchant and the channel go about an
// order.
type script struct {
	name   string
	share  int    // of every hundred orders
	sort   sort   // the line of Stats that it is counted in …
	as     string // … and how a person reads it there
	steps  func(*buyer) error
	ending string // where the system takes the order; whoever looks at it reads this in its metadata
}

// sort is a line of Stats.
type sort string

// The lines, in their order.
const (
	sold      sort = "sold"
	unpaid    sort = "not paid"
	calledOff sort = "called off"
	amiss     sort = "paid amiss"
	refunded  sort = "refunded"
	byHand    sort = "operators"
)

func sorts() []sort { return []sort{sold, unpaid, calledOff, amiss, refunded, byHand} }

// scripts are all the ways. Their shares sum to 100.
func scripts() []script {
	return []script{
		{"confirmed", 25, sold, "confirmed", confirmed, "completed when the buyer confirms"},
		{"delivered", 13, sold, "paid", pays("deliver", ""), "delivered; completed after the time to complain"},
		{"accepted", 2, sold, "paid", pays("accept", ""), "delivering, and late after two days"},
		{"callback duplicated", 2, sold, "paid", pays("deliver", "fault=duplicate"), "delivered once"},
		{"callback dropped", 2, sold, "paid", pays("deliver", "fault=drop"), "delivered, found by asking the channel"},
		{"callback delayed", 2, sold, "paid", delayed, "delivered, by the callback or by asking"},
		{"delivered late", 1, sold, "delivered when reminded", fromSlow(pays("late", "")), "delivered, after the merchant was reminded"},

		{"expired", 8, unpaid, "left to expire", expired, "closed by time"},
		{"cancelled", 6, unpaid, "cancelled", cancelled, "closed"},
		{"bad request", 2, unpaid, "bad requests", badRequest, "refused, and nothing made"},

		{"called off", 2, calledOff, "in time", callsOff("accept", "delivering"), "returning, then refunded: the merchant stopped the delivery"},
		{"called off at once", 1, calledOff, "in time", callsOff("late", "paid"), "returning, then refunded: the merchant had not begun"},
		{"called off too late", 2, calledOff, "too late", tooLate, "delivered, as the merchant proves; completed when the buyer confirms"},
		{"called off unanswered", 1, calledOff, "without an answer", fromSlow(callsOff("silent", "delivering")), "returning, then refunded: the merchant did not answer in time"},
		{"called off while paying", 1, calledOff, "while paying", whilePaying, "refunded, and the merchant never told"},
		{"paid while cancelled", 3, calledOff, "while paying", race, "delivered, or closed, or refunded: whoever was first"},
		{"never delivered", 1, calledOff, "never delivered", fromSlow(pays("ignore", "")), "refunded: late, called off, and no answer"},
		{"never delivered, stopped", 1, calledOff, "never delivered", fromSlow(pays("accept", "")), "refunded: late, called off, and the merchant stopped it"},

		{"paid twice", 3, amiss, "twice", twice, "delivered, the second payment refunded"},
		{"paid late", 2, amiss, "late", late, "closed, the money refunded"},
		{"wrong amount", 1, amiss, "the wrong amount", pays("deliver", "fault=wrong_amount"), "held for an operator; the money refunded when nobody accepts it, the order closed by time"},

		{"undeliverable", 4, refunded, "undeliverable", pays("fail", ""), "refunded"},
		{"refund slow", 1, refunded, "undeliverable", pays("break", "fault=refund_slow&delay=20s"), "refunding for a while, then refunded"},
		{"refund replaced", 1, refunded, "closed and replaced", pays("fail", "fault=refund_failed&times=1"), "refunded, by the second refund"},
		{"balance short", 1, refunded, "short of balance", pays("fail", "fault=balance_short&times=2"), "refunding until the balance is there, then refunded"},
		{"refunded in part", 2, refunded, "in part", refundsPart, "delivered, a part refunded"},
		{"refunded twice at once", 1, refunded, "twice at once", refundsTwice, "delivered, one part refunded: there was not enough for both"},
		{"refunded after delivery", 1, refunded, "in full", refundsAll, "refunded"},
		{"refunded when completed", 1, refunded, "in full", refundsAllLater, "refunded, out of what was the merchant's"},

		{"refund abnormal", 1, byHand, "refunds left to them", pays("fail", "fault=refund_abnormal"), "refunding, and held for an operator"},
		{"refund retried", 1, byHand, "retried", retries, "refunded, when an operator had it asked for once more"},
		{"refund paid out", 1, byHand, "paid out", paysOut, "refunded, past the channel"},
		{"wrong amount accepted", 1, byHand, "accepted", accepts, "delivered, as an operator accepted the amount"},
		{"conflict", 1, byHand, "conflicts left to them", callsOff("contradict", "delivering"), "held for an operator: delivered, and the money on its way back"},
		{"conflict decided", 1, byHand, "conflicts decided", decides("contradict"), "delivered, or refunded when the channel was asked already"},
		{"conflict too late", 1, byHand, "conflicts decided", decides("protest"), "refunded, and the merchant's claim noted"},
	}
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
