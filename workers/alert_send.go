package workers

import (
	"context"
	"fmt"

	"github.com/orderflow/orderflow/tasks"
)

// alertSend tells whoever is on duty. One who was told and whose answer was
// lost is told twice, with the same id: better than not at all.
type alertSend struct{ Deps }

func (alertSend) Kind() tasks.Kind { return tasks.AlertSend }

func (w alertSend) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		a, err := tasks.ReadAlert(row.Payload)
		if err != nil {
			return never(row, fmt.Errorf("%s: %w", row.Key, err))
		}
		if err := w.Alerts.Send(ctx, row.Subject.String(), a); err != nil {
			return later(row, err)
		}
		return done(row, nil)
	}, nil
}
