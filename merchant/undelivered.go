package merchant

import "time"

// Undelivered is a notice that an endpoint has yet to acknowledge, and why it
// waits.
type Undelivered struct {
	Notice
	CreatedAt time.Time
	WaitsFrom time.Time
	Reason    Reason
	Attempts  int
	LastError string
}

// GivenUp is the Reason of what waits no more, and was not taken: its tries are at
// their end, and an operator decides.
const GivenUp Reason = "dead"

// Place is where it stands among what the endpoint has yet to acknowledge.
func (u Undelivered) Place() Place { return Place{u.WaitsFrom, u.ID} }

// UndeliveredFilter chooses what an endpoint has yet to acknowledge, what has
// waited longest first.
type UndeliveredFilter struct {
	MerchantID string
	Endpoint   EndpointID
	After      Place // the next page, after this one
	Limit      int
}
