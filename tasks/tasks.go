// Package tasks is the contract between those who owe work and those who do
// it: the kinds of task, their queues, time limits and retry ladders, what
// follows from each event of an order, and the form in which asynq carries it.
//
// A task that is owed is a Row of the outbox. The row is the truth: it is
// written in the transaction that made the work necessary and deleted in the
// one that did it. What travels through Redis is only a Bundle of such rows'
// names; a bundle that is lost, late or doubled does no harm.
package tasks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// Kind is a kind of task. The string is asynq's task type as well.
type Kind string

// The kinds of task.
const (
	PaymentConfirm   Kind = "payment:confirm"   // apply a verified callback
	PaymentQuery     Kind = "payment:query"     // ask the channel about an attempt
	PaymentReturn    Kind = "payment:return"    // give a payment of the wrong sum back: nobody accepted it
	ChannelClose     Kind = "channel:close"     // make sure that an attempt cannot be paid
	OrderClose       Kind = "order:close"       // the time to pay is over
	DeliveryNotify   Kind = "delivery:notify"   // tell the merchant to deliver
	DeliveryDeadline Kind = "delivery:deadline" // it should be delivered by now
	DeliveryRevoke   Kind = "delivery:revoke"   // the merchant should have stopped the delivery by now
	MerchantNotify   Kind = "merchant:notify"   // tell the merchant anything else
	EndpointDeliver  Kind = "endpoint:deliver"  // tell an endpoint what waits for it
	EndpointRecover  Kind = "endpoint:recover"  // put what an endpoint should have heard into its backlog
	EndpointVerify   Kind = "endpoint:verify"   // find out whether an endpoint refuses a forged notice
	OrderComplete    Kind = "order:complete"    // the time to complain is over
	RefundSubmit     Kind = "refund:submit"     // ask the channel to give money back
	RefundQuery      Kind = "refund:query"      // ask the channel what became of that
	AlertSend        Kind = "alert:send"        // tell whoever is on duty
	MaintenanceRun   Kind = "maintenance:run"   // keep the tables in shape, every day
)

// AboutOrder says that the kind's subjects are orders or parts of them.
func (k Kind) AboutOrder() bool {
	return k != AlertSend && k != MaintenanceRun && k != EndpointDeliver && k != EndpointRecover && k != EndpointVerify
}

// Granted says that the time until a row of the kind is due is somebody's right,
// and that nothing else guards it: the buyer's to complain, an operator's to
// accept. Tried early, it would be over.
func (k Kind) Granted() bool { return k == OrderComplete || k == PaymentReturn }

// Queue is an asynq queue.
type Queue string

// The queues. Notices have their own, so that slow merchants never stand in the
// way of payments, and closes have one, so that the end of a sale, a hundred
// thousand of them in one second, does not either. Nor does the news of those
// closes stand in the way of order.paid.
const (
	Critical Queue = "critical"
	Closing  Queue = "closing"
	Default  Queue = "default"
	Notices  Queue = "notices" // order.paid
	News     Queue = "news"    // anything else that merchants are told
	Backlog  Queue = "backlog" // what waits for endpoints that cannot be told at once
	Low      Queue = "low"
)

// Queues lists every queue.
func Queues() []Queue { return []Queue{Critical, Closing, Default, Notices, News, Backlog, Low} }

// Spec is everything that is settled about a kind of task.
type Spec struct {
	Kind  Kind
	Queue Queue
	// Limit bounds one try of one row, its calls to the outside included.
	Limit time.Duration
	// Local says that a try calls nobody: only our own database can fail it.
	Local bool
	Retry Ladder
}

// Ladder is the waits between tries: the n-th try that failed is followed by
// the n-th wait. Times are spread by ±Jitter so that failures which began
// together do not come back together.
type Ladder struct {
	Steps  []time.Duration
	Jitter float64 // 0.2 is ±20 %
	// Forever repeats the last wait; otherwise the row is dead after the last
	// and waits for an operator.
	Forever bool
	// Ring says after how many failed tries somebody must hear of a row that would
	// go on for ever; 0 is for rows that may well have to wait that long.
	Ring int
}

// After is the wait after the n-th failed try (n ≥ 1), and whether there is
// one. unit is a random number in [0,1).
func (l Ladder) After(n int, unit float64) (time.Duration, bool) {
	if n > len(l.Steps) {
		if !l.Forever {
			return 0, false
		}
		n = len(l.Steps)
	}
	step := l.Steps[max(n, 1)-1]
	return step + time.Duration(float64(step)*l.Jitter*(2*unit-1)), true
}

const (
	sec  = time.Second
	mins = time.Minute
	hr   = time.Hour
	day  = 24 * time.Hour
)

// ours is the ladder of steps that only our own database can fail.
var ours = Ladder{Steps: []time.Duration{sec, 2 * sec, 5 * sec, 10 * sec, 30 * sec, mins, 5 * mins}, Jitter: 0.2, Forever: true}

// toMerchants is the ladder of what nobody can be told: the merchant has no
// endpoint. An endpoint that does not take it has the same for each delivery.
var toMerchants = Ladder{Steps: merchant.UsualSchedule(), Jitter: 0.2}

