package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

// Store changes orders. Each change and all its consequences are one
// transaction; changes that arrive together share it.
type Store struct {
	*DB
	opt         StoreOptions
	creates     *group[*creation]
	changes     *group[change]
	chores      *group[change]
	receipts    *group[*receipt]
	fulfilments *group[*tasks.Settlement]
	landings    *group[*tasks.Landing]
	drains      *group[*tasks.Settlement]
}

// StoreOptions are what a Store needs besides the database. Only Log is
// required.
type StoreOptions struct {
	Log   *zap.Logger
	Terms tasks.Terms      // the zero value means tasks.DefaultTerms
	Now   func() time.Time // time.Now when nil
	// Dispatch is told, after each commit, which rows are due at once. It must
	// not block. Rows that it drops are put back by the relay. Without it, as at
	// the command line, rows that are due at once wait for a relay's next look.
	Dispatch func(keys []tasks.Key)
	// CommitEvery is the least time from the beginning of one commit to that of the
	// next of its group, in which what comes gathers. What comes later than that
	// after another waits for nothing.
	CommitEvery time.Duration
	// FulfilEvery is the same for what merchants acknowledged on the direct way.
	FulfilEvery time.Duration
	// EndpointWindow is the most attempts that are under way to one endpoint's
	// backlog at once; merchant.UsualWindow when zero.
	EndpointWindow int
	// Committed is told of each batch that was committed.
	Committed func(group string, items int, took time.Duration)
}

// The limits of a group commit.
const (
	batchMost    = 256
	queueMost    = 8192 // items of the outside that may wait in one group
	batchTimeout = 20 * time.Second
)

// NewStore makes a Store on d. Close it before d.
func NewStore(d *DB, opt StoreOptions) *Store {
	if opt.Terms == (tasks.Terms{}) {
		opt.Terms = tasks.DefaultTerms()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.EndpointWindow == 0 {
		opt.EndpointWindow = merchant.UsualWindow
	}
	if opt.Committed == nil {
		opt.Committed = func(string, int, time.Duration) {}
	}
	s := &Store{DB: d, opt: opt}
	s.creates = newGroup(batchMost, opt.CommitEvery, func(b []*pending[*creation]) { commit(s, "create", b, s.createBatch) })
	s.changes = newGroup(batchMost, opt.CommitEvery, func(b []*pending[change]) { commit(s, "change", b, s.changeBatch) })
	s.chores = newGroup(batchMost, opt.CommitEvery, func(b []*pending[change]) { commit(s, "settle", b, s.changeBatch) })
	s.receipts = newGroup(batchMost, opt.CommitEvery, func(b []*pending[*receipt]) { commit(s, "receive", b, s.receiveBatch) })
	s.fulfilments = newGroup(batchMost, opt.FulfilEvery, func(b []*pending[*tasks.Settlement]) { commit(s, "fulfil", b, s.fulfilBatch) })
	s.landings = newGroup(batchMost, opt.CommitEvery, func(b []*pending[*tasks.Landing]) { commit(s, "land", b, s.landBatch) })
	s.drains = newGroup(batchMost, opt.CommitEvery, func(b []*pending[*tasks.Settlement]) { commit(s, "drain", b, s.drainBatch) })
	return s
}

// CreateWait estimates how long an order that came now would wait for its
// commit. It asks nobody.
func (s *Store) CreateWait() time.Duration { return s.creates.wait() }

// Close commits what waits and takes no more.
func (s *Store) Close() {
	s.receipts.close()
	s.creates.close()
	s.landings.close()
	s.drains.close()
	s.fulfilments.close()
	s.chores.close()
	s.changes.close()
}

// writes is an empty batch of this store's.
func (s *Store) writes() *writes {
	w := newWrites(s.now(), s.opt.Terms)
	w.dispatched = s.opt.Dispatch != nil
	return w
}

func (s *Store) now() time.Time { return s.opt.Now().UTC().Truncate(time.Microsecond) }

// transaction runs one batch in one transaction: it returns each item's own answer
// and the rows that became due, or an error of the whole.
type transaction[T any] func(ctx context.Context, conn *pgxpool.Conn, items []T) (answers []error, due []tasks.Key, err error)

// commit runs a batch and answers its items. When a statement fails, the
// database has certainly undone the whole, and the halves are tried each by
// itself: a poisoned item fails alone.
func commit[T any](s *Store, name string, batch []*pending[T], run transaction[T]) {
	began := time.Now()
	items := make([]T, len(batch))
	for i, p := range batch {
		items[i] = p.item
	}
	var answers []error
	var due []tasks.Key
	err := across(context.Background(), func() (err error) {
		answers, due, err = transact(s, items, run)
		if deadlocked(err) {
			s.opt.Log.Warn("deadlock, trying the batch again", zap.String("group", name), zap.Int("items", len(batch)), zap.Error(err))
		}
		return err
	})
	if raced(err) && len(batch) == 1 { // the other one is through now
		answers, due, err = transact(s, items, run)
	}
	if undone(err) && len(batch) > 1 {
		s.opt.Log.Warn("batch undone, trying its halves", zap.String("group", name), zap.Int("items", len(batch)), zap.Error(err))
		half := len(batch) / 2
		commit(s, name, batch[:half], run)
		commit(s, name, batch[half:], run)
		return
	}
	if err == nil {
		s.opt.Committed(name, len(batch), time.Since(began))
		if len(due) > 0 && s.opt.Dispatch != nil {
			s.opt.Dispatch(due)
		}
	}
	for i, p := range batch {
		if err != nil {
			p.answer(err)
		} else {
			p.answer(answers[i])
		}
	}
}

func transact[T any](s *Store, items []T, run transaction[T]) (answers []error, due []tasks.Key, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	conn, err := s.hot.Acquire(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("reach the database: %w", &away{err})
	}
	defer conn.Release()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
		if err != nil {
			rollback(conn)
			answers, due, err = nil, nil, known(err)
		}
	}()
	return run(ctx, conn, items)
}

