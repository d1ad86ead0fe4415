package tasks

import (
	"fmt"
	"time"

	"github.com/orderflow/orderflow/merchant"
)

// Landing is what became of an attempt to tell an endpoint.
type Landing struct {
	// Delivery is as it was claimed for the attempt.
	Delivery merchant.Delivery
	Sight    merchant.Sight
	// Ring asks that the endpoint's backlog is looked at: nobody is at it who would
	// see by himself that an attempt has ended.
	Ring bool
	// Moot says that there was no attempt: the endpoint does not want to hear of it
	// any more, or there is no such notice.
	Moot bool
}

// Claim is what of an endpoint's backlog is tried now.
type Claim struct {
	Endpoint   merchant.Endpoint // with the secrets that sign
	Deliveries []merchant.Delivery
}

// Walk is what a step of a recovery came to. The zero value says: the next one now.
type Walk struct {
	Over bool          // nothing is left to do
	Wait time.Duration // until the next step
}

// NotifyKey is the task that tells a notice: whoever owes it to nobody in
// particular owes this.
func NotifyKey(noticeID, eventType string) (Key, error) {
	subject, err := SubjectOf(noticeID)
	kind := MerchantNotify
	if eventType == merchant.OrderPaid {
		kind = DeliveryNotify
	}
	return Key{kind, subject}, err
}

// EndpointAlert is what whoever is on duty hears of an endpoint; of most news
// nothing.
func EndpointAlert(e merchant.Endpoint, news string, now time.Time) (m Message, rings bool) {
	a := Alert{At: now}
	switch news {
	case merchant.EndpointPaused:
		a.Name, a.Text = AlertEndpointPaused, "has failed for an hour and is only probed; what it should hear is held"
	case merchant.EndpointDisabled:
		a.Name, a.Text = AlertEndpointDisabled, "is disabled: what it should hear is held until somebody resumes it"
		if refused := e.Health.GoneNotice; refused != "" { // the first; its state at this endpoint is dropped
			a.Text += "; what it answered with 410 is over, see orderflow notice show " + refused
		}
	default:
		return Message{}, false
	}
	a.Text = fmt.Sprintf("Endpoint %s of merchant %s %s: %s. Reach the merchant, then run: orderflow endpoint resume %s %s",
		e.ID, short(e.MerchantID), a.Text, plain(e.Health.LastError, reasonMost/2), e.MerchantID, e.ID)
	return AlertOf(fmt.Sprintf("%s/%d", e.ID, now.UnixMicro()), a), true
}

// DeliveryCounts are what waits for endpoints, and the endpoints.
type DeliveryCounts struct {
	Waiting   map[merchant.Reason]Waits
	Endpoints map[merchant.State]int
}

// HeldByHand is where DeliveryCounts has the endpoints that somebody paused,
// however they do.
const HeldByHand merchant.State = "held"

// Waits is how much waits, and since when.
type Waits struct {
	Count  int
	Oldest time.Time
}

// Lane is how an attempt to tell an endpoint goes.
type Lane string

// The lanes.
const (
	DirectLane   Lane = "direct"   // at once, in the slot of its notice's task
	BacklogLane  Lane = "backlog"  // in the slot of its endpoint's
	DetachedLane Lane = "detached" // outside of any slot: it takes over a second
)

// Lanes lists every Lane.
func Lanes() []Lane { return []Lane{DirectLane, BacklogLane, DetachedLane} }