// untilHeard is the ladder of alerts: for a day, and hourly in the end. What
// nobody could be told by then is on the list of the dead.
var untilHeard = Ladder{
	Steps:  append([]time.Duration{5 * sec, 15 * sec, 30 * sec, mins, 5 * mins, 15 * mins}, slices.Repeat([]time.Duration{hr}, 23)...),
	Jitter: 0.2,
}

// The first question about a refund is asked a step after its submission, so
// the minute at the head of RefundQuery's ladder comes once more: five in all.
var specs = []Spec{
	{PaymentConfirm, Critical, 5 * sec, true, Ladder{Steps: ours.Steps, Jitter: ours.Jitter, Forever: true, Ring: 7}},
	{PaymentQuery, Default, 20 * sec, false, Ladder{Steps: []time.Duration{15 * sec, 30 * sec, mins, 2 * mins, 5 * mins, 10 * mins, 30 * mins, hr}, Jitter: 0.1, Forever: true}},
	{ChannelClose, Default, 20 * sec, false, Ladder{Steps: []time.Duration{sec, 2 * sec, 5 * sec, 15 * sec, 30 * sec, mins, 2 * mins, 5 * mins, 10 * mins}, Jitter: 0.2, Forever: true}},
	{OrderClose, Closing, 5 * sec, true, ours},
	{PaymentReturn, Default, 5 * sec, true, ours},
	{DeliveryNotify, Notices, 20 * sec, false, toMerchants},
	{DeliveryDeadline, Default, 5 * sec, true, ours},
	{DeliveryRevoke, Default, 5 * sec, true, ours},
	{MerchantNotify, News, 20 * sec, false, toMerchants},
	{EndpointDeliver, Backlog, 30 * sec, false, ours},
	{EndpointRecover, Backlog, 30 * sec, false, ours},
	{EndpointVerify, Backlog, 35 * sec, false, ours}, // two exchanges
	{OrderComplete, Low, 5 * sec, true, ours},
	{RefundSubmit, Default, 20 * sec, false, Ladder{Steps: []time.Duration{5 * sec, 15 * sec, 30 * sec, mins, 2 * mins, 5 * mins, 10 * mins, 30 * mins, hr}, Jitter: 0.2, Forever: true, Ring: 9}},
	{RefundQuery, Default, 20 * sec, false, Ladder{Steps: []time.Duration{mins, mins, mins, mins, 5 * mins, 10 * mins, 20 * mins, 30 * mins, hr, day}, Jitter: 0.1, Forever: true}},
	{AlertSend, Critical, 15 * sec, false, untilHeard},
	{MaintenanceRun, Low, hr, false, Ladder{Steps: []time.Duration{mins, 5 * mins, 30 * mins, hr}, Jitter: 0.2, Forever: true, Ring: 4}},
}

// Specs lists every kind of task.
func Specs() []Spec { return slices.Clone(specs) }

// SpecOf finds a kind's Spec; an unknown kind is an error.
func SpecOf(k Kind) (Spec, error) {
	for _, s := range specs {
		if s.Kind == k {
			return s, nil
		}
	}
	return Spec{}, fmt.Errorf("unknown task kind %q", k)
}

// Subject names what a task is about: an order, or a part of one. An alert's
// is a number of its own: see AlertOf. The maintenance's is zero: there is one.
type Subject = ident.Of[struct{}]

// Key is the name of a row: there is at most one live row of a key.
type Key struct {
	Kind    Kind
	Subject Subject
}

func (k Key) String() string { return string(k.Kind) + "/" + k.Subject.String() }

// Order is the order that the task changes, or may change: its row is locked
// before the task's. It is zero for a task that changes none.
func (k Key) Order() order.ID {
	if !k.Kind.AboutOrder() {
		return order.ID{}
	}
	return order.Family(k.Subject)
}

// Message is a task that an event makes necessary.
type Message struct {
	Key
	Due     time.Time
	Payload []byte // small JSON or nil; most tasks need none
}

// Due is a row that has been stamped promoted, and the time that it is for.
type Due struct {
	Key
	At time.Time
}

// Row is a task that is owed, as the outbox keeps it.
type Row struct {
	Key
	Payload    []byte
	DueAt      time.Time
	Generation int // a new reason for the same row makes the next: an older try can then not settle it
	Attempts   int // tries that failed
	LastError  string
	DeadAt     time.Time // zero while it is alive
	PromotedAt time.Time // zero until handed to asynq
	CreatedAt  time.Time
}

// Said says whether the try before came to the same.
func (r Row) Said(err error) bool { return r.LastError == clip(err.Error()) }

// clip is a text that PostgreSQL can keep, whatever stranger wrote it.
func clip(s string) string {
	const most = 1000
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// SubjectOf reads a subject as operators type it.
func SubjectOf(s string) (Subject, error) {
	id, err := uuid.Parse(s)
	if err != nil {
		return Subject{}, fmt.Errorf("%q is not a task's subject: want a UUID", clip(s))
	}
	return Subject(id), nil
}
