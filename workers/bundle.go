package workers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// The outcomes of a try, as metrics and logs name them.
const (
	outcomeDone  = "done"
	outcomeLater = "later"
	outcomeDead  = "dead"
	outcomeGone  = "gone"  // another try was faster
	outcomeLost  = "lost"  // not written; the row is still owed
	outcomePanic = "panic" // a fault of ours; the row is tried later
)

// clockSkew is how far apart the clocks of our machines may be: a row that is
// due on one is not passed over on another.
const clockSkew = 2 * time.Second

// runner takes bundles from asynq, tries their rows and settles them.
type runner struct {
	worker Worker
	spec   tasks.Spec
	store  Store
	now    func() time.Time
	log    *zap.Logger
	tried  func(k tasks.Kind, outcome string, took, late time.Duration)
	busy   *busy
}

// ProcessTask implements asynq.Handler. Its error is only ever about our own
// servers, or about a payload that nobody can read; what becomes of a row is
// written in the row.
func (r *runner) ProcessTask(ctx context.Context, t *asynq.Task) error {
	subjects, err := tasks.Decode(t.Payload())
	if err != nil {
		r.log.Error("unreadable bundle archived; its rows will be put back", zap.String("kind", t.Type()), zap.Error(err))
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	reading := r.busy.read()
	rows, err := r.store.Owed(ctx, r.spec.Kind, subjects, r.now().Add(clockSkew))
	rows, release := r.busy.claim(reading, rows)
	defer release()
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return nil
	}
	do, err := r.worker.Prepare(ctx, rows)
	if err != nil {
		return err
	}
	if r.spec.Local {
		return r.together(ctx, do, rows)
	}
	return r.apart(ctx, do, rows)
}

// together tries rows that call nobody and settles them in one commit.
func (r *runner) together(ctx context.Context, do Do, rows []tasks.Row) error {
	began := time.Now()
	tries := make([]tasks.Settlement, len(rows))
	for i, row := range rows {
		tries[i] = r.try(ctx, do, row)
	}
	return r.settle(ctx, began, tries)
}

// apart tries rows side by side: a slow neighbour of one holds up no other.
func (r *runner) apart(ctx context.Context, do Do, rows []tasks.Row) error {
	errs := make([]error, len(rows))
	var wg sync.WaitGroup
	for i, row := range rows {
		wg.Go(func() {
			began := time.Now()
			limited, cancel := context.WithTimeout(ctx, r.spec.Limit)
			defer cancel()
			try := r.try(limited, do, row)
			if ctx.Err() != nil && !try.Verdict.IsDone() && len(try.Tries) == 0 {
				return // we are being stopped: not the row's fault, it costs it no try
			}
			errs[i] = r.settle(context.WithoutCancel(ctx), began, []tasks.Settlement{try})
		})
	}
	wg.Wait()
	return first(errs)
}

// first is the first of a bundle's errors, and how many there are: each has a line
// in the log.
func first(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) > 1 {
		return fmt.Errorf("%w; and %d more of the bundle", errs[0], len(errs)-1)
	}
	return errors.Join(errs...)
}

// try runs one row and turns a panic into a try that failed.
func (r *runner) try(ctx context.Context, do Do, row tasks.Row) (t tasks.Settlement) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("worker panicked; the row is tried again later",
				zap.Stringer("task", row.Key), zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
			r.tried(r.spec.Kind, outcomePanic, 0, 0)
			t = later(row, fmt.Errorf("panic: %v", p))
		}
	}()
	return do(ctx, row)
}

func (r *runner) settle(ctx context.Context, began time.Time, tries []tasks.Settlement) error {
	var failed error
	errs := r.store.Settle(ctx, tries...)
	for i, t := range tries {
		outcome := r.outcome(t, errs[i])
		r.tried(r.spec.Kind, outcome, time.Since(began), max(0, r.now().Sub(t.Row.DueAt)))
		r.report(t, outcome, errs[i])
		if t.Then != nil {
			t.Then(errs[i])
		}
		if outcome == outcomeLost {
			failed = fmt.Errorf("settle %s: %w", t.Row.Key, errs[i])
		}
	}
	return failed
}

func isGone(err error) bool { return errors.Is(err, tasks.ErrGone) }

func (r *runner) outcome(t tasks.Settlement, err error) string {
	switch {
	case errors.Is(err, tasks.ErrGone):
		return outcomeGone
	case errors.Is(err, order.ErrAlready):
		return outcomeDone
	case errors.Is(err, order.ErrNotAllowed):
		return outcomeLater
	case errors.Is(err, order.ErrNotFound):
		return outcomeDead
	case err != nil:
		return outcomeLost
	case t.Verdict.Fulfils():
		return outcomeDone
	}
	if next, owed := t.Verdict.Next(t.Row, r.now()); owed && !next.DeadAt.IsZero() {
		return outcomeDead
	}
	return outcomeLater
}

// report writes one line per try: quiet when all is well, loud when somebody
// must act.
func (r *runner) report(t tasks.Settlement, outcome string, err error) {
	if err == nil {
		err = t.Verdict.Err()
	}
	level, says := zapcore.DebugLevel, "task"
	switch outcome {
	case outcomeDead:
		level, says = zapcore.ErrorLevel, "task is dead: see `orderflow task list --state dead`, then `orderflow task requeue`"
	case outcomeLost:
		level, says = zapcore.WarnLevel, "task not settled; it is tried again"
	}
	line := r.log.Check(level, says)
	if line == nil {
		return
	}
	of := zap.Skip()
	if id := t.Row.Order(); !id.IsZero() {
		of = zap.Stringer("order", id)
	}
	line.Write(
		zap.String("kind", string(t.Row.Kind)), of, zap.Stringer("subject", t.Row.Subject),
		zap.String("outcome", outcome), zap.Int("attempt", t.Row.Attempts+1), zap.Duration("late", r.now().Sub(t.Row.DueAt)), zap.Error(err))
}

// busy keeps one process from trying a row twice at the same time, or once more
// when it was read before the first try was settled, as happens when Redis is
// emptied under it. A row that became due for a new reason is a new generation
// and need not wait. Between processes the generation decides.
type busy struct {
	mu      sync.Mutex
	rows    map[try]bool
	readers map[*reading]bool
}

// reading is rows being read; over are the tries that ended meanwhile.
type reading struct{ over map[try]bool }

// try is one life of a row: one that was done and is owed anew begins at
// generation 0 again.
type try struct {
	tasks.Key
	generation int
	born       time.Time
}

func tryOf(r tasks.Row) try { return try{r.Key, r.Generation, r.CreatedAt.UTC()} }

func newBusy() *busy { return &busy{rows: map[try]bool{}, readers: map[*reading]bool{}} }

// read begins a reading, which ends with its claim.
func (b *busy) read() *reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := &reading{over: map[try]bool{}}
	b.readers[r] = true
	return r
}

// claim returns the rows that nobody here is trying, or has tried since they were
// read, and what gives them back.
func (b *busy) claim(from *reading, rows []tasks.Row) (mine []tasks.Row, release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readers, from)
	for _, r := range rows {
		if t := tryOf(r); !b.rows[t] && !from.over[t] {
			b.rows[t] = true
			mine = append(mine, r)
		}
	}
	return mine, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, r := range mine {
			t := tryOf(r)
			delete(b.rows, t)
			for other := range b.readers {
				other.over[t] = true
			}
		}
	}
}
