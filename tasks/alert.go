package tasks

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/orderflow/orderflow/order"
)

// Alert is what somebody must hear of now, at night too. It is the payload of a
// row of AlertSend and goes out by SMS, over strangers' wires: it holds no
// secret and nothing of a buyer's but the order's id.
type Alert struct {
	Name  AlertName `json:"name"`
	Order order.ID  `json:"order,omitzero"` // zero when it is about none
	// Text is one plain line: what happened, to which order, how much money it
	// is about, and which command comes next.
	Text string    `json:"text"`
	At   time.Time `json:"at"` // when it happened; it may be sent much later
}

// AlertName is a sort of alert, as the runbook and the metrics name it.
type AlertName string

// The sorts of alert.
const (
	AlertTaskDead         AlertName = "task_dead"         // nothing more happens to a task by itself
	AlertTaskStuck        AlertName = "task_stuck"        // a task goes on failing, and money waits for it
	AlertMismatch         AlertName = "payment_mismatch"  // a payment of the wrong sum (P8)
	AlertRefundAbnormal   AlertName = "refund_abnormal"   // a channel cannot give money back (R5)
	AlertRefundTwice      AlertName = "refund_twice"      // paid out by hand, and by the channel as well (R6)
	AlertBalanceShort     AlertName = "balance_short"     // our balance at a channel is short (R3)
	AlertDeliveryFailed   AlertName = "delivery_failed"   // a merchant cannot deliver (O11)
	AlertDeliveryOverdue  AlertName = "delivery_overdue"  // a merchant does not deliver (D8)
	AlertDeliveryConflict AlertName = "delivery_conflict" // delivered, and the money goes back (D9)
	AlertEndpointPaused   AlertName = "endpoint_paused"   // a merchant's endpoint has failed for an hour
	AlertEndpointDisabled AlertName = "endpoint_disabled" // nothing is sent to a merchant's endpoint any more
)

// AlertNames lists every AlertName.
func AlertNames() []AlertName {
	return []AlertName{AlertTaskDead, AlertTaskStuck, AlertMismatch, AlertRefundAbnormal, AlertRefundTwice, AlertBalanceShort, AlertDeliveryFailed, AlertDeliveryOverdue, AlertDeliveryConflict, AlertEndpointPaused, AlertEndpointDisabled}
}

// The most that a Text has, in characters, and what of it may be somebody
// else's words: the command behind them must not be cut off.
const (
	textMost  = 500
	causeMost = 200
)

// AlertOf is the task to send a. about names the thing of which a tells, such
// as "order id/event seq": the same name is the same task, however often it is
// owed, and while it waits only its newest words count. Two things need two
// names, or one of them goes unheard. a.At must be set: it is due then.
func AlertOf(about string, a Alert) Message {
	a.Text = plain(a.Text, textMost)
	payload, err := json.Marshal(a)
	if err != nil {
		panic("tasks: an alert always has a JSON form: " + err.Error())
	}
	sum := sha256.Sum256([]byte(string(a.Name) + " " + about))
	return Message{Key: Key{AlertSend, Subject(sum[:16])}, Due: a.At, Payload: payload}
}

// ReadAlert is the inverse: the alert that a row's payload holds.
func ReadAlert(payload []byte) (Alert, error) {
	var a Alert
	if err := json.Unmarshal(payload, &a); err != nil {
		return Alert{}, fmt.Errorf("payload is not an alert: %w", err)
	}
	if a.Name == "" || a.Text == "" {
		return Alert{}, errors.New("payload is an alert without a name or a text")
	}
	return a, nil
}

// Trouble is the alert that r is dead, or has failed so often that somebody must
// hear of it; most rows have none. Nor has an alert: whoever could not be told
// of it could not be told of that either.
func Trouble(r Row, now time.Time) (m Message, rings bool) {
	name, is := AlertTaskDead, "dead"
	switch {
	case r.Kind == AlertSend:
		return Message{}, false
	case !r.DeadAt.IsZero():
	case r.stuck():
		name, is = AlertTaskStuck, "not done"
	default:
		return Message{}, false
	}
	of := ""
	if id := r.Order(); !id.IsZero() {
		of = " of order " + id.String()
	}
	// A row that was done and is owed anew begins at generation 0 again: its birth
	// tells one life from the other.
	about := fmt.Sprintf("%s/%d/%d", r.Key, r.Generation, r.CreatedAt.UnixMicro())
	return AlertOf(about, Alert{
		Name: name, Order: r.Order(), At: now,
		Text: fmt.Sprintf("Task %s%s is %s after try %d: %s. Mend the cause, then run: orderflow task requeue %s %s",
			r.Kind, of, is, r.Attempts, plain(r.LastError, causeMost), r.Kind, r.Subject),
	}), true
}

// stuck says that r has just failed for the time at which it rings.
func (r Row) stuck() bool {
	spec, err := SpecOf(r.Kind)
	return err == nil && spec.Retry.Ring > 0 && r.Attempts == spec.Retry.Ring
}

// urlQuery is the part of a URL in which others keep their keys and signatures.
var urlQuery = regexp.MustCompile(`(?i)(https?://[^\s"?#]+)[?#][^\s"]*`)

// plain is s as one line of at most so many characters, for the small screen of
// a telephone: no line breaks, no controls, no queries of URLs.
func plain(s string, most int) string {
	s = urlQuery.ReplaceAllString(strings.ToValidUTF8(s, "?"), "$1")
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	line := []rune(strings.Join(strings.Fields(s), " "))
	if len(line) > most {
		line = append(line[:most-1], '…')
	}
	return string(line)
}
