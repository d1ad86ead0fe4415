// Package alert tells whoever is on duty. It holds the port and its senders:
// the log, which is always there, and an SMS gateway, when the settings name
// one. Which things are worth an alert is decided where they happen (tasks),
// and a sender that fails is tried again like any task (workers): nothing here
// decides, waits or repeats.
package alert

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/tasks"
)

// Sender is a way to tell somebody. Send returns nil when the alert was taken;
// any error has it sent again, for a day. id is the same on every try of one
// alert: one that was taken and whose answer was lost comes a second time, and
// the id tells. Implementations are safe for concurrent use, end with ctx, and
// show no secret in their errors.
type Sender interface {
	Send(ctx context.Context, id string, a tasks.Alert) error
}

// Senders is all of them, each in its turn. One that fails keeps none of the
// others from being told, and has all of them told again.
type Senders []Sender

// Send implements Sender.
func (all Senders) Send(ctx context.Context, id string, a tasks.Alert) error {
	var errs []error
	for _, s := range all {
		errs = append(errs, s.Send(ctx, id, a))
	}
	return errors.Join(errs...)
}

// Log is the sender that never fails: one loud line. What another Sender cannot
// get rid of is thus in the log again on every try.
type Log struct{ To *zap.Logger }

// Send implements Sender. The text is the message itself: a storm of equal
// messages would be sampled, and an alert be lost in it.
func (l Log) Send(_ context.Context, id string, a tasks.Alert) error {
	of := zap.Skip()
	if !a.Order.IsZero() {
		of = zap.Stringer("order", a.Order)
	}
	l.To.Error("ALERT: "+a.Text, zap.String("alert", string(a.Name)), of, zap.String("alert_id", id), zap.Time("at", a.At))
	return nil
}
