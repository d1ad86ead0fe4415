package tasks

import (
	"encoding/json"
	"time"

	"github.com/orderflow/orderflow/order"
)

// resubmission is the payload of a refund:submit that an operator asked for. It
// stays with the row over its tries.
const resubmission = `{"again":true}`

// ResubmitRefund is refund:submit by an operator's word (R6): the channel is
// asked for the same number again although it says that the refund is abnormal.
// Without this word an abnormal refund is not sent again, it is noted.
func ResubmitRefund(id order.RefundID, due time.Time) Message {
	return Message{Key: About(RefundSubmit, id), Due: due, Payload: []byte(resubmission)}
}

// Resubmits says whether a row of refund:submit is ResubmitRefund's.
func (r Row) Resubmits() bool {
	var p struct{ Again bool }
	return len(r.Payload) > 0 && json.Unmarshal(r.Payload, &p) == nil && p.Again
}
