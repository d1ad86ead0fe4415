package demo

import (
	"hash/fnv"

	"github.com/orderflow/orderflow/merchant"
)

// Order is what the merchant reads of an order.
type Order struct {
	ID       string            `json:"id"`
	Metadata map[string]string `json:"metadata"`
}

// Behaviour is what the merchant does about an order when notices tell of it.
type Behaviour string

// The behaviours; an order chooses its own by metadata.demo.
const (
	Deliver    Behaviour = "deliver"    // accept, then deliver with a proof; called off, stop it
	Fail       Behaviour = "fail"       // say that it cannot be delivered: the buyer is refunded
	Break      Behaviour = "break"      // accept, and then fail
	Accept     Behaviour = "accept"     // accept, and leave it there; called off, stop it
	Late       Behaviour = "late"       // wait to be reminded, then deliver; called off, stop it
	Deny       Behaviour = "deny"       // accept; called off, prove that it was delivered already
	Contradict Behaviour = "contradict" // accept; called off, stop it, and then say that it was delivered: a conflict
	Protest    Behaviour = "protest"    // the same, but say so only when the money is back with the buyer
	Silent     Behaviour = "silent"     // accept; called off, do not answer: the money goes back at revoke_by
	Ignore     Behaviour = "ignore"     // do nothing, whatever comes: the deadlines run
)

// Usual delivers all but one order in twenty, which fails. It is always the
// same for the same order.
func Usual(o Order) Behaviour {
	h := fnv.New32a()
	_, _ = h.Write([]byte(o.ID))
	if h.Sum32()%20 == 0 {
		return Fail
	}
	return Deliver
}

// chosen is the order's own wish, else what behave says.
func chosen(o Order, behave func(Order) Behaviour) Behaviour {
	switch b := Behaviour(o.Metadata["demo"]); b {
	case Deliver, Fail, Break, Accept, Late, Deny, Contradict, Protest, Silent, Ignore:
		return b
	}
	return behave(o)
}

// actsOn says whether the merchant may have something to report after a notice
// of a type.
func actsOn(noticeType string) bool {
	switch noticeType {
	case merchant.OrderPaid, merchant.DeliveryOverdue, merchant.RevokeRequested, merchant.RefundSucceeded:
		return true
	}
	return false
}

// reports are what the merchant reports of o after a notice, in this order.
func (b Behaviour) reports(noticeType string, o Order) []report {
	switch noticeType {
	case merchant.OrderPaid:
		return b.whenPaid(o)
	case merchant.DeliveryOverdue:
		return b.whenOverdue(o)
	case merchant.RevokeRequested:
		return b.whenCalledOff(o)
	case merchant.RefundSucceeded:
		if b == Protest {
			return []report{delivered(o)}
		}
	}
	return nil
}

func (b Behaviour) whenPaid(o Order) []report {
	switch b {
	case Deliver:
		return []report{accepted(), delivered(o)}
	case Accept, Deny, Contradict, Protest, Silent:
		return []report{accepted()}
	case Fail:
		return []report{failed()}
	case Break:
		return []report{accepted(), failed()}
	case Late, Ignore:
	}
	return nil
}

// whenOverdue makes up for a notice that was forgotten with the process, too.
func (b Behaviour) whenOverdue(o Order) []report {
	switch b {
	case Deliver, Late:
		return []report{delivered(o)}
	case Fail, Break:
		return []report{failed()}
	case Accept, Deny, Contradict, Protest, Silent, Ignore:
	}
	return nil
}

func (b Behaviour) whenCalledOff(o Order) []report {
	switch b {
	case Deliver, Fail, Break, Accept, Late, Protest:
		return []report{revoked()}
	case Deny:
		return []report{delivered(o)}
	case Contradict:
		return []report{revoked(), delivered(o)}
	case Silent, Ignore:
	}
	return nil
}

func accepted() report { return report{Status: "accepted"} }

func delivered(o Order) report { return report{Status: "delivered", Proof: "DEMO-" + o.ID} }

func failed() report { return report{Status: "failed", Reason: "the demo merchant ran out of it"} }

func revoked() report { return report{Status: "revoked", Reason: "it had not left the demo merchant"} }