// errPanic is a fault of ours in making a batch: nothing of it was committed.
var errPanic = errors.New("panic")

// away is an error of reaching the database, even when it is the database that
// says so: no part of a batch would fare better.
type away struct{ error }

// Is says what it means to callers: nothing was changed, and it passes.
func (e *away) Is(target error) bool { return target == order.ErrBusy }

// rollback leaves the connection clean, or closes it when it cannot be.
func rollback(conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = conn.Conn().Close(ctx)
	}
}

// undone says that the server itself refused, so that nothing was written. A
// connection that broke leaves open whether the commit took place, and so does one
// that the server ends (FATAL): it may do that right after the commit.
func undone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.SeverityUnlocalized == "ERROR" || errors.Is(err, order.ErrNumberTaken) || errors.Is(err, errPanic)
}

// raced says that another process wrote the same Idempotency-Key in between,
// and with it perhaps the same order number.
func raced(err error) bool {
	return violates(err, "idempotency_keys_pkey") || errors.Is(err, order.ErrNumberTaken)
}

// known turns a refusal of the server's that means something into the error
// that says it.
func known(err error) error {
	if violates(err, "order_numbers_pkey") {
		return order.ErrNumberTaken
	}
	if sealed(err) {
		return errors.Join(&order.Refusal{Step: "change the order", Why: "it is so old that it is being archived just now"}, err)
	}
	return fmt.Errorf("write batch: %w", err)
}

func violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == constraint
}

// exec sends a batch and reads its results in the order in which they were
// queued: each query's Query/Exec callback is called in turn.
func exec(ctx context.Context, conn *pgxpool.Conn, b *pgx.Batch) error {
	return conn.SendBatch(ctx, b).Close()
}
