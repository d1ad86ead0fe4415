package workers

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/orderflow/orderflow/tasks"
)

// maintenance keeps the tables in shape, every day: it is always owed.
type maintenance struct{ Deps }

const (
	everyDay = 24 * time.Hour
	// besideAnother is when to look again, where another process is at it.
	besideAnother = 10 * time.Minute
)

func (maintenance) Kind() tasks.Kind { return tasks.MaintenanceRun }

func (w maintenance) Prepare(context.Context, []tasks.Row) (Do, error) {
	return func(ctx context.Context, row tasks.Row) tasks.Settlement {
		did, err := w.Store.Maintain(ctx, w.Keep, w.Now())
		switch {
		case errors.Is(err, tasks.ErrMaintaining):
			return tasks.Settlement{Row: row, Verdict: tasks.Anew(besideAnother)}
		case err != nil:
			return later(row, err)
		}
		w.told(did)
		return tasks.Settlement{Row: row, Verdict: tasks.Anew(everyDay)}
	}, nil
}

func (w maintenance) told(did tasks.Maintained) {
	w.Log.Info("maintenance done", zap.Strings("months_made", did.Made), zap.Strings("months_taken_out", did.Taken), zap.Int64("answers_forgotten", did.Answers), zap.Int64("recoveries_forgotten", did.Recoveries))
	for _, use := range did.InUse {
		w.Log.Warn("a month is old enough to be taken out, and in use", zap.Error(use))
	}
}
