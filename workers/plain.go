package workers

import (
	"context"
	"errors"
	"time"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/tasks"
)

// plain tells one endpoint as a queue of notices does that isolates nobody: at
// once, whoever it is, and for as long as it takes. Deps.Plain chooses it; only
// measuring does.
func (w notify) plain(ctx context.Context, e merchant.Endpoint, notice merchant.Notice) leg {
	f := w.begin(e, notice)
	w.wait(ctx, f, tasks.DirectLane, nil)
	return leg{endpoint: e, flight: f}
}

// plainly is what the endpoints' answers mean for the row then: as long as one of
// them does not take the notice it is tried again by the row's ladder.
func plainly(row tasks.Row, legs []leg) tasks.Settlement {
	s := tasks.Settlement{Row: row, Verdict: tasks.Done()}
	var failed error
	var wait time.Duration
	for _, l := range legs {
		t := l.flight.attempt
		if t.Class() == merchant.Stopped {
			s.Verdict = tasks.Again(errors.New(t.Error))
			continue
		}
		s.Tries = append(s.Tries, t)
		if !t.OK {
			failed, wait = errors.New(t.Error), max(wait, t.RetryAfter)
		}
	}
	switch {
	case failed != nil && wait > 0:
		s.Verdict = tasks.LaterIn(wait, failed)
	case failed != nil:
		s.Verdict = tasks.Later(failed)
	}
	return s
}
