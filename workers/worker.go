// Package workers does what is owed: one file per kind of task, and around
// them what is the same for all.
//
// A worker is given rows of the outbox, looks at the present, calls whom it
// must, and says what came of it; the row's fate and the order's change are
// then written in one transaction. So a worker may run twice, late, beside
// itself, or die anywhere: until that transaction nothing has happened, and
// after it there is no row.
package workers

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/internal/once"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/payment"
	"github.com/orderflow/orderflow/tasks"
)

// Worker does one kind of task.
type Worker interface {
	Kind() tasks.Kind
	// Prepare reads what a bundle's rows need, in as few queries as it can, and
	// returns what does one of them. An error means that our own servers fail:
	// the bundle is tried again.
	Prepare(ctx context.Context, rows []tasks.Row) (Do, error)
}

// Do tries one row. It may be called from many goroutines at once.
type Do func(ctx context.Context, row tasks.Row) tasks.Settlement

// Store is what the workers need of the store.
type Store interface {
	// Owed reads the live rows of a bundle that are due by now.
	Owed(ctx context.Context, kind tasks.Kind, subjects []tasks.Subject, now time.Time) ([]tasks.Row, error)
	// Settle writes what tries came to, each with an error of its own.
	Settle(ctx context.Context, tries ...tasks.Settlement) []error
	// Update changes one order at once: the claim before a channel is called.
	Update(ctx context.Context, id order.ID, req *once.Request, fn func(*order.Order) error) error
	OrdersByID(ctx context.Context, ids []order.ID) (map[order.ID]*order.Order, error)
	Notices(ctx context.Context, ids []tasks.Subject) (map[tasks.Subject]merchant.Notice, error)
	NoticeAttempts(ctx context.Context, noticeID string) ([]merchant.Attempt, error)
	NoticeDeliveries(ctx context.Context, noticeID string) ([]merchant.Delivery, error)
	// Claim takes those of an endpoint's deliveries that may be tried now.
	Claim(ctx context.Context, id merchant.EndpointID, now time.Time) (tasks.Claim, error)
	// Land writes what became of attempts, each with an error of its own.
	Land(ctx context.Context, list ...tasks.Landing) []error
	// WalkRecovery takes a recovery a step further.
	WalkRecovery(ctx context.Context, id merchant.RecoveryID, now time.Time) (tasks.Walk, error)
	// SigningEndpoints are a merchant's endpoints with the secrets that sign now.
	SigningEndpoints(ctx context.Context, merchantID string, now time.Time) ([]merchant.Endpoint, error)
	// EndpointToVerify is an endpoint with the secrets that sign now, and Verified keeps
	// whether it verifies.
	EndpointToVerify(ctx context.Context, id merchant.EndpointID, now time.Time) (merchant.Endpoint, error)
	Verified(ctx context.Context, e merchant.Endpoint, v merchant.Verification, now time.Time) error
	// Maintain keeps the tables in shape; tasks.ErrMaintaining while another is at it.
	Maintain(ctx context.Context, keep tasks.Keep, now time.Time) (tasks.Maintained, error)
}

// Channels finds payment channels: payment.Registry.
type Channels interface {
	Channel(name string) (payment.Channel, error)
}

// Sender sends one notice to one endpoint: *merchant.Notifier.
type Sender interface {
	Send(ctx context.Context, e merchant.Endpoint, n merchant.Notice) merchant.Attempt
}

// Alerter tells whoever is on duty: alert.Senders. id is the same on every try
// of one alert.
type Alerter interface {
	Send(ctx context.Context, id string, a tasks.Alert) error
}

// Deps are what the workers work with.
type Deps struct {
	Store    Store
	Channels Channels
	Sender   Sender
	Alerts   Alerter
	Terms    tasks.Terms
	Keep     tasks.Keep
	Log      *zap.Logger
	// NotifyURL is where a channel sends its callbacks, by the channel's name.
	NotifyURL func(channel string) string
	Now       func() time.Time
	// SlotFor is how long an attempt to tell a merchant holds its worker's slot;
	// merchant.SlowAfter when zero. Tests have less time.
	SlotFor time.Duration
	// EndpointWindow is the most attempts that are under way to one endpoint at once;
	// merchant.UsualWindow when zero.
	EndpointWindow int
	// InFlight is told of attempts that begin in a lane, and with -1 that they end.
	// May be nil.
	InFlight func(lane tasks.Lane, by int)
	// Begun is told of each notice that is sent to an endpoint for the first time, and
	// Acknowledged of each that one takes: how long after it was written. May be nil.
	Begun, Acknowledged func(after time.Duration)
	// VerifyEvery is how often it is found out whether an endpoint verifies
	// signatures; 0: never.
	VerifyEvery time.Duration
	// Plain turns the isolation of endpoints off: one queue, and an attempt holds its
	// slot until the answer. Only for measuring what isolation does.
	Plain bool
}

// All makes one worker of every kind.
func All(d Deps) []Worker {
	c := newCourier(d)
	return []Worker{
		paymentConfirm{d},
		paymentQuery{d},
		paymentReturn{d},
		channelClose{d},
		orderClose{d},
		notify{c, tasks.DeliveryNotify},
		notify{c, tasks.MerchantNotify},
		endpointDeliver{c},
		endpointRecover{d},
		newEndpointVerify(d),
		deliveryDeadline{d},
		deliveryRevoke{d},
		orderComplete{d},
		refundSubmit{d},
		refundQuery{d},
		alertSend{d},
		maintenance{d},
	}
}

// byKind checks that every kind has one worker and only one.
func byKind(list []Worker) (map[tasks.Kind]Worker, error) {
	workers := map[tasks.Kind]Worker{}
	for _, w := range list {
		if _, twice := workers[w.Kind()]; twice {
			return nil, fmt.Errorf("task kind %s has two workers", w.Kind())
		}
		if _, err := tasks.SpecOf(w.Kind()); err != nil {
			return nil, err
		}
		workers[w.Kind()] = w
	}
	for _, s := range tasks.Specs() {
		if workers[s.Kind] == nil {
			return nil, fmt.Errorf("task kind %s has no worker", s.Kind)
		}
	}
	return workers, nil
}

func done(row tasks.Row, apply func(*order.Order) error) tasks.Settlement {
	return tasks.Settlement{Row: row, Verdict: tasks.Done(), Apply: apply}
}

func later(row tasks.Row, err error) tasks.Settlement {
	return tasks.Settlement{Row: row, Verdict: tasks.Later(err)}
}

func never(row tasks.Row, err error) tasks.Settlement {
	return tasks.Settlement{Row: row, Verdict: tasks.Never(err)}
}
